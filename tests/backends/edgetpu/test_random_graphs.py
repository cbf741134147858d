"""Whatever `check` accepts, the Edge TPU's forms compute what the hub says."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from edgecompile.backends.edgetpu.backend import EdgeTpuBackend
from edgecompile.backends.edgetpu.options import EdgeTpuOptions
from edgecompile.findings import Finding
from edgecompile.recipe.load import load_target
from tests.formats.tflite.compare import by_onnx_runtime, lsb_differences
from tests.formats.tflite.random_graphs import EXACT, RandomGraph, random_graphs
from tests.hubs import quickly_quantized, samples_for

THOROUGH = settings(max_examples=1500, suppress_health_check=list(HealthCheck))
QUICK = settings(max_examples=60, suppress_health_check=list(HealthCheck))

GELU_LSB = 4
"""What the approximation of one Gelu may add."""


def files_are_right(graph: RandomGraph) -> None:
    backend, target, hub = EdgeTpuBackend(), load_target("coral-usb"), graph.hub()
    told = backend.check(hub, target, "int8")
    assert all(isinstance(finding, Finding) for finding in told)
    if any(finding.level == "error" for finding in told):
        return
    samples = samples_for(hub, 4)
    quantized = quickly_quantized(hub, samples)
    floats, expected = by_onnx_runtime(hub, samples), by_onnx_runtime(quantized, samples)
    noise = lsb_differences(quantized, expected, floats).max()
    with tempfile.TemporaryDirectory() as name:
        backend.lower(quantized, target, Path(name))
        artifact = Path(name) / backend.main_file
        checked = backend.check_artifact(artifact, target)
        assert [f.rule for f in checked.findings if f.level == "error"] == []
        options = EdgeTpuOptions().model_dump()
        found = backend.run(artifact, samples, options)
    differences = lsb_differences(quantized, expected, found)
    if graph.operators <= EXACT:
        assert differences.max() == 0
    gelus = sum(node.op_type == "Gelu" for node in hub.graph)
    assert differences.max() <= (2 + 2 * noise) * (1 + GELU_LSB * gelus)


@QUICK
@given(random_graphs())
def test_what_check_accepts_is_written_and_right(graph):
    files_are_right(graph)


@pytest.mark.full
@THOROUGH
@given(random_graphs(most_layers=10))
def test_thousands_of_files_are_right(graph):
    files_are_right(graph)
