"""Rewrites of the hub compute the same numbers and keep where each node came from."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from edgecompile.errors import UserError
from edgecompile.evaluate.session import run_onnx
from edgecompile.graph.clamps import clamp_bounds
from edgecompile.graph.constants import (
    dequantized_constant,
    half_constant,
    is_static,
    static_value,
)
from edgecompile.graph.divisions import turn_divisions_into_products
from edgecompile.graph.hub import constant, load, serialize
from edgecompile.graph.one_pixel_pools import turn_one_pixel_pools_into_means
from edgecompile.graph.provenance import Provenance, carry_provenance, provenance
from edgecompile.graph.simplify import simplify
from edgecompile.graph.unsigned import to_unsigned
from tests.hubs import changed, hub_of, node_of, quickly_quantized, samples_for


def same(one: ir.Model, other: ir.Model, tolerance: float = 0.0) -> bool:
    samples = samples_for(one)
    pairs = zip(run_onnx(serialize(one), samples), run_onnx(serialize(other), samples), strict=True)
    return all(np.abs(a - b).max() <= tolerance for a, b in pairs)


NORMALIZED = hub_of(
    "float[1,2,6,6] x",
    "c = Conv(x, w) n = BatchNormalization(c, s, b, m, v) i = Identity(n) r = Relu(i) "
    "q = Mul(k, k) a = Add(r, q) f = Flatten(a) y = Gemm<transB=1>(f, u)",
    "float[3,2,3,3] w, float[3] s, float[3] b, float[3] m, float[3] v = {1, 2, 0.5}, "
    "float[1] k, float[4,48] u",
)


def test_simplify_folds_constants_and_normalization_and_computes_the_same():
    simple = simplify(NORMALIZED)
    assert [node.op_type for node in simple.graph] == ["Conv", "Relu", "Add", "Flatten", "Gemm"]
    assert same(NORMALIZED, simple, 1e-5)


def test_simplify_keeps_where_each_node_came_from():
    simple = simplify(NORMALIZED)
    places = {node.op_type: provenance(node) for node in simple.graph}
    assert places["Conv"].module in {"net.conv1", "net.batchnormalization2"}
    assert places["Relu"] == Provenance("net.relu4", "model.py:4")
    assert places["Gemm"] == Provenance("net.gemm8", "model.py:8")
    assert all(place.source is not None for place in places.values())


def test_simplify_gives_every_tensor_a_shape_and_leaves_no_unused_constant():
    simple = simplify(NORMALIZED)
    for node in simple.graph:
        assert all(output.shape is not None and output.shape.is_static() for output in node.outputs)
    assert all(value.uses() for value in simple.graph.initializers.values())


def test_simplify_does_not_change_its_input():
    before = serialize(NORMALIZED)
    simplify(NORMALIZED)
    assert serialize(NORMALIZED) == before


def test_the_same_graph_is_simplified_to_the_same_bytes():
    assert serialize(simplify(NORMALIZED)) == serialize(simplify(NORMALIZED))


def test_an_identity_that_makes_an_output_of_the_input_stays():
    hub = hub_of("float[1,4] x", "y = Identity(x) z = Relu(x)", "", "float[] y, float[] z")
    simple = simplify(hub)
    assert {output.name for output in simple.graph.outputs} == {"y", "z"}
    assert same(hub, simple)


@pytest.mark.parametrize(
    ("x", "attributes", "operators"),
    [
        ("1,3,5,6", "kernel_shape=[5,6]", ["ReduceMean"]),
        ("1,3,5,6", "kernel_shape=[5,6], strides=[5,6]", ["ReduceMean"]),
        ("1,3,5,6", "kernel_shape=[4,5], strides=[4,5]", ["Slice", "ReduceMean"]),
        ("1,3,5,6", "kernel_shape=[5,6], count_include_pad=1", ["ReduceMean"]),
        ("1,3,5,6", "kernel_shape=[2,2]", ["AveragePool"]),
        ("1,3,4,4", "kernel_shape=[5,5], pads=[1,1,0,0]", ["AveragePool"]),
        ("1,3,3,3", "kernel_shape=[2,2], strides=[3,3], dilations=[2,2]", ["AveragePool"]),
    ],
)
def test_a_pool_that_ends_in_one_pixel_is_a_mean(x, attributes, operators):
    hub = hub_of(f"float[{x}] x", f"p = AveragePool<{attributes}>(x) y = Relu(p)")
    rewritten = changed(hub, turn_one_pixel_pools_into_means)
    assert [node.op_type for node in rewritten.graph] == [*operators, "Relu"]
    assert same(hub, rewritten, 1e-6)
    for node in rewritten.graph:
        if node.op_type in {"Slice", "ReduceMean"}:
            assert provenance(node) == Provenance("net.averagepool1", "model.py:1")


def test_a_one_pixel_pool_that_is_the_output_keeps_its_name():
    hub = hub_of("float[1,3,5,6] x", "y = AveragePool<kernel_shape=[5,6]>(x)")
    rewritten = changed(hub, turn_one_pixel_pools_into_means)
    assert [output.name for output in rewritten.graph.outputs] == ["y"]
    assert same(hub, rewritten, 1e-6)


def test_a_division_by_a_constant_is_a_product():
    hub = hub_of("float[1,4] x", "d = Div(x, c) y = Relu(d)", "float[4] c = {0.5, -2, 1000, 0.001}")
    rewritten = changed(hub, turn_divisions_into_products)
    assert [node.op_type for node in rewritten.graph] == ["Mul", "Relu"]
    assert provenance(rewritten.graph[0]) == Provenance("net.div1", "model.py:1")
    assert same(hub, rewritten, 1e-3)
    assert set(rewritten.graph.initializers) == {"div1.reciprocal"}


def test_a_small_divisor_is_not_rounded_to_zero_by_quantization():
    hub = hub_of("float[1,2] x", "y = Div(x, c)", "float[2] c = {0.001, 1}")
    samples = samples_for(hub)
    quantized = quickly_quantized(simplify(hub), samples)
    (expected,), (actual,) = (run_onnx(serialize(h), samples) for h in (hub, quantized))
    assert np.abs(expected - actual).max() < 0.01 * np.abs(expected).max()


@pytest.mark.parametrize(
    ("body", "constants"),
    [
        ("y = Div(c, x)", "float[2] c"),
        ("y = Div(x, x)", ""),
        ("y = Div(x, c)", "float[2] c = {0, 1}"),
        ("y = Div(x, c)", "float[2] c = {1e-40, 1}"),
    ],
)
def test_other_divisions_stay(body, constants):
    hub = changed(hub_of("float[1,2] x", body, constants), turn_divisions_into_products)
    assert [node.op_type for node in hub.graph] == ["Div"]


def test_a_division_that_is_the_output_keeps_its_name():
    hub = hub_of("float[1,2] x", "y = Div(x, c)", "float c = {4}")
    rewritten = changed(hub, turn_divisions_into_products)
    assert [output.name for output in rewritten.graph.outputs] == ["y"]
    assert same(hub, rewritten)


QUANTIZED = hub_of(
    "float[1,2,6,6] x",
    "c = Conv(x, w, b) r = Relu(c) p = MaxPool<kernel_shape=[2,2]>(r) a = Add(p, k) "
    "f = Flatten(a) y = Gemm<transB=1>(f, v)",
    "float[3,2,3,3] w, float[3] b, float[3,1,1] k, float[4,27] v",
)


def test_unsigned_integers_say_exactly_what_the_signed_ones_say():
    hub = quickly_quantized(QUANTIZED, samples_for(QUANTIZED))
    unsigned = to_unsigned(hub)
    assert same(hub, unsigned)
    integers = {
        value.dtype
        for node in unsigned.graph
        for value in (*node.inputs, *node.outputs)
        if value is not None and value.dtype not in {ir.DataType.FLOAT, ir.DataType.INT64}
    }
    assert integers == {ir.DataType.UINT8}


def test_making_integers_unsigned_does_not_change_the_hub():
    hub = quickly_quantized(QUANTIZED, samples_for(QUANTIZED))
    before = serialize(hub)
    to_unsigned(hub)
    assert serialize(hub) == before


def test_the_values_of_a_constant_in_each_of_its_forms():
    hub = hub_of(
        "float[1,3] x",
        "d = DequantizeLinear<axis=0>(q, s, z) h = Cast<to=1>(n) a = MatMul(x, d) b = Add(a, h) "
        "y = Add(b, p)",
        "int8[3,2] q = {1, -2, 3, -4, 5, -6}, float[3] s = {1, 0.5, 2}, int8[3] z = {0, 0, 0}, "
        "float16[2] n = {15360, 16384}, float[2] p = {7, 8}",
    )  # fmt: skip
    # ONNX text gives the bits of a float16.
    matmul, (first, second) = node_of(hub, "MatMul"), [n for n in hub.graph if n.op_type == "Add"]
    quantized = dequantized_constant(matmul.inputs[1])
    assert quantized is not None
    assert quantized.axis == 0
    assert quantized.real.tolist() == [[1, -2], [1.5, -2], [10, -12]]
    assert half_constant(first.inputs[1]).dtype == np.float16
    assert static_value(first.inputs[1]).tolist() == [1, 2]
    assert static_value(second.inputs[1]).tolist() == [7, 8]
    assert static_value(matmul.inputs[0]) is None
    assert [is_static(value) for value in (*matmul.inputs, *first.inputs, *second.inputs)] == [
        False, True, False, True, False, True,
    ]  # fmt: skip
    assert not is_static(None)


def test_a_quantized_activation_is_no_constant():
    hub = quickly_quantized(QUANTIZED, samples_for(QUANTIZED))
    assert dequantized_constant(node_of(hub, "MaxPool").inputs[0]) is None
    assert dequantized_constant(node_of(hub, "Conv").inputs[1]) is not None


@pytest.mark.parametrize(
    ("call", "bounds"),
    [
        ("Relu(x)", (0, np.inf)),
        ("Clip(x, a, b)", (-1, 6)),
        ("Clip(x, a)", (-1, np.inf)),
        ("Clip(x, , b)", (-np.inf, 6)),
        ("Clip(x)", (-np.inf, np.inf)),
    ],
)
def test_the_bounds_of_a_clamp(call, bounds):
    hub = hub_of("float[1,3] x", f"y = {call}", "float a = {-1}, float b = {6}")
    assert clamp_bounds(hub.graph[-1]) == bounds


def test_provenance_comes_back_by_name_by_tensor_by_weight_and_from_upstream():
    source = hub_of(
        "float[1,4] x", "a = Gemm(x, w) b = Relu(a) c = Exp(b) y = Neg(c)", "float[4,4] w"
    )
    made = changed(source, lambda hub: None)
    gemm, relu, exp, neg = list(made.graph)
    for node in made.graph:
        node.metadata_props.clear()
    gemm.name, gemm.outputs[0].name = "another", "other"  # only its weight tells
    relu.name = "renamed"  # its tensor tells
    neg.name, neg.outputs[0].name = "new", "z"  # nothing tells: its neighbour upstream
    carry_provenance(source, made)
    assert [provenance(n).module for n in made.graph] == [
        "net.gemm1", "net.relu2", "net.exp3", "net.exp3",
    ]  # fmt: skip
    assert exp.name == "exp3"


def test_provenance_that_is_there_stays():
    source = hub_of("float[1,4] x", "y = Relu(x)")
    made = changed(source, lambda hub: hub.graph[0].metadata_props.update(
        {"edgecompile.module": "mine"}))  # fmt: skip
    carry_provenance(source, made)
    assert provenance(made.graph[0]).module == "mine"


@pytest.mark.parametrize("content", [b"no model", b"\x08\x0a\xff\xff\xff", b"TFL3" * 100])
def test_bytes_that_are_no_model_are_a_message(tmp_path, content):
    file = tmp_path / "model.onnx"
    file.write_bytes(content)
    with pytest.raises(UserError, match=r"model\.onnx is not an ONNX model"):
        load(file)


def test_an_activation_has_no_constant_value():
    hub = hub_of("float[1,4] x", "y = Relu(x)")
    assert constant(hub.graph[0].inputs[0]) is None
    assert constant(None) is None
