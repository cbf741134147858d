"""The hub's conventions: a good hub keeps them, and each broken one is found."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from edgecompile.errors import ContractError
from edgecompile.graph.hub import add_constant, infer_shapes
from edgecompile.graph.qdq import TensorParams, check_qdq, output_scales, require_qdq, weight_axis
from tests.hubs import changed, hub_of, node_of, quickly_quantized, samples_for

FLOAT = hub_of(
    "float[1,2,6,6] x",
    "c = Conv(x, w, b) p = MaxPool<kernel_shape=[2,2]>(c) a = Add(p, k) r = Relu(a) "
    "f = Flatten(r) g = Gemm<transB=1>(f, v) y = Softmax<axis=-1>(g)",
    "float[3,2,3,3] w, float[3] b, float[3,1,1] k, float[4,27] v",
)
GOOD = quickly_quantized(FLOAT, samples_for(FLOAT))


def named(hub: ir.Model, name: str) -> ir.Node:
    (node,) = (n for n in hub.graph if n.name == name)
    return node


def set_constant(hub: ir.Model, node: ir.Node, index: int, array) -> None:
    fresh = add_constant(hub.graph, f"fresh{index}.{node.name}", np.asarray(array))
    node.replace_input_with(index, fresh)


def skip(hub: ir.Model, tensor: str) -> None:
    """Let all that reads a tensor's pair read the tensor itself."""
    pair = named(hub, f"{tensor}.dequantize")
    source = named(hub, f"{tensor}.quantize").inputs[0]
    ir.convenience.replace_all_uses_with(pair.outputs[0], source, replace_graph_outputs=True)


def test_a_good_hub_has_no_violation():
    assert check_qdq(GOOD, "affine") == []
    require_qdq(GOOD, "affine")


def test_an_input_that_is_read_as_a_float():
    broken = changed(GOOD, lambda hub: skip(hub, "x"))
    assert check_qdq(broken, "affine") == [
        "the graph input x is used without QuantizeLinear",
        "conv1 reads x, which is not quantized",
    ]


def test_an_output_that_is_a_float():
    broken = changed(GOOD, lambda hub: skip(hub, "y"))
    assert "the graph output y.unquantized does not come from DequantizeLinear" in check_qdq(
        broken, "affine"
    )


def test_an_activation_without_a_pair():
    broken = changed(GOOD, lambda hub: skip(hub, "g"))
    assert check_qdq(broken, "affine") == [
        "gemm6 makes g, which is not quantized",
        "softmax7 reads g, which is not quantized",
    ]


def test_an_activation_that_is_quantized_twice():
    def change(hub):
        source = named(hub, "c.quantize")
        copy = ir.node("QuantizeLinear", source.inputs, name="again")
        copy.outputs[0].name = "again"
        hub.graph.insert_after(source, copy)

    found = check_qdq(changed(GOOD, change), "affine")
    assert "the tensor c is quantized 2 times" in found
    assert "conv1 makes c, which is not quantized" in found


def test_a_scale_that_is_computed():
    def change(hub):
        node = named(hub, "g.quantize")
        node.replace_input_with(1, named(hub, "f.dequantize").outputs[0])

    assert "g.quantize has no constant scale and zero point" in check_qdq(
        changed(GOOD, change), "affine"
    )


@pytest.mark.parametrize("scale", [0.0, -1.0, np.inf, np.nan])
def test_a_scale_that_is_no_positive_number(scale):
    broken = changed(
        GOOD, lambda hub: set_constant(hub, named(hub, "g.quantize"), 1, np.float32(scale))
    )
    assert "g.quantize has a scale that is not positive and finite" in check_qdq(broken, "affine")


def test_an_unsigned_activation():
    broken = changed(GOOD, lambda hub: set_constant(hub, named(hub, "g.quantize"), 2, np.uint8(3)))
    assert "g.quantize is not int8 or int16 per tensor" in check_qdq(broken, "affine")


def test_an_activation_with_a_scale_per_channel():
    def change(hub):
        for name in ("c.quantize", "c.dequantize"):
            set_constant(hub, named(hub, name), 1, np.ones(3, np.float32))
            set_constant(hub, named(hub, name), 2, np.zeros(3, np.int8))

    assert "c.quantize is not int8 or int16 per tensor" in check_qdq(
        changed(GOOD, change), "affine"
    )


def test_a_zero_point_in_the_symmetric_scheme():
    broken = changed(GOOD, lambda hub: set_constant(hub, named(hub, "g.quantize"), 2, np.int8(3)))
    assert "g.quantize has a zero point in the symmetric scheme" in check_qdq(broken, "symmetric")


def test_a_weight_with_a_zero_point():
    broken = changed(
        GOOD,
        lambda hub: set_constant(
            hub, named(hub, "conv1.weight.dequantize"), 2, np.array([0, 1, 0], np.int8)
        ),
    )
    assert check_qdq(broken, "affine") == [
        "conv1.weight.dequantize holds weights with a zero point or the lowest integer"
    ]


