"""Equalization computes the same, and takes away what breaks int8."""

from __future__ import annotations

import numpy as np
import pytest

from edgecompile.compress.equalize import equalizable_pairs, equalize
from edgecompile.compress.ranges import observe_channels
from edgecompile.evaluate.agreement import compare
from edgecompile.evaluate.session import run_onnx
from edgecompile.graph.hub import add_constant, constant, serialize
from tests.hubs import changed, hub_of, quickly_quantized, samples_for

TWO_CONVS = hub_of(
    "float[1,3,8,8] x",
    "c = Conv<pads=[1,1,1,1]>(x, w, b) r = Relu(c) p = MaxPool<kernel_shape=[2,2]>(r) "
    "y = Conv(p, v, e)",
    "float[6,3,3,3] w, float[6] b, float[4,6,3,3] v, float[4] e",
)
GROUPS = hub_of(
    "float[1,4,6,6] x",
    "c = Conv(x, w, b) r = Relu(c) d = Conv<group=6>(r, v) y = Conv<group=2>(d, u)",
    "float[6,4,1,1] w, float[6] b, float[6,1,3,3] v, float[4,3,1,1] u",
)
GEMMS = hub_of(
    "float[1,5] x",
    "g = Gemm<transB=1>(x, w, b) r = Relu(g) y = Gemm(r, v)",
    "float[7,5] w, float[7] b, float[7,3] v",
)
NORMED = hub_of(
    "float[1,5] x",
    "n = LayerNormalization<axis=-1>(x, g, s) y = Gemm<transB=1>(n, w, b)",
    "float[5] g, float[5] s, float[3,5] w, float[3] b",
)


def with_outliers(hub, factor=300.0):
    """The same function, two channels between the first two layers much larger than the rest."""

    def scale(copy):
        first, second = next(iter(equalizable_pairs(copy))).first, None
        second = next(iter(equalizable_pairs(copy))).second
        graph = copy.graph
        for node, index, axis in ((first, 1, 0), (first, 2, 0), (second, 1, 1)):
            array = constant(node.inputs[index]).copy()
            chosen = [slice(None)] * array.ndim
            chosen[axis] = slice(0, 2)
            array[tuple(chosen)] *= factor if node is first else 1 / factor
            value = add_constant(graph, f"{node.name}.outlier{index}", array)
            node.replace_input_with(index, value)

    return changed(hub, scale)


@pytest.mark.parametrize("hub", [TWO_CONVS, GROUPS, GEMMS, NORMED])
@pytest.mark.parametrize("by_activations", [True, False])
def test_an_equalized_hub_computes_the_same(hub, by_activations):
    samples = samples_for(hub, 8)
    observe = (lambda changed: observe_channels(changed, samples)) if by_activations else None
    equalized = equalize(hub, observe)
    assert serialize(equalized) != serialize(hub)
    found = compare(run_onnx(serialize(hub), samples), run_onnx(serialize(equalized), samples))
    assert found.sqnr_db is None or found.sqnr_db > 100


def test_outliers_that_break_int8_are_gone():
    samples = samples_for(TWO_CONVS, 64)
    broken = with_outliers(TWO_CONVS)
    reference = run_onnx(serialize(broken), samples)

    def decibel(hub):
        outputs = run_onnx(serialize(quickly_quantized(hub, samples)), samples)
        return compare(reference, outputs).sqnr_db

    mended = equalize(broken, lambda changed: observe_channels(changed, samples))
    assert decibel(broken) < 15
    assert decibel(mended) > 30


def test_a_tensor_that_two_layers_read_is_left_alone():
    hub = hub_of(
        "float[1,3,4,4] x",
        "c = Conv(x, w) r = Relu(c) d = Conv(r, v) y = Add(r, d)",
        "float[3,3,1,1] w, float[3,3,1,1] v",
        "float[1,3,4,4] y",
    )
    assert list(equalizable_pairs(hub)) == []


def test_a_clamp_at_six_does_not_commute_with_a_factor():
    hub = hub_of(
        "float[1,3,4,4] x",
        "c = Conv(x, w) r = Clip(c, low, high) y = Conv(r, v)",
        "float[3,3,1,1] w, float[3,3,1,1] v, float low = {0.0}, float high = {6.0}",
        "float[1,3,4,4] y",
    )
    assert list(equalizable_pairs(hub)) == []


def test_a_dead_channel_keeps_its_weights():
    def kill(copy):
        node = copy.graph[0]
        weight, bias = constant(node.inputs[1]).copy(), constant(node.inputs[2]).copy()
        weight[0], bias[0] = 0, 0
        for index, array in ((1, weight), (2, bias)):
            node.replace_input_with(index, add_constant(copy.graph, f"dead{index}", array))

    dead = changed(TWO_CONVS, kill)
    equalized = equalize(dead, None)
    assert all(
        np.isfinite(v.const_value.numpy()).all() for v in equalized.graph.initializers.values()
    )
