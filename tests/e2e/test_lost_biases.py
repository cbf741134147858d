"""A conversion that loses the biases, as a published model of MLPerf Tiny did, is caught.

The ad01 TFLite of the benchmark lost nine Dense biases when BatchNorm was folded, and its AUC rose
from .8804 to .9029: a metric alone lets such a file pass. Here a plug-in backend loses them.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import DATA, REPOSITORY, TINY_MODEL, TINY_RECIPE, WEIGHT, write_tiny

LOSSY = """\
import os
from pathlib import Path

from ai_edge_litert import schema_py_generated as schema
import flatbuffers

from edgecompile.backends.tflite.backend import TFLiteBackend


class LossyBackend(TFLiteBackend):
    name = "lossy"

    def lower(self, hub, target, folder):
        file = folder / self.main_file
        if "FAULTY_FILE" in os.environ:
            file.write_bytes(Path(os.environ["FAULTY_FILE"]).read_bytes())
            return
        super().lower(hub, target, folder)
        model = schema.ModelT.InitFromPackedBuf(file.read_bytes(), 0)
        for tensor in model.subgraphs[0].tensors:
            if tensor.name.endswith(b".bias"):
                buffer = model.buffers[tensor.buffer]
                buffer.data = buffer.data * 0
        builder = flatbuffers.Builder(0)
        builder.Finish(model.Pack(builder), b"TFL3")
        file.write_bytes(bytes(builder.Output()))
"""

TARGET = """\
title: a converter that loses biases
backend: lossy
precisions: [int8]
options: {io: int8, kernels: xnnpack}
"""


@pytest.fixture
def lossy(isolated, monkeypatch):
    """An installed package with the lossy backend, and a target that uses it."""
    site = isolated / "site"
    (site / "lossy-1.0.dist-info").mkdir(parents=True)
    (site / "lossy.py").write_text(LOSSY)
    (site / "lossy-1.0.dist-info" / "METADATA").write_text("Name: lossy\nVersion: 1.0\n")
    (site / "lossy-1.0.dist-info" / "entry_points.txt").write_text(
        "[edgecompile.backends]\nlossy = lossy:LossyBackend\n"
    )
    (isolated / "targets").mkdir()
    (isolated / "targets" / "lossy.yaml").write_text(TARGET)
    sys.modules.pop("lossy", None)  # another test's
    monkeypatch.syspath_prepend(site)


@pytest.fixture
def shifted(isolated):
    """The tiny recipe with a bias that is the same for all classes: top1 does not feel it."""
    from safetensors.numpy import save_file

    recipe = TINY_RECIPE.replace("[cpu-onnxruntime]", "[lossy]")
    folder = write_tiny(isolated / "shifted", model=TINY_MODEL, recipe=recipe)
    weights = {"weight": WEIGHT, "bias": np.full(3, 3, np.float32)}
    save_file(weights, folder / "weights.safetensors")
    return folder


def lowered(result):
    (row,) = [row for row in result.json()["stages"] if row["stage"] == "lower"]
    return row, {verdict["name"]: verdict for verdict in row["verdicts"]}


def test_lost_biases_break_the_build_though_the_metric_does_not_feel_them(
    edgecompile, lossy, shifted
):
    result = edgecompile("build", shifted, "--format", "json")
    assert result.exit_code == 3, result.stderr
    row, verdicts = lowered(result)
    assert row["delta_previous"] >= -0.5
    assert verdicts["budgets.lower"]["holds"]
    assert verdicts["budgets.total"]["holds"]
    assert not verdicts["agreement.lower"]["holds"]
    assert verdicts["agreement.lower"]["measured"] < 10
    assert "agreement.lower demands 20 dB" in result.stderr
    assert not list((shifted.parent / "dist").rglob("model.tflite"))


def test_the_metric_alone_would_have_let_them_pass(edgecompile, lossy, shifted):
    result = edgecompile("build", shifted, "--format", "json", "--set", "agreement.lower=null")
    assert result.exit_code == 0, result.stderr
    row, _ = lowered(result)
    assert row["agreement"]["twin"]["equal"] < 0.5


@pytest.mark.full
@pytest.mark.skipif(not DATA, reason="EDGECOMPILE_DATA does not name the folder of real packs")
def test_the_published_fault_raises_the_score_and_is_caught(
    edgecompile, lossy, data_folder, isolated, monkeypatch
):
    """The very fault: the biases of nine Dense layers are gone, those of BatchNorm are not."""
    from safetensors.numpy import load_file, save_file

    healthy = Path(REPOSITORY / "recipes" / "ad_autoencoder")
    shutil.copytree(healthy, isolated / "faulty")
    weights = load_file(data_folder / "ad_autoencoder" / "weights.safetensors")
    normalized = [n for n in weights if n.endswith(".bias") and is_dense(weights, n)][:9]
    for name in normalized:
        weights[name] = np.zeros_like(weights[name])
    save_file(weights, isolated / "faulty" / "weights.safetensors")
    made = edgecompile(
        "build", "faulty", "-t", "android-tflite", "--format", "json",
        "--set", "model.weights=weights.safetensors", "--set", "budgets.total=null",
    )  # fmt: skip
    assert made.exit_code == 0, made.stderr
    (file,) = (isolated / "dist").rglob("model.tflite")

    monkeypatch.setenv("FAULTY_FILE", str(file))
    result = edgecompile("build", "ad_autoencoder", "-t", "lossy", "--format", "json")
    assert result.exit_code == 3, result.stderr
    row, verdicts = lowered(result)
    assert row["delta_previous"] > 0
    assert verdicts["budgets.lower"]["holds"]
    assert verdicts["budgets.total"]["holds"]
    assert not verdicts["agreement.lower"]["holds"]


def is_dense(weights, name):
    """Is it the bias of a matrix, and not that of a normalization?"""
    return weights[name.replace(".bias", ".weight")].ndim == 2
