"""The saved file, executed event by event; and what it holds."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edgecompile.backends.protocol import Run
from edgecompile.backends.spiking.cost import measured_activity
from edgecompile.backends.spiking.nir_file import read_nir
from edgecompile.backends.spiking.simulate import outputs_at
from edgecompile.backends.spiking.speck.events import simulate_events
from edgecompile.backends.spiking.speck.lower import activity_on_chip
from edgecompile.errors import UserError
from edgecompile.evaluate.evidence import Evidence
from edgecompile.graph.hub import Array
from edgecompile.inspection import Inspection, OperatorFacts, TensorFacts


def run_file(artifact: Path, samples: Array) -> Run:
    """The model's outputs, float32 (samples, *output shape), from the spikes that the host counts;
    and how many spikes and synaptic operations an inference took."""
    model = read_nir(artifact)
    steps = int(model.facts["steps"])
    samples = np.asarray(samples, np.float32)
    if samples.ndim != len(model.network.sample_shape) + 1:
        raise UserError(
            f"the artifact takes samples without steps, and the data have the shape "
            f"{list(samples.shape)}",
            remedy="use the recipe that the artifact was built by",
        )
    trace = simulate_events(model.network, samples, [steps // 2, steps])
    outputs = outputs_at(model.network, trace, steps)
    measured = measured_activity(activity_on_chip(model.network, trace), steps)
    return Run([outputs], Evidence.REFERENCE, measured)


def inspect_file(artifact: Path) -> Inspection:
    """Layers as operators, in the order in which spikes reach them; the host's count last."""
    network = read_nir(artifact).network
    operators = []
    for layer in network.layers:
        is_readout = layer.threshold is None
        kind = "count" if is_readout else "integrate and fire"
        scale, zero = ((1.0 / network.readout_scale,), (0,)) if is_readout else ((), ())
        sources = tuple(
            TensorFacts(c.source, network.shape_of(c.source), "spikes") for c in layer.connections
        )
        result = TensorFacts(layer.name, layer.shape, "spikes", scale, zero)
        operators.append(OperatorFacts(kind, None, sources, (result,)))
    return Inspection(
        "NIR",
        artifact.stat().st_size,
        sum(layer.connections[0].weight.size for layer in network.layers[:-1]),
        (TensorFacts("input", (1, *network.sample_shape), "float32"),),
        (TensorFacts("output", (1, *network.output_shape), "float32"),),
        tuple(operators),
    )
