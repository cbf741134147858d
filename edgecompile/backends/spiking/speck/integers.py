"""The chip's numbers: weights and biases of 8 bits, potentials of 16; a neuron fires at its
threshold, as many times as the potential holds it.

One scale for each layer, as sinabs 3.1.3 discretizes. It is not called: without a lower limit of
the potential in the network's own units it takes -32768 for one, and rounds all weights to 0.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edgecompile.backends.spiking.network import SpikingLayer, SpikingNetwork
from edgecompile.backends.spiking.simulate import Dynamics
from edgecompile.backends.spiking.speck.events import FLOOR

LARGEST_WEIGHT = 127
LARGEST_THRESHOLD = 2**14
"""Half of the 16 bits: the other half is room for an event beyond it."""

DYNAMICS = Dynamics(strict=False, limits=(FLOOR, np.inf), several=True)
"""The step simulation, as sinabs does it."""


def to_integers(network: SpikingNetwork) -> SpikingNetwork:
    """The network in whole numbers; the read-out counts spikes, it has no scale."""
    hidden = tuple(_rounded(layer) for layer in network.layers[:-1])
    return replace(network, layers=(*hidden, network.layers[-1]))


def scale_of(layer: SpikingLayer) -> float:
    """Units of the chip for one unit of the layer's current: as many as everything holds."""
    assert layer.threshold is not None
    largest = max(float(np.abs(c.weight).max()) for c in layer.connections)
    largest = max(largest, float(np.abs(layer.bias).max()))
    scale = LARGEST_THRESHOLD / layer.threshold
    return min(scale, LARGEST_WEIGHT / largest) if largest > 0 else scale


def _rounded(layer: SpikingLayer) -> SpikingLayer:
    scale = scale_of(layer)
    assert layer.threshold is not None
    threshold = max(1, round(layer.threshold * scale))
    connections = tuple(
        replace(c, weight=np.rint(c.weight.astype(np.float64) * scale).astype(np.float32))
        for c in layer.connections
    )
    bias = np.rint(layer.bias.astype(np.float64) * scale)
    v0 = np.full(len(layer.v0), threshold // 2)
    return replace(
        layer, connections=connections, bias=bias, threshold=float(threshold), v0=v0.astype(float)
    )
