"""Snapdragons from PyTorch to the emulated binary: on a real model, and with a library that falls.

The numbers of the full matrix are those of docs/backends/qnn.md.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import TINY_RECIPE, write_tiny

pytest.importorskip("onnxruntime_qnn")

CHIPS = ("snapdragon-8-gen-1", "snapdragon-8-gen-3", "snapdragon-8-elite")
TARGETS = [word for chip in CHIPS for word in ("-t", chip)]

# SIGSEGV in libQnnHtp of onnxruntime-qnn 2.7.0: Mish, then Concat, in half precision.
CRASHING = """\
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)
        self.head = nn.Linear(16, 3)

    def forward(self, x):
        x = self.conv(x)
        x = torch.cat([nn.functional.mish(x), x], dim=1)
        return self.head(x.mean((2, 3)))


def build():
    torch.manual_seed(0)
    return Net()
"""


@pytest.fixture
def crashing(tmp_path):
    """A model that the compiler dies of."""
    recipe = TINY_RECIPE.replace("  weights: weights.safetensors\n", "").replace(
        "[1, 4]", "[1, 3, 8, 8]"
    )
    folder = write_tiny(tmp_path / "crashing", model=CRASHING, recipe=recipe)
    rng = np.random.default_rng(0)
    for split in ("calib", "eval"):
        inputs = rng.normal(size=(20, 3, 8, 8)).astype(np.float32)
        np.savez(folder / f"{split}.npz", inputs=inputs, labels=rng.integers(0, 3, 20))
    return folder


def test_a_crash_of_the_library_fails_its_target_and_no_other(edgecompile, crashing):
    half = ("--set", "stages.quantize.precision=fp16")
    others = ("-t", "snapdragon-8-gen-3", "-t", "cpu-onnxruntime")
    result = edgecompile("build", crashing, "-q", "--format", "json", *half, *others)
    assert result.exit_code == 6
    assert "error: Qualcomm's HTP compiler crashed (SIGSEGV); it said: " in result.stderr
    assert "Traceback" not in result.stderr
    failed, built = result.json()["targets"]
    assert (failed["status"], failed["exit_code"]) == ("failed", 6)
    assert not Path("dist/crashing/snapdragon-8-gen-3").exists()
    assert built["status"] == "built"
    assert Path("dist/crashing/cpu-onnxruntime/model.onnx").is_file()


def test_some_samples_are_emulated_and_the_report_says_how_many(edgecompile, tiny):
    wanted = ("--set", "data.emulated_samples=50")
    result = edgecompile("build", tiny, "-q", "-t", "snapdragon-8-gen-3", *wanted)
    assert result.exit_code == 0, result.stderr
    assert "vendor-emulator, 50 of 200 samples" in result.stdout
    assert "where not all samples were run, the metric is that of the step before" in result.stdout
    folder = Path("dist/tiny/snapdragon-8-gen-3")
    assert "Where not all samples were run, the metric" in (folder / "report.html").read_text()
    manifest = json.loads((folder / "manifest.json").read_bytes())
    row = manifest["stages"][-1]
    assert (row["samples"], row["all_samples"]) == (50, 200)
    measured = edgecompile("eval", folder, "-q", "-r", "tiny", *wanted, "--format", "json").json()
    assert {key: measured[key] for key in ("metric", "samples", "all_samples", "evidence")} == {
        "metric": row["metric_of_samples"],
        "samples": 50,
        "all_samples": 200,
        "evidence": "vendor-emulator",
    }
    shown = edgecompile("inspect", folder)
    assert "QNN context binary for SM8650" in shown.stdout


def test_three_chips_share_every_step_before_lowering(edgecompile, tiny):
    result = edgecompile("build", tiny, "-q", "--format", "json", *TARGETS)
    assert result.exit_code == 0, result.stderr
    shared = [step for step in result.statuses() if not any(chip in step for chip in CHIPS)]
    own = [step for step in result.statuses() if step not in shared]
    assert len([step for step in shared if step.startswith("quantize")]) == 1
    assert sorted(own) == sorted(
        f"{verb}[{chip}]" for verb in ("check", "lower", "run", "measure") for chip in CHIPS
    )


def build(edgecompile, recipe, precision, *options):
    result = edgecompile(
        "build",
        recipe,
        "-q",
        "--format",
        "json",
        "--set",
        f"stages.quantize.precision={precision}",
        *options,
    )
    assert result.exit_code == 0, result.stderr
    return [row for row in result.json()["stages"] if row["stage"] == "lower"]


def test_a_real_model_keeps_its_accuracy_on_the_emulator(edgecompile, data_folder):
    (row,) = build(
        edgecompile,
        "kws_dscnn",
        "a16w8",
        *("-t", "snapdragon-8-gen-3", "--set", "data.emulated_samples=100"),
    )
    assert (row["evidence"], row["samples"]) == ("vendor-emulator", 100)
    assert abs(row["delta_previous"]) <= 0.2
    assert row["agreement"]["previous"]["same_top1"] >= 0.995


RECIPES = ("ic_resnet8", "kws_dscnn", "ad_autoencoder", "cifar_resnet20", "fmnist_vit")

# Points of the metric between hub and emulator, and the least share of equal decisions. The library
# rounds sums twice with 8 bits: docs/backends/qnn.md.
KEPT = {"int8": (1.0, 0.98), "a16w8": (0.2, 0.995), "fp16": (0.2, 0.995)}


@pytest.mark.full
@pytest.mark.parametrize("precision", KEPT)
@pytest.mark.parametrize("recipe", RECIPES)
def test_every_model_on_every_chip(edgecompile, data_folder, recipe, precision):
    chips = ("snapdragon-8-gen-2", "snapdragon-8-gen-3", "snapdragon-8-elite")
    options = [word for chip in chips for word in ("-t", chip)]
    points, share = KEPT[precision]
    allowed = ("--set", f"budgets.lower={points}", "--set", "budgets.total=1.0")
    rows = build(edgecompile, recipe, precision, *options, *allowed)
    assert [row["target"] for row in rows] == list(chips)
    for row in rows:
        assert row["evidence"] == "vendor-emulator"
        assert abs(row["delta_previous"]) <= points
        same = row["agreement"]["previous"]["same_top1"]
        assert same is None or recipe == "ad_autoencoder" or same >= share
