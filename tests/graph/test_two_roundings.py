"""Two pairs in a row: ONNX Runtime computes both of them, whatever its optimizer likes better."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from edgecompile.backends.onnxruntime.backend import OnnxRuntimeBackend
from edgecompile.compress.scheme import QuantScheme
from edgecompile.evaluate.session import run_integer_kernels, run_onnx
from edgecompile.graph.hub import save, serialize
from edgecompile.graph.two_roundings import keep_two_roundings
from edgecompile.graph.unsigned import to_unsigned
from edgecompile.recipe.target import Target
from tests.hubs import hub_of, quickly_quantized, samples_for

IMAGE = "float[1,2,6,6] x"
BOUNDS = "float low = {0}, float high = {1.5}"
ROUNDED_TWICE = {
    "a Relu of the input": ("y = Relu(x)", ""),
    "a Clip of the input": ("y = Clip(x, low, high)", BOUNDS),
    "both": ("r = Clip(x, low, high) y = Relu(r)", BOUNDS),
    "a Clip of a Sigmoid": ("s = Sigmoid(x) y = Clip(s, low)", "float low = {0.5}"),
    "a Relu of a pool": ("p = MaxPool<kernel_shape=[2,2]>(x) y = Relu(p)", ""),
    "a network behind a Clip": (
        "c = Clip(x, low, high) y = Conv(c, w)",
        f"{BOUNDS}, float[3,2,3,3] w",
    ),
}
BITS_8, BITS_16 = QuantScheme("affine"), QuantScheme("affine", True, 16, 8)


def quantized(body: str, constants: str, scheme: QuantScheme = BITS_8):
    hub = hub_of(IMAGE, body, constants)
    samples = samples_for(hub, spread=2.0)
    return quickly_quantized(hub, samples, scheme), samples


@pytest.mark.parametrize("scheme", [BITS_8, BITS_16], ids=["8 bits", "16 bits"])
@pytest.mark.parametrize(("body", "constants"), ROUNDED_TWICE.values(), ids=ROUNDED_TWICE)
def test_the_artifact_and_the_integer_kernels_round_as_often_as_the_hub(
    tmp_path, body, constants, scheme
):
    hub, samples = quantized(body, constants, scheme)
    (expected,) = run_onnx(serialize(hub), samples)
    backend, target = OnnxRuntimeBackend(), Target.model_construct(name="cpu")
    backend.lower(hub, target, tmp_path)
    (artifact,) = backend.run(tmp_path / backend.main_file, samples, {})
    save(hub, tmp_path / "hub.onnx")
    np.save(tmp_path / "samples.npy", samples)
    files = {"model": tmp_path / "hub.onnx", "samples": tmp_path / "samples.npy"}
    run_integer_kernels(files, {}, tmp_path)
    with np.load(tmp_path / "outputs.npz") as found:
        (kernels,) = found.values()
    # A Conv of 16 bits is a float sum in another order.
    bound = 2e-5 if "Conv" in body and scheme is BITS_16 else 0
    assert np.abs(artifact - expected).max() <= bound
    assert np.abs(kernels - expected).max() <= bound


def test_without_it_the_second_rounding_is_the_only_one():
    hub, samples = quantized(*ROUNDED_TWICE["a Clip of the input"])
    unsigned = to_unsigned(hub)
    (expected,) = run_onnx(serialize(hub), samples)
    (joined,) = run_onnx(serialize(unsigned), samples, optimized=True)
    assert np.abs(joined - expected).max() > 0.01  # else keep_two_roundings can go
    keep_two_roundings(unsigned)
    (kept,) = run_onnx(serialize(unsigned), samples, optimized=True)
    assert np.array_equal(kept, expected)


@pytest.mark.parametrize(
    "body",
    [
        "y = Abs(x)",  # one pair behind the other's operator
        "r = Relu(x) y = Add(x, r)",  # ONNX Runtime leaves a pair with two readers alone
        "y = MaxPool<kernel_shape=[2,2]>(x)",
    ],
)
def test_other_graphs_are_left_as_they_are(body):
    unsigned = to_unsigned(quantized(body, "")[0])
    before = ir.to_proto(unsigned)
    keep_two_roundings(unsigned)
    assert ir.to_proto(unsigned) == before
