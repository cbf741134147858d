"""Quantization: what is decided, and that kernels can hold it."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecompile.compress.narrow import quantize_weights
from edgecompile.compress.ptq import post_training_quantize
from edgecompile.compress.quantize import quantize
from edgecompile.compress.ranges import observe_ranges
from edgecompile.compress.scheme import QuantScheme, params_of_range
from edgecompile.errors import ToolchainFailed
from edgecompile.evaluate.agreement import compare
from edgecompile.evaluate.session import run_onnx
from edgecompile.graph.constants import dequantized_constant
from edgecompile.graph.hub import constant, serialize
from edgecompile.graph.provenance import Provenance, provenance
from edgecompile.graph.qdq import FIXED_OUTPUT, INT4, check_qdq, tensor_params
from tests.formats.tflite.compare import by_litert, by_onnx_runtime, lsb_differences
from tests.hubs import hub_of, node_of, plain_min_max, quickly_quantized, samples_for

AFFINE, SYMMETRIC = QuantScheme("affine"), QuantScheme("symmetric")

NET = hub_of(
    "float[1,3,8,8] x",
    "c = Conv<pads=[1,1,1,1]>(x, w, b) r = Relu(c) d = Conv<pads=[1,1,1,1]>(r, v) "
    "a = Add(r, d) p = MaxPool<kernel_shape=[2,2]>(a) k = Concat<axis=1>(p, p) f = Flatten(k) "
    "g = Gemm<transB=1>(f, u, e) y = Softmax<axis=-1>(g)",
    "float[4,3,3,3] w, float[4] b, float[4,4,3,3] v, float[5,392] u, float[5] e",
)
SAMPLES = samples_for(NET, 16)


def with_scheme(scheme: QuantScheme, hub: ir.Model = NET, samples=SAMPLES) -> ir.Model:
    return quickly_quantized(hub, samples, scheme)


def activation_pairs(hub: ir.Model):
    for node in hub.graph:
        if node.op_type == "QuantizeLinear":
            yield node.outputs[0].name.removesuffix(".int8"), tensor_params(node)


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6))
def test_zero_is_exact_and_the_range_is_covered_to_half_a_step(one, other):
    low, high = min(one, other), max(one, other)
    params = params_of_range(low, high, AFFINE)
    assert -128 <= params.zero_point <= 127
    assert params.scale == np.float32(params.scale) > 0
    slack = params.scale * 0.5001
    assert params.lowest <= min(low, 0) + slack
    assert params.highest >= max(high, 0) - slack


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6))
def test_the_symmetric_scheme_covers_the_range_with_zero_point_zero(one, other):
    params = params_of_range(min(one, other), max(one, other), SYMMETRIC)
    assert params.zero_point == 0
    assert params.scale * 127 >= max(abs(one), abs(other)) * (1 - 1e-6)


def test_the_ranges_of_all_activations_cover_the_calibration_data():
    observed = observe_ranges(NET, SAMPLES)
    pairs = dict(activation_pairs(with_scheme(AFFINE)))
    # The Conv's own result is clamped by its integers: it has no range of its own.
    assert set(pairs) == set(observed) - {"c"}
    for name, params in pairs.items():
        low, high = observed[name]
        assert params.lowest <= low + params.scale * 0.5001
        assert params.highest >= high - params.scale * 0.5001


def test_the_ranges_are_those_of_the_samples():
    hub = hub_of("float[1,3] x", "y = Neg(x)")
    samples = np.array([[-1, 0, 2], [5, 0, 0]], np.float32)
    assert observe_ranges(hub, samples) == {"x": (-1, 5), "y": (-5, 1)}


def test_tensors_that_only_move_share_their_parameters():
    pairs = dict(activation_pairs(with_scheme(AFFINE)))
    assert pairs["a"] == pairs["p"] == pairs["k"] == pairs["f"]
    assert pairs["a"] != pairs["g"]


def test_a_kernel_that_fixes_its_output_is_obeyed_by_its_whole_group():
    hub = hub_of(
        "float[1,6] x", "s = Sigmoid(x) r = Reshape(s, t) y = Transpose<perm=[0,2,1]>(r)",
        "int64[3] t = {1, 2, 3}",
    )  # fmt: skip
    pairs = dict(activation_pairs(with_scheme(AFFINE, hub, samples_for(hub))))
    assert pairs["s"] == pairs["r"] == pairs["y"] == FIXED_OUTPUT["affine"]["Sigmoid"]


def test_the_symmetric_scheme_has_no_zero_point():
    hub = with_scheme(SYMMETRIC)
    assert check_qdq(hub, "symmetric") == []
    pairs = [n for n in hub.graph if n.op_type in {"QuantizeLinear", "DequantizeLinear"}]
    assert not any(np.any(constant(node.inputs[2])) for node in pairs)


@pytest.mark.parametrize("per_channel", [True, False])
def test_weights_have_one_scale_per_channel_or_one_in_all(per_channel):
    hub = quantize(NET, SAMPLES, QuantScheme("affine", per_channel))
    for node in hub.graph:
        if node.op_type in {"Conv", "Gemm"}:
            weight = dequantized_constant(node.inputs[1])
            assert weight.scale.shape == ((len(weight.data),) if per_channel else ())
            assert weight.data.min() >= -127
    expected = by_onnx_runtime(hub, SAMPLES)
    for kernels in ("xnnpack", "reference"):
        # Of a Softmax: a step of its operand is several of its own.
        assert lsb_differences(hub, expected, by_litert(hub, SAMPLES, kernels)).max() <= 8


def test_int8_is_near_the_float_hub():
    (expected,) = run_onnx(serialize(NET), SAMPLES)
    (actual,) = run_onnx(serialize(quantize(NET, SAMPLES, AFFINE)), SAMPLES)
    assert np.abs(expected - actual).max() < 0.06


@pytest.mark.parametrize("scheme", [AFFINE, SYMMETRIC], ids=str)
def test_the_same_inputs_give_the_same_bytes(scheme):
    first, second = (serialize(quantize(NET, SAMPLES, scheme)) for _ in range(2))
    assert first == second


def test_the_float_hub_is_not_changed():
    before = serialize(NET)
    quantize(NET, SAMPLES, AFFINE)
    assert serialize(NET) == before


def test_the_borders_keep_their_names():
    hub = with_scheme(AFFINE)
    assert [v.name for v in hub.graph.inputs] == ["x"]
    assert [v.name for v in hub.graph.outputs] == ["y"]


def test_every_node_of_the_quantized_hub_knows_where_it_came_from():
    hub = with_scheme(AFFINE)
    unknown = [n.name for n in hub.graph if provenance(n) == Provenance()]
    assert unknown == ["x.quantize", "x.dequantize"]
    assert provenance(node_of(hub, "MaxPool")) == Provenance("net.maxpool5", "model.py:5")


def test_nncf_failing_is_a_toolchain_that_failed():
    with pytest.raises(ToolchainFailed, match="NNCF failed"):
        post_training_quantize(NET, np.zeros((2, 5), np.float32), AFFINE)


def test_a_clamp_is_absorbed_where_the_integers_clamp_alike():
    hub = with_scheme(AFFINE)
    assert not any(node.op_type == "Relu" for node in hub.graph)
    assert dict(activation_pairs(hub))["r"].zero_point == -128


def test_a_clamp_stays_where_the_integers_go_further():
    hub = hub_of(
        "float[1,4] x", "g = Gemm(x, w) r = Relu(g) y = Concat<axis=1>(r, x)", "float[4,4] w"
    )
    quantized = with_scheme(AFFINE, hub, samples_for(hub))
    assert node_of(quantized, "Relu").inputs[0].producer().op_type == "Gemm"


def test_a_weight_that_two_operators_share_is_quantized_for_each():
    hub = hub_of("float[1,4] x", "a = MatMul(x, w) y = MatMul(a, w)", "float[4,4] w")
    quantized = quantize(hub, samples_for(hub), AFFINE)
    assert check_qdq(quantized, "affine") == []
    assert sum(n.name.endswith("weight.dequantize") for n in quantized.graph) == 2


def test_a_single_number_is_exact():
    hub = hub_of("float[1,4] x", "y = Mul(x, c)", "float c = {0.1}")
    quantized = with_scheme(AFFINE, hub, samples_for(hub))
    stored = dequantized_constant(node_of(quantized, "Mul").inputs[1])
    assert stored.real == np.float32(0.1)


DEAD = {
    "a Conv that Relu silences": "c = Conv(x, w, deep) y = Relu(c)",
    "a Conv that a bound silences": "c = Conv(x, w) y = Clip(c, zero, tiny)",
    "a sum that a bound silences": "n = Mul(x, half) s = Add(x, n) y = Clip(s, zero, tiny)",
    "a product that a bound silences": "n = Mul(x, x) y = Clip(n, zero, tiny)",
    "a mean that a bound silences": "n = GlobalAveragePool(x) y = Clip(n, zero, tiny)",
    "an input that a bound silences": "y = Clip(x, zero, tiny)",
    "a factor of nothing": "y = Mul(x, none)",
    "a weight of nothing": "c = Conv(x, blank) y = Relu(c)",
    "a dead layer in the middle":
        "c = Conv(x, w, deep) r = Relu(c) d = Conv(r, v) y = Add(d, two)",
    "a dead branch of a sum":
        "c = Conv<pads=[1,1,1,1]>(x, w, deep) r = Relu(c) y = Add(x, r)",
    "a dead branch of a concatenation":
        "c = Conv<pads=[1,1,1,1]>(x, w, deep) r = Relu(c) y = Concat<axis=1>(r, x)",
}  # fmt: skip


@pytest.mark.parametrize("name", DEAD)
def test_a_dead_part_of_a_model_runs_on_every_kernel(name):
    zeros = ", ".join(["0"] * 36)
    hub = hub_of(
        "float[1,2,6,6] x", DEAD[name],
        "float[2,2,3,3] w, float[2,2,1,1] v, float[2] deep = {-1000, -1000}, float zero = {0}, "
        f"float tiny = {{1e-7}}, float half = {{0.5}}, float none = {{0}}, float two = {{2}}, "
        f"float[2,2,3,3] blank = {{{zeros}}}",
    )  # fmt: skip
    samples = samples_for(hub)
    quantized = quickly_quantized(hub, samples)
    expected = by_onnx_runtime(quantized, samples)
    assert np.abs(expected[0] - by_onnx_runtime(hub, samples)[0]).max() < 0.1
    for kernels in ("xnnpack", "builtin", "reference"):
        actual = by_litert(quantized, samples, kernels)
        assert lsb_differences(quantized, expected, actual).max() <= 1


@pytest.mark.parametrize("bias", [1.0, 1e3, 1e6])
def test_the_bias_of_a_channel_of_tiny_weights_does_not_overflow(bias):
    from edgecompile.compress.bias_range import LARGEST_BIAS

    hub = hub_of(
        "float[1,2,1,1] x", "y = Conv(x, w, b)",
        f"float[2,2,1,1] w = {{1e-12, -1e-12, 0.5, 0.25}}, float[2] b = {{{bias}, 0.5}}",
    )  # fmt: skip
    samples = samples_for(hub)
    quantized = with_scheme(AFFINE, hub, samples)
    weight = dequantized_constant(node_of(quantized, "Conv").inputs[1])
    scale_x = dict(activation_pairs(quantized))["x"].scale
    steps = np.array([bias, 0.5]) / (scale_x * weight.scale.astype(np.float64))
    assert np.abs(steps).max() <= LARGEST_BIAS * 1.001
    expected = by_onnx_runtime(quantized, samples)
    assert np.allclose(expected[0][:, 0], bias, rtol=0.01)
    for kernels in ("xnnpack", "reference"):
        assert (
            lsb_differences(quantized, expected, by_litert(quantized, samples, kernels)).max() <= 1
        )


def test_channels_with_room_for_their_bias_keep_their_scale():
    hub = hub_of("float[1,4] x", "y = Gemm(x, w, b)", "float[4,3] w, float[3] b")
    decided = plain_min_max(hub).weights["gemm1"]
    quantized = with_scheme(AFFINE, hub, samples_for(hub))
    assert np.array_equal(dequantized_constant(quantized.graph[-3].inputs[1]).scale, decided.scale)


WIDE = [QuantScheme(name, activation_bits=16) for name in ("affine", "symmetric")]


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6), st.sampled_from(WIDE))
def test_sixteen_bits_cover_the_range_with_zero_point_zero(one, other, scheme):
    params = params_of_range(min(one, other), max(one, other), scheme)
    assert (params.zero_point, params.dtype) == (0, np.int16)
    assert params.highest >= max(abs(one), abs(other)) * 0.99999


@pytest.mark.parametrize("scheme", WIDE, ids=lambda scheme: scheme.name)
def test_activations_of_sixteen_bits_add_nothing_to_the_error_of_the_weights(scheme):
    hub = with_scheme(scheme)
    assert check_qdq(hub, scheme.name) == []
    assert {p.bits for _, p in activation_pairs(hub)} == {16}

    def decibel(candidate: ir.Model) -> float:
        wanted, found = (run_onnx(serialize(h), SAMPLES) for h in (NET, candidate))
        return compare(wanted, found).sqnr_db

    assert decibel(hub) == pytest.approx(decibel(quantize_weights(NET, per_channel=True)), abs=0.5)
    assert decibel(hub) > decibel(with_scheme(AFFINE)) + 1


@pytest.mark.parametrize("activation_bits", [8, 16])
def test_weights_of_four_bits_keep_the_conventions_and_run(activation_bits):
    scheme = QuantScheme("affine", activation_bits=activation_bits, weight_bits=4)
    hub = with_scheme(scheme)
    assert check_qdq(hub, "affine") == []
    weight = dequantized_constant(next(n for n in hub.graph if n.op_type == "Conv").inputs[1])
    assert weight.data.dtype == INT4
    assert np.abs(weight.data.astype(int)).max() == 7
    wanted, found = (run_onnx(serialize(h), SAMPLES) for h in (NET, hub))
    assert compare(wanted, found).sqnr_db > 5


@pytest.mark.parametrize("scheme", [*WIDE, AFFINE, SYMMETRIC], ids=str)
def test_a_clamp_is_kept_where_the_integers_say_more_than_its_bounds(scheme):
    hub = hub_of(
        "float[1,2,4,4] x",
        "d = Mul(x, four) c = Clip(d, low, high) y = Concat<axis=1>(c, d)",
        "float four = {4.0}, float low = {-1.0}, float high = {1.0}",
    )
    samples = samples_for(hub, 16)
    quantized = quickly_quantized(hub, samples, scheme)
    wanted, found = (run_onnx(serialize(h), samples)[0] for h in (hub, quantized))
    step = max(p.scale for _, p in activation_pairs(quantized))
    assert np.abs(found[:, :2]).max() <= 1 + step
    assert np.abs(found - wanted).max() <= 2 * step
