"""Whatever `check` accepts, `lower` writes, and the file computes what the hub says."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from edgecompile.formats.tflite.check import check_operators
from edgecompile.graph.qdq import output_scales
from tests.formats.tflite.compare import (
    by_litert,
    by_onnx_runtime,
    lsb_differences,
    relative_error,
)
from tests.formats.tflite.random_graphs import EXACT, RandomGraph, random_graphs
from tests.hubs import quickly_quantized, samples_for

THOROUGH = settings(max_examples=1500, suppress_health_check=list(HealthCheck))
QUICK = settings(max_examples=150, suppress_health_check=list(HealthCheck))


def float_files_are_right(graph: RandomGraph) -> None:
    hub = graph.hub()
    if check_operators(hub, ()):
        return
    samples = samples_for(hub, 4)
    expected = by_onnx_runtime(hub, samples)
    for kernels in ("xnnpack", "builtin", "reference"):
        assert relative_error(expected, by_litert(hub, samples, kernels)) < 1e-3


def int8_files_are_right(graph: RandomGraph) -> None:
    hub = graph.hub()
    if check_operators(hub, ()):
        return
    samples = samples_for(hub, 4)
    quantized = quickly_quantized(hub, samples)
    assert check_operators(quantized, ()) == []
    floats, expected = by_onnx_runtime(hub, samples), by_onnx_runtime(quantized, samples)
    # What rounding does to this graph: no kernel that rounds differently does more to it.
    noise = lsb_differences(quantized, expected, floats).max()
    for kernels in ("xnnpack", "builtin", "reference"):
        differences = lsb_differences(quantized, expected, by_litert(quantized, samples, kernels))
        if graph.operators <= EXACT:
            assert differences.max() == 0
        assert differences.max() <= 2 + 2 * noise
        assert all(scale is None or np.isfinite(scale) for scale in output_scales(quantized))


@QUICK
@given(random_graphs())
def test_what_check_accepts_lower_writes_and_floats_are_right(graph):
    float_files_are_right(graph)


@QUICK
@given(random_graphs())
def test_what_check_accepts_lower_writes_and_int8_is_right(graph):
    int8_files_are_right(graph)


@pytest.mark.full
@THOROUGH
@given(random_graphs(most_layers=10))
def test_thousands_of_float_files_are_right(graph):
    float_files_are_right(graph)


@pytest.mark.full
@THOROUGH
@given(random_graphs(most_layers=10))
def test_thousands_of_int8_files_are_right(graph):
    int8_files_are_right(graph)
