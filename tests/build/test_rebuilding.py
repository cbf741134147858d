"""A change rebuilds exactly what depends on it: compared step by step."""

from __future__ import annotations

import numpy as np
import pytest

from tests.conftest import TINY_MODEL, TINY_RECIPE, samples, tree, write_tiny

pytestmark = pytest.mark.usefixtures("warm_cache")

BASELINE = ["run[pytorch]", "measure[pytorch]"]
FLOAT_HUB = [
    "export",
    "run[export]",
    "measure[export]",
    "simplify",
    "run[simplify]",
    "measure[simplify]",
    "check[cpu-onnxruntime]",
]
QUANTIZED = [
    "quantize[affine]",
    "run[quantize[affine]]",
    "measure[quantize[affine]]",
    "kernels[quantize[affine]]",
    "lower[cpu-onnxruntime]",
    "run[cpu-onnxruntime]",
    "measure[cpu-onnxruntime]",
]
DATA = ["data[evaluation]", "data[calibration]"]


@pytest.fixture
def rebuilt(edgecompile, tiny):
    def call(*options: str) -> list[str]:
        result = edgecompile("build", "tiny", "--format", "json", *options)
        assert result.exit_code == 0, result.stderr
        assert set(result.statuses().values()) <= {"built", "cached"}
        return result.rebuilt()

    return call


def change_calibration(tiny, sample: int, factor: float) -> None:
    arrays = samples(0, 64)
    arrays["inputs"][sample] *= factor
    np.savez(tiny / "calib.npz", **arrays)


def test_without_a_change_nothing_is_rebuilt_wherever_the_recipe_lies(rebuilt):
    assert rebuilt() == []


def test_no_cache_rebuilds_everything_to_the_same_bytes(rebuilt):
    rebuilt()
    before = tree_of_dist()
    assert rebuilt("--no-cache") == [*DATA, *BASELINE, *FLOAT_HUB, *QUANTIZED]
    assert tree_of_dist() == before


def tree_of_dist():
    from pathlib import Path

    return tree(Path("dist"))


def test_one_byte_of_the_weights_rebuilds_all_but_the_data(rebuilt, tiny):
    path = tiny / "weights.safetensors"
    data = bytearray(path.read_bytes())
    data[-2] ^= 0x20  # a high bit of the mantissa of the last weight
    path.write_bytes(data)
    assert rebuilt() == [*BASELINE, *FLOAT_HUB, *QUANTIZED]


def test_one_calibration_sample_rebuilds_the_quantization_and_what_follows(rebuilt, tiny):
    change_calibration(tiny, sample=7, factor=10.0)
    assert rebuilt() == ["data[calibration]", *QUANTIZED]


def test_a_calibration_sample_that_changes_no_range_rebuilds_no_further_than_the_hub(rebuilt, tiny):
    change_calibration(tiny, sample=7, factor=1.0001)
    assert rebuilt() == ["data[calibration]", "quantize[affine]"]


def test_one_evaluation_label_rebuilds_only_the_measurements(rebuilt, tiny):
    arrays = samples(1, 200)
    arrays["labels"][3] = (arrays["labels"][3] + 1) % 3
    np.savez(tiny / "eval.npz", **arrays)
    assert rebuilt() == ["data[evaluation]", *measurements()]


def measurements() -> list[str]:
    return [s for s in (*BASELINE, *FLOAT_HUB, *QUANTIZED) if s.startswith("measure")]


@pytest.mark.parametrize(
    "option",
    ["stages.quantize.per_channel=false", "stages.quantize.calibration_samples=8"],
)
def test_an_option_of_the_quantization_rebuilds_it_and_what_follows(rebuilt, option):
    assert rebuilt("--set", option) == QUANTIZED


def test_another_metric_rebuilds_only_the_measurements(rebuilt):
    assert rebuilt("--set", "metric=top5") == measurements()


@pytest.mark.parametrize(
    "option", ["budgets.total=3", "agreement.lower=10", "description=other words"]
)
def test_what_only_judges_or_describes_rebuilds_nothing(rebuilt, option):
    assert rebuilt("--set", option) == []


@pytest.mark.parametrize(
    "edited",
    [
        "# what a model\n" + TINY_MODEL,
        TINY_MODEL.replace("def build():\n", "def build():\n\n    # one layer\n"),
        TINY_MODEL.replace("nn.Linear(4, 3)", "nn.Linear(\n        4,\n        3,\n    )"),
    ],
)
def test_a_comment_or_the_layout_of_the_source_rebuilds_nothing(rebuilt, tiny, edited):
    (tiny / "model.py").write_text(edited)
    assert rebuilt() == []


