"""The recipes of real models, built from the real packs where $EDGECOMPILE_DATA names them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import REPOSITORY

TARGETS = ("cpu-onnxruntime", "android-tflite")

# What PyTorch reaches by the pack's README, what int8 may lose in points, and the least share of
# outputs that equal those of ONNX Runtime's integer kernels (at most 1 LSB apart).
PROMISES = {
    "kws_dscnn": (0.9193, 0.5, 0.999),
    "ic_resnet8": (0.8795, 0.3, 0.995),
    "ad_autoencoder": (0.8804, 0.5, 0.999),
    "cifar_resnet20": (0.9137, 0.3, 0.995),
    "fmnist_cnn": (0.9116, 0.3, None),
    "fmnist_vit": (0.8782, 1.0, None),
}


@pytest.mark.parametrize(
    "recipe",
    [
        pytest.param(name, marks=[pytest.mark.full] if name == "ad_autoencoder" else [])
        for name in PROMISES
    ],
)
def test_a_real_model_loses_no_more_than_promised(edgecompile, data_folder, recipe):
    require_promise(edgecompile, recipe)


def test_the_anomaly_detector_keeps_its_promise_on_a_quarter_of_its_clips(
    edgecompile, data_folder, tmp_path
):
    """Each clip is 196 samples: all of them take a minute."""
    recipe = tmp_path / "ad_autoencoder"
    shutil.copytree(REPOSITORY / "recipes/ad_autoencoder", recipe)
    whole = np.load(data_folder / "ad_autoencoder/eval.npz")
    np.savez(recipe / "quarter.npz", **{name: whole[name][::4] for name in whole.files})
    chosen = ("--set", "data.evaluation=quarter.npz")
    reached = require_promise(edgecompile, recipe, *chosen)
    assert reached == pytest.approx(PROMISES["ad_autoencoder"][0], abs=0.05)


def require_promise(edgecompile, recipe: str | Path, *chosen: str) -> float:
    """Build the recipe, with all of its samples or those `chosen`; returns PyTorch's score."""
    name = Path(recipe).name
    options = [word for name in TARGETS for word in ("-t", name)]
    result = edgecompile("build", recipe, "-q", "--format", "json", *options, *chosen)
    assert result.exit_code == 0, result.stderr
    reached, may_lose, least_equal = PROMISES[name]
    score: float = result.json()["stages"][0]["metric"]
    if not chosen:
        assert score == pytest.approx(reached, abs=5.1e-5)
    lowered = [row for row in result.json()["stages"] if row["stage"] == "lower"]
    assert [row["target"] for row in lowered] == list(TARGETS)
    for row in lowered:
        assert row["delta_baseline"] >= -may_lose
        assert row["evidence"] == "vendor-runtime"
        if least_equal is not None:
            twin = row["agreement"]["twin"]
            assert set(twin["lsb"]) <= {"-1", "0", "1"}
            assert twin["equal"] >= least_equal
    for target in TARGETS:
        manifest = json.loads((Path("dist") / name / target / "manifest.json").read_bytes())
        assert manifest["model"] == name
    return score
