"""What the command line says about a recipe that is wrong: the whole message."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import TINY_RECIPE, CommandLine, write_tiny


def say(edgecompile: CommandLine, folder: Path, recipe: str, *options: str) -> str:
    """The message for a recipe that must be refused with exit code 2 and nothing on stdout."""
    write_tiny(folder, recipe=recipe)
    result = edgecompile("build", "tiny", *options)
    assert (result.exit_code, result.stdout) == (2, "")
    return result.stderr


@pytest.fixture
def refused(edgecompile: CommandLine, tmp_path: Path):
    def call(old: str, new: str, *options: str) -> str:
        assert old in TINY_RECIPE
        return say(edgecompile, tmp_path / "tiny", TINY_RECIPE.replace(old, new), *options)

    return call


def test_a_misspelt_key_is_shown_where_it_stands_with_the_nearest_known_key(refused):
    assert refused("  calibration:", "  calibraton:") == (
        "error: unknown key 'data.calibraton'\n"
        "  --> tiny/recipe.yaml:7:3\n"
        " 7 |   calibraton: calib.npz\n"
        "   |   ^\n"
        "help: did you mean 'calibration'?\n"
    )


def test_an_unknown_key_without_a_neighbour_lists_the_known_ones(refused):
    assert refused("budgets: {quantize: 5.0,", "budgets: {xyz: 5.0,") == (
        "error: unknown key 'budgets.xyz'\n"
        "  --> tiny/recipe.yaml:12:11\n"
        " 12 | budgets: {xyz: 5.0, lower: 5.0, total: 5.0}\n"
        "    |           ^\n"
        "help: known here: export, lower, prune, quantize, simplify, spike, total\n"
    )


def test_all_mistakes_of_a_recipe_are_told_at_once_in_the_order_of_the_file(refused):
    assert refused(
        "metric: top1\nstages:\n  quantize: {precision: int8}", "metrik: top1\nstages: 3"
    ) == (
        "error: unknown key 'metrik'\n"
        "  --> tiny/recipe.yaml:9:1\n"
        " 9 | metrik: top1\n"
        "   | ^\n"
        "help: did you mean 'metric'?\n"
        "\n"
        "error: stages must be a mapping of keys to values, not 3\n"
        "  --> tiny/recipe.yaml:10:1\n"
        " 10 | stages: 3\n"
        "    | ^\n"
    )


def test_a_key_written_twice_is_refused(refused):
    assert refused("metric: top1", "metric: top1\nmetric: top5") == (
        "error: the key 'metric' is written twice\n"
        "  --> tiny/recipe.yaml:10:1\n"
        " 10 | metric: top5\n"
        "    | ^\n"
    )


def test_a_missing_key_is_named(refused):
    assert refused("  weights: weights.safetensors\n  input: {shape: [1, 4]}\n", "") == (
        "error: the key 'model.input' is missing\n  --> tiny/recipe.yaml:2:1\n 2 | model:\n   | ^\n"
    )


def test_a_key_that_is_missing_at_the_top_is_told_with_the_file(refused):
    assert refused("targets: [cpu-onnxruntime]\n", "") == (
        "error: the key 'targets' is missing\n  --> tiny/recipe.yaml\n"
    )


def test_an_alias_is_refused_because_it_can_expand_to_gigabytes(refused):
    assert refused("calib.npz\n  evaluation: eval.npz", "&a calib.npz\n  evaluation: *a") == (
        "error: YAML aliases (*name) are not allowed\n"
        "  --> tiny/recipe.yaml:8:15\n"
        " 8 |   evaluation: *a\n"
        "   |               ^\n"
        "help: write the value out\n"
    )


def test_a_tag_is_refused_because_it_asks_for_python_objects(refused):
    assert refused("metric: top1", "metric: !!python/object/apply:os.system [ls]") == (
        "error: YAML tags (!!python/object/apply:os.system) are not allowed\n"
        "  --> tiny/recipe.yaml:9:9\n"
        " 9 | metric: !!python/object/apply:os.system [ls]\n"
        "   |         ^\n"
        "help: write the plain value\n"
    )


def test_a_bomb_of_nested_lists_is_refused_and_shown_shortened(refused):
    bomb = "[" * 90_000 + "]" * 90_000
    message = refused("metric: top1", f"metric: {bomb}")
    first, place, excerpt, caret = message.splitlines()
    assert first == "error: nested more than 32 levels deep"
    assert place == "  --> tiny/recipe.yaml:9:40"
    assert excerpt == " 9 | metric: " + "[" * 112
    assert caret.index("^") == len(" 9 | ") + 39


def test_broken_yaml_is_shown_where_the_parser_stopped(refused):
    assert refused("metric: top1", "metric: [top1") == (
        "error: not valid YAML: did not find expected ',' or ']'\n"
        "  --> tiny/recipe.yaml:10:7\n"
        " 10 | stages:\n"
        "    |       ^\n"
    )


def test_a_control_character_is_shown_where_it_stands(refused):
    assert refused("metric: top1", "metric: top1\0") == (
        "error: not valid YAML: the character U+0000 is not allowed\n  --> tiny/recipe.yaml:9:13\n"
    )


@pytest.mark.parametrize("text", ["", "- a\n- b\n", "just words\n", "# a comment\n"])
def test_a_file_that_is_no_mapping_is_refused(edgecompile, tmp_path, text):
    assert say(edgecompile, tmp_path / "tiny", text) == (
        "error: tiny/recipe.yaml must hold a mapping of keys to values\n  --> tiny/recipe.yaml:1\n"
    )


def test_a_file_that_is_not_text_is_refused(edgecompile, tiny):
    (tiny / "recipe.yaml").write_bytes(b"\xff\xfe\x00\x01")
    result = edgecompile("build", "tiny")
    assert (result.exit_code, result.stderr) == (
        2,
        "error: tiny/recipe.yaml is not UTF-8 text\n",
    )


def test_a_file_of_megabytes_is_refused_unread(edgecompile, tiny):
    (tiny / "recipe.yaml").write_bytes(b"#" * (1 << 20) + b"\n")
    result = edgecompile("build", "tiny")
    assert (result.exit_code, result.stderr) == (
        2,
        "error: tiny/recipe.yaml is larger than 1048576 bytes\n",
    )


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("total: 5.0", "total: true", "budgets.total must be a number, not true"),
        ("total: 5.0", "total: lots", "budgets.total must be a number, not 'lots'"),
        ("total: 5.0", "total: .nan", "budgets.total must be a finite number, not nan"),
        ("shape: [1, 4]", "shape: [1, 0]", "model.input.shape[1] must be at least 1, not 0"),
        ("shape: [1, 4]", "shape: [1]", "model.input.shape must hold at least 2, not 1"),
        (
            "shape: [1, 4]",
            "shape: [8, 4]",
            "model.input.shape: the first dimension is the batch and must be 1, not 8",
        ),
        (
            "precision: int8",
            "precision: int9",
            "stages.quantize.precision must be one of 'fp32', 'fp16', 'w8', 'w4', 'lut8', 'lut6', "
            "'lut4', 'dynamic', 'int8', 'a16w8', 'a8w4', 'a16w4' or 'spiking', not 'int9'",
        ),
        ("targets: [cpu-onnxruntime]", "targets: []", "targets must hold at least 1, not 0"),
        (
            "targets: [cpu-onnxruntime]",
            "targets: cpu-onnxruntime",
            "targets must be a list, not 'cpu-onnxruntime'",
        ),
        ("metric: top1", "metric:", "metric must be text, not empty"),
        (
            "metric: top1",
            "metric: top9",
            "metric: 'top9' is neither a built-in metric (top1, top5, auc, map50, miou, mse, sqnr) "
            "nor model.py:score",
        ),
        (
            "metric: top1",
            "metric: {function: model.py:score, points: 0}",
            "metric.points must be more than 0, not 0",
        ),
        (
            "source: model.py:build",
            "source: model.py",
            "model.source: 'model.py' is not of the form model.py:function",
        ),
        (
            "calib.npz",
            "'model.py:'",
            "data.calibration: 'model.py:' is not of the form model.py:function",
        ),
    ],
)
def test_a_wrong_value_is_told_with_the_value(refused, old, new, message):
    assert refused(old, new).splitlines()[0] == f"error: {message}"


def test_a_wrong_key_in_a_described_metric_is_not_called_a_wrong_text(refused):
    assert refused("metric: top1", "metric: {functoin: model.py:score}") == (
        "error: unknown key 'metric.functoin'\n"
        "  --> tiny/recipe.yaml:9:10\n"
        " 9 | metric: {functoin: model.py:score}\n"
        "   |          ^\n"
        "help: did you mean 'function'?\n"
    )


def test_a_date_is_text(edgecompile, tmp_path):
    write_tiny(tmp_path / "tiny", recipe=TINY_RECIPE.replace("four numbers", "2024-05-01 #"))
    shown = edgecompile("recipes", "show", "tiny", "--format", "json").json()
    assert shown["description"] == "2024-05-01"


def test_an_unknown_target_is_told_with_the_nearest_name(refused):
    assert refused("[cpu-onnxruntime]", "[cpu-onnxruntim]") == (
        "error: there is no target named 'cpu-onnxruntim'\n"
        "  --> tiny/recipe.yaml:13:11\n"
        " 13 | targets: [cpu-onnxruntim]\n"
        "    |           ^\n"
        "help: did you mean 'cpu-onnxruntime'?\n"
    )


def test_an_unknown_target_on_the_command_line_is_told_with_the_nearest_name(edgecompile, tiny):
    result = edgecompile("build", "tiny", "-t", "android-tflit")
    assert (result.exit_code, result.stderr) == (
        2,
        "error: there is no target named 'android-tflit'\nhelp: did you mean 'android-tflite'?\n",
    )


def test_a_target_file_that_is_missing_is_told(edgecompile, tiny):
    result = edgecompile("build", "tiny", "-t", "mine/board.yaml")
    assert (result.exit_code, result.stderr) == (
        2,
        "error: there is no target file mine/board.yaml\n",
    )


def test_an_unknown_recipe_is_told_with_the_nearest_name(edgecompile):
    result = edgecompile("build", "digit_cnn")
    assert (result.exit_code, result.stderr) == (
        2,
        "error: there is no recipe named 'digit_cnn'\nhelp: did you mean 'digits_cnn'?\n",
    )


def test_a_recipe_file_that_is_missing_is_told(edgecompile):
    result = edgecompile("build", "mine/recipe.yaml")
    assert (result.exit_code, result.stderr) == (2, "error: there is no recipe mine/recipe.yaml\n")


def test_a_folder_without_a_recipe_is_told(edgecompile, tmp_path):
    (tmp_path / "empty").mkdir()
    result = edgecompile("build", "empty")
    assert (result.exit_code, result.stderr) == (
        2,
        "error: there is no recipe.yaml in empty\n"
        "help: `edgecompile recipes new NAME` writes one\n",
    )


def test_an_output_folder_named_like_a_recipe_does_not_hide_it(edgecompile, tmp_path):
    (tmp_path / "digits_cnn").mkdir()
    assert edgecompile("recipes", "show", "digits_cnn").exit_code == 0
