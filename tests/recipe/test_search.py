"""Where recipes and targets are found, and what happens when two have one name."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgecompile.recipe.search import builtin_root, find_all
from tests.conftest import write_tiny

TARGET = "title: My board\nbackend: onnxruntime\nprecisions: [int8]\n"


def write_target(folder: Path, name: str, text: str = TARGET) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.yaml"
    path.write_text(text)
    return path


BUILTIN = sorted(find_all("recipes")), sorted(find_all("targets"))


def test_the_built_in_recipes_and_targets_of_the_issue_are_there():
    assert {
        "ad_autoencoder",
        "cifar_resnet20",
        "digits_cnn",
        "fmnist_cnn",
        "fmnist_vit",
        "ic_resnet8",
        "kws_dscnn",
        "mnist_cnn",
    } <= set(BUILTIN[0])
    assert {"android-tflite", "cpu-onnxruntime", "linux-arm64-tflite", "mcu-tflite"} <= set(
        BUILTIN[1]
    )


@pytest.mark.parametrize("name", BUILTIN[0])
def test_every_built_in_recipe_is_valid_and_its_targets_are_known(edgecompile, name):
    result = edgecompile("recipes", "show", name, "--format", "json")
    assert (result.exit_code, result.stderr) == (0, "")
    resolved = result.json()
    assert resolved["name"] == name
    assert resolved["description"]
    assert set(resolved["targets"]) <= set(find_all("targets"))


@pytest.mark.parametrize("name", BUILTIN[1])
def test_every_built_in_target_is_valid_and_every_figure_has_a_source(edgecompile, name):
    result = edgecompile("targets", "show", name, "--format", "json")
    assert (result.exit_code, result.stderr) == (0, "")
    target = result.json()
    assert target["name"] == name
    assert all(fact["source"] for fact in {**target["limits"], **target["facts"]}.values())


@pytest.mark.parametrize("where", ["here", "variable"])
def test_targets_of_the_user_are_found(edgecompile, monkeypatch, tmp_path, where):
    root = tmp_path if where == "here" else tmp_path / "elsewhere"
    write_target(root / "targets" / "any" / "depth", "my-board")
    if where == "variable":
        monkeypatch.setenv("EDGECOMPILE_PATH", f"{tmp_path / 'missing'}:{root}")
    assert edgecompile("targets", "show", "my-board").stdout.startswith("my-board: My board\n")
    listed = [row["name"] for row in edgecompile("targets", "list", "--format", "json").json()]
    assert listed == sorted([*BUILTIN[1], "my-board"])


@pytest.mark.parametrize("where", ["here", "variable"])
def test_recipes_of_the_user_are_found_by_name(edgecompile, monkeypatch, tmp_path, where):
    root = tmp_path if where == "here" else tmp_path / "elsewhere"
    write_tiny(root / "recipes" / "mine")
    if where == "variable":
        monkeypatch.setenv("EDGECOMPILE_PATH", str(root))
    assert edgecompile("recipes", "show", "mine", "--format", "json").json()["name"] == "mine"
    listed = [row["name"] for row in edgecompile("recipes", "list", "--format", "json").json()]
    assert listed == sorted([*BUILTIN[0], "mine"])


def test_a_folder_that_is_searched_twice_is_no_clash(edgecompile, monkeypatch, tmp_path):
    write_target(tmp_path / "targets", "my-board")
    monkeypatch.setenv("EDGECOMPILE_PATH", f"{tmp_path}:{tmp_path}/targets/..:{builtin_root()}")
    assert edgecompile("targets", "show", "my-board").exit_code == 0


@pytest.mark.parametrize("verb", ["list", "show"])
def test_two_targets_of_one_name_are_an_error_that_names_both_files(edgecompile, tmp_path, verb):
    mine = write_target(tmp_path / "targets", "cpu-onnxruntime")
    arguments = ["cpu-onnxruntime"] if verb == "show" else []
    result = edgecompile("targets", verb, *arguments)
    theirs = builtin_root() / "targets" / "onnxruntime" / "cpu-onnxruntime.yaml"
    assert (result.exit_code, result.stdout, result.stderr) == (
        2,
        "",
        f"error: two targets are named 'cpu-onnxruntime': {theirs} and {mine}\n"
        "help: rename one of them\n",
    )


def test_two_recipes_of_one_name_are_an_error_that_names_both_files(edgecompile, tmp_path):
    mine = write_tiny(tmp_path / "recipes" / "digits_cnn") / "recipe.yaml"
    result = edgecompile("recipes", "list")
    theirs = builtin_root() / "recipes" / "digits_cnn" / "recipe.yaml"
    assert (result.exit_code, result.stderr) == (
        2,
        f"error: two recipes are named 'digits_cnn': {theirs} and {mine}\n"
        "help: rename one of them\n",
    )


def test_a_target_file_can_be_named_by_its_path(edgecompile, tmp_path):
    path = write_target(tmp_path / "boards", "my-board")
    assert edgecompile("targets", "show", path).stdout.startswith("my-board: My board\n")


def test_a_target_whose_name_is_not_that_of_its_file_is_refused(edgecompile, tmp_path):
    write_target(tmp_path / "targets", "my-board", f"name: your-board\n{TARGET}")
    result = edgecompile("targets", "show", "my-board")
    assert (result.exit_code, result.stderr) == (
        2,
        "error: the target is named 'your-board' in a file named 'my-board.yaml'\n"
        "  --> targets/my-board.yaml:1:1\n"
        " 1 | name: your-board\n"
        "   | ^\n"
        "help: give both the same name\n",
    )


def test_a_target_with_a_misspelt_key_is_refused_with_its_place(edgecompile, tmp_path):
    write_target(tmp_path / "targets", "my-board", TARGET.replace("backend", "backed"))
    result = edgecompile("targets", "show", "my-board")
    assert (result.exit_code, result.stderr) == (
        2,
        "error: unknown key 'backed'\n"
        "  --> targets/my-board.yaml:2:1\n"
        " 2 | backed: onnxruntime\n"
        "   | ^\n"
        "help: did you mean 'backend'?\n",
    )


def test_a_figure_without_a_source_is_refused(edgecompile, tmp_path):
    write_target(tmp_path / "targets", "my-board", f"{TARGET}limits: {{ram: {{value: 1024}}}}\n")
    result = edgecompile("targets", "show", "my-board")
    assert (result.exit_code, result.stderr.splitlines()[:2]) == (
        2,
        ["error: the key 'limits.ram.source' is missing", "  --> targets/my-board.yaml:4:10"],
    )


@pytest.mark.parametrize("kind", ["targets", "recipes"])
def test_one_broken_file_does_not_hide_the_others(edgecompile, tmp_path, kind):
    broken = tmp_path / kind / ("broken.yaml" if kind == "targets" else "broken/recipe.yaml")
    broken.parent.mkdir(parents=True)
    broken.write_text("a: [")
    result = edgecompile(kind, "list", "--format", "json")
    assert [row["name"] for row in result.json()] == BUILTIN[kind == "targets"]
    assert result.exit_code == 2
    assert result.stderr.startswith("error: not valid YAML: ")
    assert str(broken) in result.stderr


def test_a_listed_file_with_odd_values_is_listed_all_the_same(edgecompile, tmp_path):
    write_target(tmp_path / "targets", "odd", "title: {a: 1}\nprecisions:\nbackend: [x, 3]\n")
    result = edgecompile("targets", "list")
    assert result.exit_code == 0
    assert any(line.split() == ["odd", "x,3", "{'a':", "1}"] for line in result.stdout.splitlines())
