"""`--set key=value`."""

from __future__ import annotations

import pytest


def shown(edgecompile, *options):
    result = edgecompile("recipes", "show", "tiny", "--format", "json", *options)
    assert result.exit_code == 0, result.stderr
    return result.json()


def test_set_replaces_one_value_and_leaves_the_rest(edgecompile, tiny):
    before = shown(edgecompile)
    after = shown(edgecompile, "--set", "stages.quantize.precision=fp16")
    assert after["stages"]["quantize"].pop("precision") == "fp16"
    assert before["stages"]["quantize"].pop("precision") == "int8"
    assert after == before


@pytest.mark.parametrize(
    ("override", "path", "value"),
    [
        ("budgets.total=0.25", ("budgets", "total"), 0.25),
        ("budgets.total=null", ("budgets", "total"), None),
        ("budgets={total: 1}", ("budgets", "quantize"), None),
        ("targets=[a, b]", ("targets",), ["a", "b"]),
        ("targets.0=mcu-tflite", ("targets",), ["mcu-tflite"]),
        ("model.input.shape.1=8", ("model", "input", "shape"), [1, 8]),
        ("agreement.lower=3", ("agreement", "lower"), 3.0),
        ("description=a=b", ("description",), "a=b"),
    ],
)
def test_the_value_of_set_is_read_as_yaml(edgecompile, tiny, override, path, value):
    found = shown(edgecompile, "--set", override)
    for key in path:
        found = found[key]
    assert found == value


def test_the_last_of_two_sets_wins(edgecompile, tiny):
    result = shown(edgecompile, "--set", "budgets.total=1", "--set", "budgets.total=2")
    assert result["budgets"]["total"] == 2.0


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (
            "metric",
            "error: --set metric is not of the form key.path=value\n"
            "help: for instance --set stages.quantize.precision=fp16\n",
        ),
        (
            "stages.quantize.precison=fp16",
            "error: unknown key 'stages.quantize.precison'\n"
            "  --> --set stages.quantize.precison=fp16\n"
            "help: did you mean 'precision'?\n",
        ),
        (
            "metrc=top5",
            "error: unknown key 'metrc'\n  --> --set metrc=top5\nhelp: did you mean 'metric'?\n",
        ),
        (
            "budgets.total=lots",
            "error: budgets.total must be a number, not 'lots'\n  --> --set budgets.total=lots\n",
        ),
        (
            "budgets=[",
            "error: not valid YAML: did not find expected node content\n  --> --set budgets=[\n",
        ),
        (
            "budgets={total: 1, total: 2}",
            "error: the key 'total' is written twice\n  --> --set budgets={total: 1, total: 2}\n",
        ),
        (
            "targets.7=x",
            "error: '7' is no entry of targets, which has 1; they count from 0\n"
            "  --> --set targets.7=x\n",
        ),
    ],
)
def test_a_wrong_set_is_told_where_it_was_written(edgecompile, tiny, override, message):
    result = edgecompile("build", "tiny", "--set", override)
    assert (result.exit_code, result.stdout, result.stderr) == (2, "", message)


def test_a_file_named_by_set_is_told_at_the_set(edgecompile, tiny):
    result = edgecompile("build", "tiny", "--set", "model.weights=other.safetensors")
    assert (result.exit_code, result.stderr) == (
        2,
        f"error: there is no file 'other.safetensors' in {tiny}\n"
        "  --> --set model.weights=other.safetensors\n",
    )


def test_set_does_not_change_the_file(edgecompile, tiny):
    before = (tiny / "recipe.yaml").read_bytes()
    shown(edgecompile, "--set", "metric=top5")
    assert (tiny / "recipe.yaml").read_bytes() == before
