"""Half precision and dynamic range: small weights, float arithmetic."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from edgecompile.compress.narrow import halve_constants, quantize_weights
from edgecompile.evaluate.agreement import compare
from edgecompile.evaluate.session import run_onnx
from edgecompile.graph.constants import dequantized_constant, half_constant
from edgecompile.graph.hub import constant, serialize
from edgecompile.graph.provenance import Provenance, provenance
from edgecompile.graph.qdq import INT4
from tests.hubs import hub_of, node_of, samples_for

NET = hub_of(
    "float[1,2,6,6] x",
    "c = Conv(x, w, b) s = Mul(c, half) f = Flatten(s) g = Gemm<transB=1>(f, v, e) y = Add(g, g)",
    "float[3,2,3,3] w, float[3] b, float half = {0.3}, float[4,48] v, float[4] e",
)


def test_constants_are_halved_where_they_are_read_as_numbers():
    hub = halve_constants(NET)
    conv, gemm = node_of(hub, "Conv"), node_of(hub, "Gemm")
    for value in (*conv.inputs[1:], *gemm.inputs[1:]):
        assert half_constant(value) is not None
    assert constant(node_of(hub, "Mul").inputs[1]).dtype == np.float32
    assert all(value.dtype != ir.DataType.FLOAT or constant(value).size == 1
               for value in hub.graph.initializers.values())  # fmt: skip


def test_halved_constants_are_the_nearest_halves():
    weight = constant(node_of(NET, "Conv").inputs[1])
    assert np.array_equal(half_constant(node_of(halve_constants(NET), "Conv").inputs[1]),
                          weight.astype(np.float16))  # fmt: skip


def test_a_constant_beyond_half_precision_stays_whole():
    hub = hub_of("float[1,2] x", "y = Add(x, c)", "float[2] c = {1, 70000}")
    assert [n.op_type for n in halve_constants(hub).graph] == ["Add"]


def test_a_constant_that_two_operators_read_is_widened_once():
    hub = hub_of("float[1,4] x", "a = MatMul(x, w) y = MatMul(a, w)", "float[4,4] w")
    assert [n.op_type for n in halve_constants(hub).graph] == ["Cast", "MatMul", "MatMul"]


@pytest.mark.parametrize("per_channel", [True, False])
def test_weights_are_symmetric_int8_with_the_largest_at_127(per_channel):
    hub = quantize_weights(NET, per_channel=per_channel)
    for op, count in (("Conv", 3), ("Gemm", 4)):
        weight = dequantized_constant(node_of(hub, op).inputs[1])
        real = constant(node_of(NET, op).inputs[1])
        assert weight.scale.shape == ((count,) if per_channel else ())
        assert not weight.zero_point.any()
        assert np.abs(weight.data.astype(int)).max() == 127
        assert np.abs(weight.real - real).max() <= weight.scale.max() * 0.501


def test_a_weight_of_zeros_has_a_scale():
    zeros = ", ".join(["0"] * 8)
    hub = hub_of("float[1,4] x", "y = Gemm(x, w)", f"float[4,2] w = {{{zeros}}}")
    weight = dequantized_constant(
        node_of(quantize_weights(hub, per_channel=True), "Gemm").inputs[1]
    )
    assert (weight.scale > 0).all()
    assert not weight.data.any()


@pytest.mark.parametrize(
    ("narrow", "tolerance"),
    [(halve_constants, 2e-3), (lambda hub: quantize_weights(hub, per_channel=True), 0.02)],
    ids=["fp16", "dynamic"],
)
def test_a_narrowed_hub_is_near_the_float_one(narrow, tolerance):
    samples = samples_for(NET)
    (expected,) = run_onnx(serialize(NET), samples)
    (actual,) = run_onnx(serialize(narrow(NET)), samples)
    assert np.abs(actual - expected).max() < tolerance * np.abs(expected).max()


@pytest.mark.parametrize(
    "narrow", [halve_constants, lambda hub: quantize_weights(hub, per_channel=True)]
)
def test_narrowing_repeats_changes_nothing_of_its_input_and_keeps_provenance(narrow):
    before = serialize(NET)
    hub = narrow(NET)
    assert serialize(narrow(NET)) == serialize(hub)
    assert serialize(NET) == before
    assert all(provenance(node) != Provenance() for node in hub.graph)


def test_four_bits_keep_to_seven_and_onnx_runtime_executes_them():
    hub = quantize_weights(NET, per_channel=True, bits=4)
    weight = dequantized_constant(node_of(hub, "Conv").inputs[1])
    assert weight.data.dtype == INT4
    assert 0 < np.abs(weight.data.astype(int)).max() <= 7
    samples = samples_for(NET)
    wanted, found = (run_onnx(serialize(h), samples) for h in (NET, hub))
    assert compare(wanted, found).sqnr_db > 10


def test_rounding_for_the_outputs_is_nearer_than_rounding_each_weight():
    samples = samples_for(NET, 64)
    wanted = run_onnx(serialize(NET), samples)

    def decibel(**how):
        hub = quantize_weights(NET, per_channel=True, bits=4, **how)
        return compare(wanted, run_onnx(serialize(hub), samples)).sqnr_db

    assert decibel(calibration=samples) > decibel() + 0.5
