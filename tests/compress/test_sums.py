"""Sums keep away from ties, so that no two runtimes round one differently."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecompile.compress.groups import fused_clamp, same_params_groups
from edgecompile.compress.sums import LARGEST_RATIO, separate_from_ties
from edgecompile.evaluate.session import run_onnx
from edgecompile.graph.hub import serialize
from edgecompile.graph.qdq import TensorParams
from edgecompile.graph.unsigned import to_unsigned
from tests.formats.tflite.compare import by_litert
from tests.hubs import hub_of, quickly_quantized, samples_for

SUM = hub_of("float[1,2] x", "a = Mul(x, x) b = Neg(x) y = Add(a, b)")
SCALES = st.floats(1e-4, 10).map(lambda value: float(np.float32(value)))
POINTS = st.integers(-128, 127)
Q = np.arange(-128, 128, dtype=np.float64)


@given(SCALES, SCALES, SCALES, POINTS, POINTS)
def test_no_sum_of_two_integers_is_near_a_tie(scale_a, scale_b, scale_y, zero_a, zero_b):
    params = {
        "x": TensorParams(1.0, 0),
        "a": TensorParams(scale_a, zero_a),
        "b": TensorParams(scale_b, zero_b),
        "y": TensorParams(scale_y, 0),
    }
    result = separate_from_ties(SUM, params, same_params_groups(SUM), set())
    assert result["x"] == params["x"]
    assert result["y"] == params["y"]
    for name in "ab":
        assert result[name].zero_point == params[name].zero_point
        assert result[name].scale >= params[name].scale * (1 - 1e-6)
        step = scale_y / 511
        assert result[name].scale <= params[name].scale + step * 1.001
    if max(scale_a, scale_b) >= LARGEST_RATIO * scale_y:
        return
    ratios = result["a"].scale / scale_y, result["b"].scale / scale_y
    exact = np.add.outer((Q - zero_a) * ratios[0], (Q - zero_b) * ratios[1])
    inside = exact[np.abs(exact) < 256]
    distance = np.abs(inside - np.floor(inside) - 0.5)
    assert distance.size == 0 or distance.min() > 2**-12


def test_a_scale_that_is_a_multiple_already_stays():
    params = {
        "x": TensorParams(1.0, 0),
        "a": TensorParams(float(np.float32(300 / 511)), 0),
        "b": TensorParams(float(np.float32(7 / 511)), 0),
        "y": TensorParams(1.0, 0),
    }
    assert separate_from_ties(SUM, params, same_params_groups(SUM), set()) == params


def test_a_group_that_a_kernel_fixes_stays():
    groups = same_params_groups(SUM)
    params = {name: TensorParams(0.3, 0) for name in "xaby"}
    result = separate_from_ties(SUM, params, groups, {groups["a"], groups["b"]})
    assert result == params


NETS = {
    "two branches": "a = Conv<pads=[1,1,1,1]>(x, w, b) c = Conv(x, v) y = Add(a, c)",
    "a residual": "a = Conv<pads=[1,1,1,1]>(x, w, b) r = Relu(a) y = Add(r, x)",
    "a difference": "a = Conv<pads=[1,1,1,1]>(x, w, b) c = Conv(x, v) y = Sub(c, a)",
    "a chain of residuals":
        "a = Conv<pads=[1,1,1,1]>(x, w, b) s = Add(a, x) r = Relu(s) "
        "c = Conv<pads=[1,1,1,1]>(r, u) t = Add(c, r) y = Relu(t)",
}  # fmt: skip


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("net", NETS)
def test_litert_and_onnx_runtimes_integer_kernels_agree_to_the_bit(net, seed):
    hub = hub_of(
        "float[1,4,8,8] x", NETS[net],
        "float[4,4,3,3] w, float[4] b, float[4,4,1,1] v, float[4,4,3,3] u",
    )  # fmt: skip
    samples = samples_for(hub, 24, seed=seed)
    quantized = quickly_quantized(hub, samples)
    (expected,) = run_onnx(serialize(to_unsigned(quantized)), samples, optimized=True)
    (actual,) = by_litert(quantized, samples)
    assert np.array_equal(expected, actual)


@pytest.mark.parametrize(
    ("body", "fused"),
    [
        ("c = Add(x, x) y = Relu(c)", True),
        ("c = Clip(x) y = Relu(c)", False),
        ("c = MaxPool<kernel_shape=[2,2]>(x) y = Relu(c)", False),
        ("c = Sigmoid(x) y = Relu(c)", False),
        ("c = Add(x, x) r = Relu(c) y = Add(c, r)", False),
    ],
)
def test_a_clamp_is_fused_where_a_kernel_can_take_it(body, fused):
    hub = hub_of("float[1,2,4,4] x", body)
    assert (fused_clamp(hub.graph[0].outputs[0]) is not None) == fused


def test_a_clamp_behind_an_output_is_not_fused():
    hub = hub_of("float[1,4] x", "y = Add(x, x) z = Relu(y)", "", "float[] y, float[] z")
    assert fused_clamp(hub.graph[0].outputs[0]) is None
