"""The rewrites for Qualcomm's execution provider: other nodes, the same numbers."""

from __future__ import annotations

import numpy as np
import pytest

from edgecompile.backends.qnn.lowering import lower_hub
from edgecompile.compress.narrow import halve_constants
from edgecompile.compress.scheme import QuantScheme
from edgecompile.evaluate.session import run_onnx
from edgecompile.graph.constants import dequantized_constant
from edgecompile.graph.hub import serialize
from edgecompile.graph.qdq import WEIGHT_INPUT, WEIGHTED, output_scales
from tests.hubs import hub_of, quickly_quantized, samples_for

NETWORK = hub_of(
    "float[1,3,8,8] x",
    "c = Conv<pads=[1,1,1,1]>(x, w, b) r = Relu(c) s = Sub(r, k) q = Concat<axis=1>(s, r) "
    "f = Reshape(q, shape) g = MatMul(f, v) t = Transpose<perm=[0,2,1]>(g) "
    "h = Reshape(t, rows) i = Gemm(h, u, d) z = Softmax(i) y = Reshape(z, whole)",
    "float[8,3,3,3] w, float[8] b, float[1,8,1,1] k, float[64,6] v, float[16,5] u, float[5] d, "
    "int64[3] shape = {1, 16, 64}, int64[2] rows = {6, 16}, int64[3] whole = {1, 6, 5}",
)
SCHEMES = {
    "int8": QuantScheme("affine", True, 8, 8),
    "a16w8": QuantScheme("affine", True, 16, 8),
    "symmetric": QuantScheme("symmetric", True, 8, 8),
}


@pytest.fixture(params=SCHEMES)
def quantized(request):
    return quickly_quantized(NETWORK, samples_for(NETWORK), SCHEMES[request.param])


def test_the_lowered_hub_says_what_the_hub_says(quantized):
    samples = samples_for(NETWORK, 20, seed=3)
    (expected,) = run_onnx(serialize(quantized), samples)
    (found,) = run_onnx(serialize(lower_hub(quantized)), samples)
    (scale,) = output_scales(quantized)
    # Sums of another order: one in a while falls to the other side of a tie.
    steps = np.rint((found - expected) / scale)
    assert np.abs(steps).max() <= 1
    assert (steps == 0).mean() > 0.99


def test_activations_are_unsigned_and_weights_signed(quantized):
    lowered = lower_hub(quantized)
    for node in lowered.graph:
        if node.op_type == "QuantizeLinear":
            assert node.inputs[2].dtype.name in {"UINT8", "UINT16"}
        if node.op_type in WEIGHTED:
            assert dequantized_constant(node.inputs[WEIGHT_INPUT]).data.dtype == np.int8


def test_every_operator_stands_between_quantized_tensors(quantized):
    for node in lower_hub(quantized).graph:
        if node.op_type == "QuantizeLinear":
            continue
        readers = [use.node.op_type for output in node.outputs for use in output.uses()]
        wanted = set() if node.op_type == "DequantizeLinear" else {"QuantizeLinear"}
        assert not wanted or set(readers) <= wanted, node


def test_wide_products_are_convolutions_with_16_bits_only():
    def count(scheme):
        hub = lower_hub(quickly_quantized(NETWORK, samples_for(NETWORK), SCHEMES[scheme]))
        kinds = [node.op_type for node in hub.graph]
        return kinds.count("Conv"), kinds.count("Gemm") + kinds.count("MatMul")

    assert count("int8") == (1, 2)
    assert count("a16w8") == (3, 0)


def test_half_constants_are_handed_over_as_the_numbers_that_they_are():
    hub = halve_constants(NETWORK)
    lowered = lower_hub(hub)
    assert not [node for node in lowered.graph if node.op_type == "Cast"]
    samples = samples_for(NETWORK, 4)
    (expected,), (found,) = (run_onnx(serialize(model), samples) for model in (hub, lowered))
    assert np.array_equal(expected, found)


def test_the_hub_itself_stays_as_it_is(quantized):
    before = serialize(quantized)
    lower_hub(quantized)
    assert serialize(quantized) == before
