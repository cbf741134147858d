"""The saved file, executed by the fixed-point simulator; and what it holds."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from edgecompile.backends.protocol import Run
from edgecompile.backends.spiking.cost import measured_activity
from edgecompile.backends.spiking.loihi.execute import execute
from edgecompile.backends.spiking.network import SpikingNetwork
from edgecompile.backends.spiking.nir_file import read_nir
from edgecompile.backends.spiking.simulate import activity_of
from edgecompile.evaluate.evidence import Evidence
from edgecompile.graph.hub import Array
from edgecompile.inspection import Inspection, OperatorFacts, TensorFacts


def run_file(artifact: Path, samples: Array) -> Run:
    """The model's outputs, float32 (samples, *output shape), from the read-out's potentials; and
    the spikes and synaptic operations that they took."""
    model = read_nir(artifact)
    steps = int(model.facts["steps"])
    samples = np.asarray(samples, np.float32)
    trace, outputs = execute(model.network, samples, [steps])
    measured = measured_activity(activity_of(model.network, trace), steps)
    return Run([outputs[steps]], Evidence.REFERENCE, measured)


def inspect_file(artifact: Path) -> Inspection:
    """Populations as operators, in the order in which spikes reach them."""
    network = read_nir(artifact).network
    return Inspection(
        "NIR",
        artifact.stat().st_size,
        sum(c.weight.size for layer in network.layers for c in layer.connections),
        (TensorFacts("input", (1, *network.sample_shape), "float32"),),
        (TensorFacts("output", (1, *network.output_shape), "float32"),),
        tuple(_operators(network)),
    )


def _operators(network: SpikingNetwork) -> list[OperatorFacts]:
    neuron = "sigma-delta" if network.reset == "sigma-delta" else "integrate and fire"
    return [
        OperatorFacts(
            "read-out" if layer.threshold is None else neuron,
            None,
            tuple(
                TensorFacts(c.source, network.shape_of(c.source), "spikes")
                for c in layer.connections
            ),
            (
                TensorFacts(
                    layer.name,
                    layer.shape,
                    "potential" if layer.threshold is None else "spikes",
                    (1.0 / network.readout_scale,) if layer.threshold is None else (),
                    (0,) if layer.threshold is None else (),
                ),
            ),
        )
        for layer in network.layers
        if math.prod(layer.shape)
    ]
