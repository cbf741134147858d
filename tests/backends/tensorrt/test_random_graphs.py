"""Whatever the hub is: the file for TensorRT is valid, and computes what the hub says."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from edgecompile.backends.tensorrt.engine import refusals
from edgecompile.backends.tensorrt.lowering import lower_to_onnx
from edgecompile.backends.tensorrt.options import LoweringOptions
from edgecompile.backends.tensorrt.rules import broken_rules
from edgecompile.compress.narrow import halve_constants
from edgecompile.compress.scheme import QuantScheme
from edgecompile.evaluate.session import run_onnx
from edgecompile.graph.hub import serialize
from tests.formats.tflite.random_graphs import RandomGraph, random_graphs
from tests.hubs import quickly_quantized, samples_for

SYMMETRIC = QuantScheme("symmetric")
EXACT = LoweringOptions(pairs="all", float_type="float32")

QUICK = settings(max_examples=60, suppress_health_check=list(HealthCheck))
SLOW = settings(max_examples=60, suppress_health_check=list(HealthCheck))


def outputs(model, samples):
    return run_onnx(serialize(model), samples)


@QUICK
@given(random_graphs())
def test_with_all_pairs_in_float32_the_numbers_are_the_hubs(graph):
    hub = graph.hub()
    samples = samples_for(hub, 4)
    quantized = quickly_quantized(hub, samples, SYMMETRIC)
    same = lower_to_onnx(quantized, EXACT).model
    for expected, found in zip(outputs(quantized, samples), outputs(same, samples), strict=True):
        np.testing.assert_array_equal(expected, found)


@QUICK
@given(random_graphs())
def test_fewer_pairs_and_float16_stay_near_the_float_model(graph):
    hub = graph.hub()
    samples = samples_for(hub, 4)
    quantized = quickly_quantized(hub, samples, SYMMETRIC)
    lowered = lower_to_onnx(quantized, LoweringOptions())
    assert [f for f in broken_rules(lowered.model, "tensorrt") if f.level == "error"] == []
    half = lower_to_onnx(halve_constants(hub), LoweringOptions())
    exact = outputs(hub, samples)
    for model, allowed in (
        (lowered.model, distance(exact, outputs(quantized, samples))),
        (half.model, 0),
    ):
        assert distance(exact, outputs(model, samples)) <= 2 * allowed + 0.02


def distance(expected, found) -> float:
    """The mean difference, beside the largest value."""
    return max(
        float(np.abs(e - f).mean() / (np.abs(e).max() + 1e-6))
        for e, f in zip(expected, found, strict=True)
    )


@pytest.mark.full
@SLOW
@given(random_graphs())
def test_nvidias_parser_takes_it(graph: RandomGraph):
    hub = graph.hub()
    quantized = quickly_quantized(hub, samples_for(hub, 4), SYMMETRIC)
    for options in (LoweringOptions(), EXACT):
        assert refusals(lower_to_onnx(quantized, options).model) == []
