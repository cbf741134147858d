"""How many neuro-cores each layer takes, and whether the chip has them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edgecompile.backends.spiking.maps import fan_in, fan_out, synapses
from edgecompile.backends.spiking.network import RateLayer, RateNetwork, Shape, SpikingNetwork
from edgecompile.findings import Finding
from edgecompile.recipe.target import Fact

CORES, NEURONS, MEMORY = "cores", "neurons_per_core", "synaptic_memory_per_core"
"""The limits of a target that the budget is held against."""


@dataclass(frozen=True)
class LayerBudget:
    """What one layer takes. `weight_bytes` are those of a convolution's kernel, which its neurons
    share, or of all synapses of a dense map; `synapses` counts pairs of neurons. Fan-in and fan-out
    are the largest of one neuron, within one chip."""

    name: str
    neurons: int
    synapses: int
    weight_bytes: int
    fan_in: int
    fan_out: int
    cores: int


def budget_of(
    network: RateNetwork | SpikingNetwork, limits: Mapping[str, Fact]
) -> list[LayerBudget]:
    """The budget of each layer; each starts a core of its own."""
    spread = _fan_outs(network)
    rows = []
    for layer in network.layers:
        neurons = math.prod(layer.shape)
        weights = sum(c.weight.size for c in layer.connections)
        joined = sum(synapses(c, network.shape_of(c.source)) for c in layer.connections)
        rows.append(
            LayerBudget(
                layer.name,
                neurons,
                joined,
                weights,
                sum(fan_in(c) for c in layer.connections),
                spread.get(layer.name, 0),
                _cores(neurons, weights, limits),
            )
        )
    return rows


def _cores(neurons: int, weights: int, limits: Mapping[str, Fact]) -> int:
    """By neurons and by bytes of weights. The cores of a dense layer hold the rows of their own
    neurons; those of a convolution the kernels of the channels that they compute."""
    cores = 1
    if NEURONS in limits:
        cores = math.ceil(neurons / float(limits[NEURONS].value))
    if MEMORY in limits:
        cores = max(cores, math.ceil(weights / float(limits[MEMORY].value)))
    return cores


def _fan_outs(network: RateNetwork | SpikingNetwork) -> dict[str, int]:
    found: dict[str, int] = {}
    for layer in network.layers:
        for connection in layer.connections:
            most = int(fan_out(connection, network.shape_of(connection.source)).max())
            found[connection.source] = found.get(connection.source, 0) + most
    return found


def core_findings(
    network: RateNetwork | SpikingNetwork, rows: Sequence[LayerBudget], limits: Mapping[str, Fact]
) -> list[Finding]:
    """An error if the chip has too few cores: which layer takes most, by how much it is too large,
    and what would make it fit."""
    needed = sum(row.cores for row in rows)
    if CORES not in limits or needed <= float(limits[CORES].value):
        return []
    cores = int(float(limits[CORES].value))
    worst = max(rows, key=lambda row: row.cores)
    layer = _layer(network, worst.name)
    over = needed - cores
    spared = worst.cores - over
    remedy = "reduce channels or resolution of several layers"
    if spared > 0:
        share = spared / worst.cores
        remedy = (
            f"this layer with at most {int(worst.neurons * share):,} neurons would make it fit: "
            "fewer channels (stages.prune), a larger stride, or a smaller input"
        )
    return [
        Finding(
            "error",
            "loihi-cores",
            f"the network takes {needed} cores and the chip has {cores}: {over} too many. "
            f"{worst.name} takes {worst.cores} of them ({worst.neurons:,} neurons of shape "
            f"{_said(layer.shape)}, {worst.weight_bytes:,} bytes of weights)",
            layer.origin.node,
            None,
            layer.origin.module,
            layer.origin.source,
            remedy,
            limits[CORES].source,
        )
    ]


def _layer(network: RateNetwork | SpikingNetwork, name: str) -> RateLayer:
    found = next(layer for layer in network.layers if layer.name == name)
    return found  # type: ignore[return-value]


def _said(shape: Shape) -> str:
    return " x ".join(str(size) for size in shape)
