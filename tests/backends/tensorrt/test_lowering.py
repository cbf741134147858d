"""The ONNX file for TensorRT: which pairs it holds, and that its numbers are the hub's."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from edgecompile.backends.tensorrt.lowering import Lowered, lower_to_onnx
from edgecompile.backends.tensorrt.options import LoweringOptions
from edgecompile.compress.narrow import halve_constants
from edgecompile.compress.scheme import QuantScheme
from edgecompile.evaluate.session import run_onnx
from edgecompile.graph.hub import Array, serialize
from tests.hubs import hub_of, node_of, quickly_quantized, samples_for

SYMMETRIC = QuantScheme("symmetric")

RESIDUAL = hub_of(
    "float[1,4,8,8] x",
    "a = Conv<pads = [1,1,1,1]>(x, w, b) r = Relu(a) c = Conv<pads = [1,1,1,1]>(r, v, b)"
    "s = Add(c, r) t = Relu(s) y = Conv(t, u, b)",
    "float[4,4,3,3] w, float[4,4,3,3] v, float[4,4,1,1] u, float[4] b",
)
ATTENTION = hub_of(
    "float[1,4,8] x",
    "q = MatMul(x, a) k = MatMul(x, b) v = MatMul(x, c) t = Transpose<perm = [0,2,1]>(k)"
    "s = MatMul(q, t) p = Softmax(s) o = MatMul(p, v) y = MatMul(o, d)",
    "float[8,8] a, float[8,8] b, float[8,8] c, float[8,8] d",
)
POOLED = hub_of(
    "float[1,4,8,8] x",
    "a = Conv(x, w, b) m = MaxPool<kernel_shape = [2,2], strides = [2,2]>(a) y = Conv(m, w, b)",
    "float[4,4,1,1] w, float[4] b",
)
HUBS = {"residual": RESIDUAL, "attention": ATTENTION, "pooled": POOLED}


def quantized(hub: ir.Model) -> ir.Model:
    return quickly_quantized(hub, samples_for(hub), SYMMETRIC)


def lowered(hub: ir.Model, **options: str) -> Lowered:
    return lower_to_onnx(hub, LoweringOptions.model_validate(options))


def outputs(model: ir.Model, samples: Array) -> Array:
    (found,) = run_onnx(serialize(model), samples)
    return found


def quantized_tensors(model: ir.Model) -> set[str]:
    return {n.inputs[0].name for n in model.graph if n.op_type == "QuantizeLinear"}


@pytest.mark.parametrize("hub", HUBS.values(), ids=HUBS)
def test_with_all_pairs_in_float32_the_file_computes_what_the_hub_says(hub):
    whole = quantized(hub)
    same = lowered(whole, pairs="all", float_type="float32").model
    samples = samples_for(hub, 20, seed=3)
    np.testing.assert_array_equal(outputs(same, samples), outputs(whole, samples))


def test_one_operand_of_a_residual_sum_stays_int8():
    result = lowered(quantized(RESIDUAL))
    assert [(pair.tensor, pair.reason) for pair in result.dropped] == [("c", "residual")]
    add = node_of(result.model, "Add")
    assert [value.producer().op_type for value in add.inputs] == ["Conv", "DequantizeLinear"]


def test_of_two_convolutions_that_are_added_the_later_is_fused():
    hub = hub_of(
        "float[1,4,8,8] x",
        "a = Conv(x, w, b) c = Conv(x, v, b) s = Add(c, a) y = Conv(s, w, b)",
        "float[4,4,1,1] w, float[4,4,1,1] v, float[4] b",
    )
    assert [pair.tensor for pair in lowered(quantized(hub)).dropped] == ["c"]


def test_the_products_of_attention_stay_in_float():
    result = lowered(quantized(ATTENTION))
    # What the four products with weights read, and the output.
    assert quantized_tensors(result.model) == {"x", "o", "y.unquantized"}
    assert {pair.reason for pair in result.dropped if pair.tensor in {"q", "v", "t", "p"}} == {
        "attention"
    }


def test_a_pool_between_convolutions_stays_int8():
    assert quantized_tensors(lowered(quantized(POOLED)).model) == {"x", "a", "m", "y.unquantized"}


@pytest.mark.parametrize("hub", HUBS.values(), ids=HUBS)
def test_float16_changes_less_than_the_quantization(hub):
    whole = quantized(hub)
    samples = samples_for(hub, 40, seed=5)
    exact, wide = (
        outputs(hub, samples),
        outputs(lowered(whole, float_type="float32").model, samples),
    )
    half = lowered(whole)
    assert half.float_type == "float16"
    assert np.abs(outputs(half.model, samples) - wide).mean() < np.abs(wide - exact).mean()


def test_inputs_and_outputs_stay_float32():
    for hub in (quantized(RESIDUAL), halve_constants(RESIDUAL)):
        graph = lowered(hub).model.graph
        assert {v.dtype for v in (*graph.inputs, *graph.outputs)} == {ir.DataType.FLOAT}


def test_a_half_precision_hub_computes_in_float16():
    model = lowered(halve_constants(RESIDUAL)).model
    assert {value.dtype for n in model.graph if n.op_type == "Conv" for value in n.inputs} == {
        ir.DataType.FLOAT16
    }
    samples = samples_for(RESIDUAL)
    np.testing.assert_allclose(
        outputs(model, samples), outputs(RESIDUAL, samples), atol=0.05, rtol=0.01
    )


def test_a_float_hub_stays_float32():
    result = lowered(RESIDUAL)
    assert result.float_type == "float32"
    samples = samples_for(RESIDUAL)
    np.testing.assert_array_equal(outputs(result.model, samples), outputs(RESIDUAL, samples))


def test_sums_that_leave_the_range_of_float16_stay_float32():
    hub = hub_of(
        "float[1,4] x",
        "a = Add(x, k) e = Exp(a) y = Div(e, m)",
        "float[4] k = {9,9,9,9}, float[4] m",
    )
    model = lowered(halve_constants(hub)).model
    assert node_of(model, "Exp").outputs[0].dtype == ir.DataType.FLOAT


def test_a_scale_that_float16_cannot_hold_keeps_the_model_in_float32():
    hub = quickly_quantized(RESIDUAL, samples_for(RESIDUAL, spread=1e-6), SYMMETRIC)
    result = lowered(hub)
    assert result.float_type == "float32"
    assert result.why_float32 is not None and "scale" in result.why_float32


def test_weights_pruned_2_of_4_are_recognized():
    hub = hub_of(
        "float[1,8,4,4] x", "a = Conv(x, w) y = Conv(a, v)", "float[8,8,1,1] w, float[8,8,1,1] v"
    )
    weight = hub.graph.initializers["w"]
    sparse = np.array(weight.const_value.numpy())
    sparse[:, [0, 3, 5, 6]] = 0
    weight.const_value = ir.tensor(sparse, name="w")
    whole = quantized(hub)
    assert lowered(whole).sparse == ("conv1",)
    assert lowered(whole, sparsity="off").sparse == ()


def test_lines_of_the_users_code_are_no_part_of_the_file():
    assert not any(node.metadata_props for node in lowered(quantized(RESIDUAL)).model.graph)


def test_of_pairs_around_moved_values_the_last_is_kept():
    hub = hub_of(
        "float[1,2,2,2] x",
        "a = Conv(x, w) r = Reshape(a, i) y = Gemm(r, v)",
        "float[2,2,1,1] w, int64[2] i = {1,8}, float[8,3] v",
    )
    (dropped,) = lowered(quantized(hub)).dropped
    assert (dropped.tensor, dropped.reason) == ("a", "again")
