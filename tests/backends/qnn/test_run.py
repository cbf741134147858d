"""The emulated binary against the hub that it was made of."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import numpy as np
import onnx_ir as ir
import pytest

from edgecompile.backends.qnn import run as running
from edgecompile.backends.qnn.backend import QnnBackend
from edgecompile.compress.decision import decide, write_hub
from edgecompile.compress.narrow import halve_constants
from edgecompile.compress.scheme import QuantScheme
from edgecompile.conformance.judge import away_from_ties
from edgecompile.errors import ToolchainFailed
from edgecompile.evaluate.agreement import compare
from edgecompile.evaluate.session import run_onnx
from edgecompile.graph.hub import serialize
from edgecompile.graph.qdq import output_scales
from edgecompile.recipe.load import load_target
from tests.backends.qnn.test_artifact import hang
from tests.hubs import AFFINE, hub_of, plain_min_max, quickly_quantized, samples_for

pytest.importorskip("onnxruntime_qnn")

BACKEND = QnnBackend()
IMAGES = hub_of(
    "float[1,3,8,8] x",
    "c = Conv<pads=[1,1,1,1]>(x, w, b) r = Relu(c) d = Conv<group=8>(r, e) s = HardSwish(d) "
    "m = ReduceMean<keepdims=0>(s, axes) y = Gemm<transB=1>(m, v, u)",
    "float[8,3,3,3] w, float[8] b, float[8,1,3,3] e, float[5,8] v, float[5] u, "
    "int64[2] axes = {2, 3}",
)
TOKENS = hub_of(
    "float[1,6,16] x",
    "n = LayerNormalization<axis=-1>(x, g, h) q = MatMul(n, w) k = MatMul(n, v) "
    "t = Transpose<perm=[0,2,1]>(k) a = MatMul(q, t) s = Softmax(a) z = MatMul(s, n) "
    "l = Gelu(z) y = Add(l, x)",
    "float[16] g, float[16] h, float[16,16] w, float[16,16] v",
)


def quantized(bits: int, weight_bits: int = 8):
    scheme = QuantScheme("affine", True, bits, weight_bits)
    return lambda hub: quickly_quantized(hub, samples_for(hub, 64), scheme)


@pytest.mark.parametrize("hub", [IMAGES, TOKENS], ids=["images", "tokens"])
@pytest.mark.parametrize(
    ("make", "least_db"),
    [
        pytest.param(quantized(8), 20, id="int8"),
        pytest.param(quantized(16), 30, id="a16w8"),
        pytest.param(halve_constants, 40, id="fp16"),
    ],
)
@pytest.mark.parametrize(
    "chip", ["snapdragon-8-elite", pytest.param("snapdragon-8-gen-1", marks=pytest.mark.full)]
)
def test_the_emulated_binary_says_what_the_hub_says(tmp_path, hub, make, least_db, chip):
    small = make(hub)
    BACKEND.lower(small, load_target(chip), tmp_path)
    samples = samples_for(hub, 40, seed=5)
    found = BACKEND.run(tmp_path / "model.bin", samples, {})
    expected = run_onnx(serialize(small), samples)
    agreement = compare(expected, found)
    assert agreement.sqnr_db is None or agreement.sqnr_db >= least_db


def test_a_clamp_of_the_input_rounds_twice_as_the_hub_does(tmp_path):
    hub = hub_of("float[1,4,8,8] x", "y = Clip(x, low, six)", "float low = {0}, float six = {6}")
    samples = samples_for(hub, 8, spread=5.0)
    small = quickly_quantized(hub, samples)
    BACKEND.lower(small, load_target("snapdragon-8-elite"), tmp_path)
    samples = away_from_ties(small, samples)
    (found,) = BACKEND.run(tmp_path / "model.bin", samples, {})
    (expected,) = run_onnx(serialize(small), samples)
    (scale,) = output_scales(small)
    assert np.abs(np.rint((found - expected) / scale)).max() <= 1  # of one rounding it is 2


def decibel_on_the_emulator(hub: ir.Model, folder: Path) -> float:
    """SQNR of the binary's outputs against the hub's."""
    BACKEND.lower(hub, load_target("snapdragon-8-gen-3"), folder)
    samples = samples_for(IMAGES, 20, seed=5)
    found = BACKEND.run(folder / "model.bin", samples, {})
    agreement = compare(run_onnx(serialize(hub), samples), found)
    assert agreement.sqnr_db is not None
    return agreement.sqnr_db


@pytest.mark.parametrize("bits", [8, 16])
def test_an_operator_left_in_float_runs_on_the_tensor_processor_as_well(tmp_path, bits):
    hub = quickly_quantized(
        IMAGES,
        samples_for(IMAGES, 64),
        QuantScheme("affine", True, bits, 8),
        float_nodes=frozenset({"conv3"}),
    )
    assert decibel_on_the_emulator(hub, tmp_path) >= 18


def test_operators_raised_to_16_bits_run_amid_those_of_8(tmp_path):
    with patch("edgecompile.compress.decision.post_training_quantize", plain_min_max):
        decision = decide(IMAGES, samples_for(IMAGES, 64), AFFINE)
    hub = write_hub(replace(decision, wide_nodes=frozenset({"conv1", "relu2", "gemm6"})))
    assert decibel_on_the_emulator(hub, tmp_path) >= 18


def test_it_is_the_binary_that_runs(tmp_path):
    hub = quantized(8)(IMAGES)
    BACKEND.lower(hub, load_target("snapdragon-8-gen-3"), tmp_path)
    samples = samples_for(IMAGES, 4)
    (before,) = BACKEND.run(tmp_path / "model.bin", samples, {})
    (tmp_path / "model.bin").write_bytes(b"")
    with pytest.raises(ToolchainFailed, match="Qualcomm's HTP emulator"):
        BACKEND.run(tmp_path / "model.bin", samples, {})
    other = quantized(8)(
        hub_of("float[1,3,8,8] x", "f = Flatten(x) y = Gemm(f, w)", "float[192,5] w")
    )
    (tmp_path / "other").mkdir()
    BACKEND.lower(other, load_target("snapdragon-8-gen-3"), tmp_path / "other")
    (after,) = BACKEND.run(tmp_path / "other/model.bin", samples, {})
    assert not np.allclose(before, after)


def test_an_emulator_that_hangs_is_told_with_what_to_do(tmp_path, monkeypatch):
    BACKEND.lower(quantized(8)(IMAGES), load_target("snapdragon-8-gen-3"), tmp_path)
    monkeypatch.setattr(running, "TIME_LIMIT_SECONDS", 2)
    monkeypatch.setattr(running, "emulate", hang)
    with pytest.raises(ToolchainFailed, match="took longer than 2 s") as caught:
        BACKEND.run(tmp_path / "model.bin", samples_for(IMAGES), {})
    assert "data.emulated_samples" in caught.value.remedy
