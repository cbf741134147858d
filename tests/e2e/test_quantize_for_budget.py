"""The model that must break int8: a function-preserving outlier in trained weights."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from safetensors.numpy import load_file, save_file

from tests.conftest import REPOSITORY

RECIPE = """\
model: {source: model.py:build, weights: weights.safetensors, input: {shape: [1, 3, 32, 32]}}
data:
  calibration: ${EDGECOMPILE_DATA}/cifar10/calib.npz
  evaluation: ${EDGECOMPILE_DATA}/cifar10/eval.npz
  prepare: model.py:prepare
budgets: {quantize: 0.5, lower: 0.5, total: 0.6}
targets: [android-tflite]
"""


@pytest.fixture
def outliers(data_folder: Path, tmp_path: Path) -> Path:
    """ic_resnet8 with eight channels between two convolutions 300 times as large."""
    folder = tmp_path / "outliers"
    folder.mkdir()
    shutil.copy(REPOSITORY / "recipes/ic_resnet8/model.py", folder)
    (folder / "recipe.yaml").write_text(RECIPE)
    weights = {
        n: a.copy() for n, a in load_file(data_folder / "ic_resnet8/weights.safetensors").items()
    }
    for name in ("stage1.bn1.weight", "stage1.bn1.bias"):
        weights[name][:8] *= 300
    weights["stage1.conv2.weight"][:, :8] /= 300
    save_file(weights, folder / "weights.safetensors")
    return folder


def quantized(result) -> dict:
    return next(row for row in result.json()["stages"] if row["stage"] == "quantize")


def test_plain_int8_breaks_the_budget_and_the_message_says_what_helps(edgecompile, outliers):
    result = edgecompile("build", outliers, "-q", "--set", "stages.quantize.improve=[]")
    assert result.exit_code == 3
    assert "the step quantize[affine] broke its budget" in result.stderr
    assert "stages.quantize.fallback=true" in result.stderr
    assert not Path("dist/outliers/android-tflite").exists()


def test_equalization_alone_holds_the_budget_with_no_operator_in_float(edgecompile, outliers):
    result = edgecompile("build", outliers, "-q", "--format", "json")
    assert result.exit_code == 0, result.stderr
    (account,) = result.json()["compression"].values()
    assert [t["method"] for t in account["trials"] if t["kept"]] == ["equalize"]
    assert account["put_back"] == []
    assert quantized(result)["delta_previous"] >= -0.5


def test_fallback_holds_the_budget_with_two_operators_and_the_report_names_them(
    edgecompile, outliers
):
    options = ["--set", "stages.quantize.improve=[]", "--set", "stages.quantize.fallback=true"]
    result = edgecompile("build", outliers, "-q", "--format", "json", *options)
    assert result.exit_code == 0, result.stderr
    (account,) = result.json()["compression"].values()
    assert [row["module"] for row in account["put_back"]] == ["stage1.conv1", "stage1.conv2"]
    assert quantized(result)["delta_previous"] >= -0.5
    assert result.json()["peak_bytes"] < 2e9
    shown = edgecompile("build", outliers, "-q", *options).stdout
    assert "put back to float: Conv stage1.conv1, model.py:34" in shown


def test_a_target_that_holds_integers_only_is_told_that_nothing_can_be_put_back(
    edgecompile, outliers
):
    options = ["--set", "stages.quantize.improve=[]", "--set", "stages.quantize.fallback=true"]
    result = edgecompile("build", outliers, "-q", "-t", "mcu-tflite", *options)
    assert result.exit_code == 3
    assert "its targets hold integers only, so that no operator can be put back" in result.stderr


@pytest.mark.parametrize(
    "recipe", [pytest.param("ad_autoencoder", marks=pytest.mark.full), "ic_resnet8"]
)
def test_one_scale_per_weight_tensor_is_brought_within_a_point(edgecompile, data_folder, recipe):
    result = edgecompile(
        "build", recipe, "-q", "-t", "android-tflite", "--format", "json",
        "--set", "stages.quantize.per_channel=false",
        "--set", "budgets={quantize: 1.0, total: 1.0}",
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    assert quantized(result)["delta_baseline"] >= -1.0


def trained(edgecompile, *options: str):
    stage = "stages.quantize={precision: a8w4, improve: [], finetune: {epochs: 2}}"
    return edgecompile(
        *("build", "digits_cnn", "-q", "--format", "json", "-t", "cpu-onnxruntime"),
        *("--set", stage, *options),
    )


def test_training_is_the_last_resort_and_the_report_says_what_it_gave(edgecompile):
    result = trained(edgecompile, "--set", "budgets={}", "--set", "agreement.quantize=60")
    (account,) = result.json()["compression"].values()
    (trial,) = account["trials"]
    assert (trial["method"], trial["kept"]) == ("finetune", True)
    assert trial["after_db"] > trial["before_db"] + 1
    assert quantized(result)["delta_previous"] > -1
    assert result.exit_code == 3  # four bits never agree to 60 dB


def test_training_again_with_nothing_changed_is_from_the_cache(edgecompile):
    first, again = (trained(edgecompile, "--set", "budgets.quantize=-9") for _ in range(2))
    assert first.exit_code == again.exit_code == 3
    assert [s for s in again.rebuilt() if "quantize" in s] == []


def test_training_without_data_is_told_before_anything_runs(edgecompile, tiny):
    stage = "stages.quantize={finetune: {epochs: 1}}"
    result = edgecompile("build", "tiny", "-q", "--set", stage)
    assert (result.exit_code, result.stderr.splitlines()[0]) == (
        2,
        "error: stages.quantize.finetune needs data to train on, and the recipe names no "
        "data.train",
    )


def test_a_training_that_diverges_is_one_message(edgecompile):
    stage = "stages.quantize={precision: a8w4, improve: [], finetune: {learning_rate: 1.0e+30}}"
    goal = ("--set", "agreement.quantize=60")
    result = edgecompile(
        "build", "digits_cnn", "-q", "-t", "cpu-onnxruntime", "--set", stage, *goal
    )
    assert result.exit_code == 2
    assert result.stderr.startswith("error: fine-tuning diverged: ")
    assert "choose a smaller stages.quantize.finetune.learning_rate" in result.stderr