def test_code_of_the_model_is_run_again_and_equal_results_end_it_there(rebuilt, tiny):
    (tiny / "model.py").write_text(TINY_MODEL.replace("build():\n", "build():\n    pass\n"))
    assert rebuilt() == ["run[pytorch]", "export"]


PREPARE = "def prepare(inputs):\n    return inputs * {factor}\n"
WITH_PREPARE = TINY_RECIPE.replace("eval.npz", "eval.npz\n  prepare: parts/prepare.py:prepare")


def test_code_of_prepare_in_a_file_of_its_own_is_looked_at(rebuilt, tiny):
    (tiny / "parts").mkdir()
    (tiny / "parts" / "prepare.py").write_text(PREPARE.format(factor=1))
    (tiny / "recipe.yaml").write_text(WITH_PREPARE)
    assert rebuilt() == DATA  # the samples come out equal: nothing else has changed
    assert rebuilt() == []
    (tiny / "parts" / "prepare.py").write_text(PREPARE.format(factor="(2 / 2)"))
    assert rebuilt() == DATA


def test_a_module_that_prepare_imports_is_looked_at(rebuilt, tiny):
    (tiny / "parts").mkdir()
    (tiny / "parts" / "prepare.py").write_text(
        "from factors import ONE\n\n\n" + PREPARE.format(factor="ONE")
    )
    (tiny / "parts" / "factors.py").write_text("ONE = 1\n")
    (tiny / "recipe.yaml").write_text(WITH_PREPARE)
    rebuilt()
    (tiny / "parts" / "factors.py").write_text("ONE = 1  # uno\n")
    assert rebuilt() == []
    (tiny / "parts" / "factors.py").write_text("ONE = 2 - 1\n")
    assert rebuilt() == DATA


def test_code_of_the_metric_in_a_file_of_its_own_rebuilds_only_the_measurements(rebuilt, tiny):
    score = "def score(outputs, labels):\n    return {value}\n"
    (tiny / "score.py").write_text(score.format(value="0.5"))
    (tiny / "recipe.yaml").write_text(TINY_RECIPE.replace("top1", "score.py:score"))
    assert rebuilt() == measurements()
    (tiny / "score.py").write_text(score.format(value="0.25"))
    assert rebuilt() == measurements()


def test_a_dry_run_tells_what_would_be_rebuilt_and_runs_nothing(edgecompile, tiny):
    change_calibration(tiny, sample=7, factor=10.0)
    planned = edgecompile("build", "tiny", "--dry-run", "--format", "json").json()
    assert [row["step"] for row in planned if row["state"] == "to build"] == [
        "data[calibration]",
        *QUANTIZED,
    ]
    assert edgecompile("build", "tiny", "--dry-run", "--format", "json").json() == planned
    shown = edgecompile("build", "tiny", "--dry-run").stdout.splitlines()
    assert shown[0].split() == ["STEP", "STATE"]
    assert shown[1].split() == ["data[evaluation]", "cached"]
    assert shown[2].split() == ["data[calibration]", "to", "build"]


def test_two_targets_share_all_that_does_not_depend_on_them(rebuilt, tmp_path):
    (tmp_path / "targets").mkdir()
    (tmp_path / "targets" / "other-board.yaml").write_text(
        "title: Another\nbackend: onnxruntime\nprecisions: [int8]\n"
    )
    assert rebuilt("-t", "cpu-onnxruntime", "-t", "other-board") == [
        "check[other-board]",
        "lower[other-board]",
    ]


def test_the_timings_of_cached_steps_are_not_served(edgecompile, tiny):
    body = edgecompile("build", "tiny", "--format", "json").json()
    assert {step["cpu_seconds"] for step in body["steps"]} == {None}
    assert body["peak_bytes"] is None


def test_a_recipe_without_quantization_needs_no_calibration(edgecompile, tmp_path):
    recipe = TINY_RECIPE.replace("precision: int8", "precision: fp32")
    tiny = write_tiny(tmp_path / "tiny", recipe=recipe)
    result = edgecompile("build", tiny, "--dry-run", "--format", "json")
    steps = [row["step"] for row in result.json()]
    assert "data[calibration]" not in steps and "lower[cpu-onnxruntime]" in steps
