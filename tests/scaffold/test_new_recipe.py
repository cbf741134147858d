"""`edgecompile recipes new`, and the schema for editors."""

from __future__ import annotations

import json

import pytest

from edgecompile.recipe.schema import Recipe


def test_a_new_recipe_builds_as_it_is(edgecompile, tmp_path):
    result = edgecompile("recipes", "new", "mine")
    assert (result.exit_code, result.stdout, result.stderr) == (
        0,
        "",
        "wrote recipes/mine/recipe.yaml\n"
        "wrote recipes/mine/model.py\n"
        "next: edgecompile build recipes/mine\n",
    )
    result = edgecompile("build", "recipes/mine", "-q")
    assert (result.exit_code, result.stderr) == (0, "")
    assert (tmp_path / "dist/mine/cpu-onnxruntime/model.onnx").is_file()
    assert (tmp_path / "dist/mine/android-tflite/model.tflite").is_file()


def test_a_new_recipe_goes_where_it_is_asked_to(edgecompile, tmp_path):
    result = edgecompile("recipes", "new", "mine", "--in", "models", "--format", "json")
    assert result.json() == {
        "name": "mine",
        "files": ["models/mine/recipe.yaml", "models/mine/model.py"],
    }
    assert edgecompile("recipes", "show", "models/mine").exit_code == 0


def test_a_new_recipe_does_not_overwrite_an_old_one(edgecompile, tmp_path):
    edgecompile("recipes", "new", "mine")
    (tmp_path / "recipes/mine/model.py").write_text("precious")
    result = edgecompile("recipes", "new", "mine")
    assert (result.exit_code, result.stderr) == (
        2,
        "error: the folder recipes/mine is there already\n",
    )
    assert (tmp_path / "recipes/mine/model.py").read_text() == "precious"


def test_a_new_recipe_does_not_take_the_name_of_a_known_one(edgecompile, tmp_path):
    result = edgecompile("recipes", "new", "digits_cnn")
    assert result.exit_code == 2
    first, remedy = result.stderr.splitlines()
    assert first.startswith("error: a recipe named 'digits_cnn' is there already: ")
    assert remedy == "help: choose another name"
    assert not (tmp_path / "recipes").exists()


@pytest.mark.parametrize("name", ["../mine", "a b", ".hidden", "", "mine\n"])
def test_a_name_that_cannot_be_a_folder_is_refused(edgecompile, tmp_path, name):
    result = edgecompile("recipes", "new", name)
    assert (result.exit_code, result.stderr) == (
        2,
        f"error: '{name}' may hold only letters, digits, '.', '_' and '-', "
        "and starts with one of the first two\n",
    )
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_to_is_told(edgecompile, tmp_path):
    (tmp_path / "file").write_text("")
    result = edgecompile("recipes", "new", "mine", "--in", "file/sub")
    assert (result.exit_code, result.stderr) == (
        2,
        "error: cannot make file/sub/mine: Not a directory\n",
    )


def test_the_schema_knows_every_key_and_forbids_the_others(edgecompile):
    schema = json.loads(edgecompile("recipes", "schema").stdout)
    assert set(schema["properties"]) == set(Recipe.model_fields)
    assert set(schema["required"]) == {"name", "model", "data", "targets"}
    assert schema["additionalProperties"] is False
    described = schema["$defs"]["QuantizeStage"]["properties"]["calibration_samples"]
    assert described["description"] == "Spread evenly over the calibration data."


def test_a_resolved_recipe_is_a_recipe_and_resolves_to_itself(edgecompile, tiny):
    once = edgecompile("recipes", "show", "tiny").stdout
    (tiny / "recipe.yaml").write_text(once)
    assert edgecompile("recipes", "show", "tiny").stdout == once
