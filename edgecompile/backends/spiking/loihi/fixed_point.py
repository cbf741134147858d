"""The chip's numbers: weights of 8 bits, thresholds of 17, biases of 13, potentials of 24.

The unit of a current is 2**6, to which the chip shifts weights (Lava's PyLifModelBitAcc and its
`act_shift`; measured equal to lava-nc 0.10.0, membrane by membrane).
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from edgecompile.backends.spiking.network import Connection, SpikingLayer, SpikingNetwork
from edgecompile.backends.spiking.simulate import Dynamics

LARGEST_WEIGHT = 254
"""Signed weights have 8 bits, of which the lowest stands for 2: -256 to 254, even."""
LARGEST_THRESHOLD = 2**17 - 1
LARGEST_BIAS = 2**12 - 1
LARGEST_POTENTIAL = (2**23 - 1) / 64
_WIDEST_SPREAD = 16.0
"""By how much the connections into one layer may differ in size before the larger ones alone
decide: exponents make up for the rest."""
_ROOM = 2.0
"""The read-out may grow by so much beyond the largest output of the validation samples."""

DYNAMICS = Dynamics(strict=True, limits=(-LARGEST_POTENTIAL, LARGEST_POTENTIAL), delay=True)
"""A neuron fires beyond its threshold; a spike takes one step to the next layer."""


def to_fixed_point(network: SpikingNetwork, peak: float, steps: int) -> SpikingNetwork:
    """The network in whole numbers, one scale for each layer.

    `peak` is the largest output that is expected: the potential of the read-out must hold its sum
    over `steps`. A neuron starts at half its threshold less what its bias adds before the first
    spikes arrive, one step for each layer before it.
    """
    hidden = tuple(
        _rounded(layer, scale_of(layer), network.depth_of(layer.name), network.reset)
        for layer in network.layers[:-1]
    )
    last = network.layers[-1]
    scale = min(scale_of(last), LARGEST_POTENTIAL / max(_ROOM * steps * peak, 1e-9))
    readout = _rounded(last, scale, 0, network.reset)
    return replace(network, layers=(*hidden, readout), readout_scale=scale)


def scale_of(layer: SpikingLayer) -> float:
    """Units of the chip for one unit of the layer's current: as many as everything holds."""
    largest = [float(np.abs(c.weight).max()) for c in layer.connections]
    wanted = [LARGEST_WEIGHT / size for size in largest if size > 0] or [1.0]
    scale = min(max(wanted), _WIDEST_SPREAD * min(wanted))
    bias = float(np.abs(layer.bias).max())
    if bias > 0:
        scale = min(scale, LARGEST_BIAS / bias)
    if layer.threshold is not None:
        scale = min(scale, LARGEST_THRESHOLD / layer.threshold)
    return scale


def _rounded(layer: SpikingLayer, scale: float, depth: int, reset: str) -> SpikingLayer:
    connections = tuple(_even(connection, scale) for connection in layer.connections)
    bias = np.rint(layer.bias.astype(np.float64) * scale)
    if layer.threshold is None:
        return replace(layer, connections=connections, bias=bias, v0=np.zeros(len(layer.v0)))
    threshold = max(1, round(layer.threshold * scale))
    v0 = np.zeros(len(layer.v0))
    if reset == "subtract":
        v0 = np.clip(threshold // 2 - depth * bias, -LARGEST_THRESHOLD, threshold)
    return replace(layer, connections=connections, bias=bias, threshold=float(threshold), v0=v0)


def _even(connection: Connection, scale: float) -> Connection:
    largest = float(np.abs(connection.weight).max()) * scale
    # A little above 254 is rounding: it is no reason to give up a bit.
    exponent = max(0, math.ceil(math.log2(max(largest, 1e-30) / (LARGEST_WEIGHT + 0.5))))
    units = connection.weight.astype(np.float64) * scale / 2.0**exponent
    even = np.clip(2 * np.rint(units / 2), -LARGEST_WEIGHT - 2, LARGEST_WEIGHT)
    return replace(connection, weight=even.astype(np.float32), exponent=exponent)