def test_a_weight_of_minus_128():
    broken = changed(
        GOOD,
        lambda hub: set_constant(
            hub, named(hub, "conv1.weight.dequantize"), 0, np.full((3, 2, 3, 3), -128, np.int8)
        ),
    )
    assert check_qdq(broken, "affine") == [
        "conv1.weight.dequantize holds weights with a zero point or the lowest integer"
    ]


def test_a_weight_of_another_type():
    broken = changed(
        GOOD,
        lambda hub: set_constant(
            hub, named(hub, "conv1.weight.dequantize"), 0, np.zeros((3, 2, 3, 3), np.uint8)
        ),
    )
    assert check_qdq(broken, "affine") == [
        "conv1.weight.dequantize dequantizes a constant of type uint8"
    ]


def test_weight_scales_along_another_axis():
    def change(hub):
        named(hub, "conv1.weight.dequantize").attributes["axis"] = ir.AttrInt64("axis", 1)

    assert check_qdq(changed(GOOD, change), "affine") == [
        "conv1 has weight scales on axis 1, not 0"
    ]


@pytest.mark.parametrize(
    ("node", "index", "shape"), [("conv1", 1, (3, 2, 3, 3)), ("add3", 1, (3, 1, 1))]
)
def test_a_float_weight_or_operand(node, index, shape):
    broken = changed(
        GOOD,
        lambda hub: set_constant(hub, named(hub, node), index, np.zeros(shape, np.float32)),
    )
    assert check_qdq(broken, "affine") == [f"{node} has the float constant fresh{index}.{node}"]


def test_a_pool_that_changes_the_scale():
    def change(hub):
        for name in ("p.quantize", "p.dequantize"):
            set_constant(hub, named(hub, name), 1, np.float32(0.123))

    assert check_qdq(changed(GOOD, change), "affine") == [
        "maxpool2 (MaxPool) has different parameters in and out"
    ]


def test_a_softmax_with_another_output_than_its_kernels():
    def change(hub):
        for name in ("y.quantize", "y.dequantize"):
            set_constant(hub, named(hub, name), 1, np.float32(1 / 255))

    assert check_qdq(changed(GOOD, change), "affine") == [
        "softmax7 (Softmax) has other output parameters than its kernel"
    ]


def test_a_constant_among_the_values_of_a_concatenation_has_their_parameters():
    hub = hub_of("float[1,4] x", "y = Concat<axis=1>(x, c)", "float[1,2] c")
    good = quickly_quantized(hub, samples_for(hub))
    assert check_qdq(good, "affine") == []

    def change(broken):
        pair = next(n for n in broken.graph if "constant" in (n.name or ""))
        set_constant(broken, pair, 1, np.float32(0.5))

    assert check_qdq(changed(good, change), "affine") == [
        "concat1 (Concat) has different parameters in and out"
    ]


def test_all_violations_are_in_one_message():
    def change(hub):
        skip(hub, "x")
        named(hub, "conv1.weight.dequantize").attributes["axis"] = ir.AttrInt64("axis", 1)

    with pytest.raises(ContractError) as caught:
        require_qdq(changed(GOOD, change), "affine")
    assert caught.value.message == (
        "the hub breaks its conventions: "
        "the graph input x is used without QuantizeLinear; "
        "conv1 reads x, which is not quantized; "
        "conv1 has weight scales on axis 1, not 0"
    )


def test_what_is_told_to_stay_in_float_breaks_no_convention():
    hub = hub_of("float[1,4] x", "g = Gemm(x, w) y = Exp(g)", "float[4,4] w")
    mixed = quickly_quantized(hub, samples_for(hub), float_nodes=frozenset({"exp2"}))
    assert check_qdq(mixed, "affine", frozenset({"exp2"})) == []
    assert node_of(mixed, "Exp").outputs[0].is_graph_output()
    assert output_scales(mixed) == [None]


def test_the_limits_of_int8_are_real_numbers():
    params = TensorParams(0.5, -28)
    assert (params.lowest, params.highest) == (-50.0, 77.5)


@pytest.mark.parametrize(
    ("body", "weight", "axis"),
    [
        ("y = Conv(x, w)", "float[3,2,3,3] w", 0),
        ("y = ConvTranspose(x, w)", "float[2,5,3,3] w", 1),
        ("y = MatMul(x, w)", "float[6,4] w", 1),
        ("f = Flatten(x) y = Gemm(f, w)", "float[72,4] w", 1),
        ("f = Flatten(x) y = Gemm<transB=1>(f, w)", "float[4,72] w", 0),
        ("y = Relu(x)", "float[1] w", None),
    ],
)
def test_the_axis_of_a_weight_counts_its_outputs(body, weight, axis):
    hub = infer_shapes(hub_of("float[1,2,6,6] x", body, weight))
    assert weight_axis(hub.graph[-1]) == axis
