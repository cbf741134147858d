"""Palettized weights: few values, near the weights, and executed by ONNX Runtime as they stand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from edgecompile.compress.palettize import nearest_values, palettize_weights
from edgecompile.evaluate.session import run_onnx
from edgecompile.graph.constants import is_static, static_value
from edgecompile.graph.hub import serialize
from edgecompile.graph.palette import palettized_constant
from tests.hubs import hub_of, samples_for

LEAST_DB = {4: 18.0, 6: 30.0, 8: 42.0}
"""For normally distributed weights; coremltools' k-means reaches the same within 1 dB."""


def decibel(real, found):
    return 10 * np.log10(np.var(real) / np.mean((real - found) ** 2))


@pytest.mark.parametrize("bits", LEAST_DB)
def test_the_values_are_as_near_as_k_means_can_bring_them(bits):
    weight = np.random.default_rng(3).normal(size=(64, 64, 3, 3)).astype(np.float32)
    table, indices = nearest_values(weight, bits)
    assert len(table) == 2**bits
    assert indices.dtype == np.uint8
    assert decibel(weight, table[indices]) > LEAST_DB[bits]


@given(arrays(np.float32, st.integers(1, 60), elements=st.floats(-8, 8, width=16)))
def test_each_weight_gets_the_nearest_value_of_the_table(weight):
    table, indices = nearest_values(weight, 4)
    assert np.array_equal(table, np.sort(table))
    assert np.array_equal(table, table.astype(np.float16).astype(np.float32))
    nearest = np.abs(weight[:, None] - table).min(axis=1)
    np.testing.assert_array_equal(np.abs(weight - table[indices]), nearest)


BODY = "c = Conv<pads=[1,1,1,1]>(x, w, b) f = Flatten(c) y = Gemm<transB=1>(f, m, n)"
CONSTANTS = "float[16,8,3,3] w, float[16] b, float[10,576] m, float[10] n"


@pytest.mark.parametrize("per_channel", [True, False], ids=["per channel", "per tensor"])
def test_onnx_runtime_executes_the_palettized_hub(per_channel):
    hub = hub_of("float[1,8,6,6] x", BODY, CONSTANTS)
    small = palettize_weights(hub, 8, per_channel=per_channel)
    samples = samples_for(hub)
    (expected,), (found,) = (run_onnx(serialize(h), samples) for h in (hub, small))
    assert decibel(expected, found) > 35
    palettes = [
        palettized_constant(n.inputs[1]) for n in small.graph if n.op_type in {"Conv", "Gemm"}
    ]
    assert [palette.bits for palette in palettes if palette] == [8, 8]


def test_channels_of_unequal_size_need_a_scale_each():
    hub = hub_of("float[1,8,6,6] x", "y = Conv(x, w)", "float[16,8,3,3] w")
    import onnx_ir as ir

    value = hub.graph.initializers["w"]
    sizes = np.logspace(0, -3, 16, dtype=np.float32).reshape(-1, 1, 1, 1)
    value.const_value = ir.tensor(value.const_value.numpy() * sizes, name="w")
    samples = samples_for(hub)
    (expected,) = run_onnx(serialize(hub), samples)

    def worst(per_channel: bool) -> float:
        small = palettize_weights(hub, 6, per_channel=per_channel)
        (found,) = run_onnx(serialize(small), samples)
        return min(decibel(expected[:, c], found[:, c]) for c in range(16))

    assert worst(True) > 25
    assert worst(False) < 10


def test_a_weight_that_would_not_shrink_stays():
    hub = hub_of("float[1,4] x", "y = MatMul(x, w)", "float[4,3] w")
    small = palettize_weights(hub, 8, per_channel=True)
    assert [node.op_type for node in small.graph] == ["MatMul"]


def test_a_palettized_weight_is_a_constant_to_whoever_reads_the_hub():
    hub = hub_of("float[1,64] x", "y = MatMul(x, w)", "float[64,32] w")
    small = palettize_weights(hub, 4, per_channel=False)
    (weight,) = (n.inputs[1] for n in small.graph if n.op_type == "MatMul")
    assert is_static(weight)
    assert len(np.unique(static_value(weight))) <= 16
