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
from edgecompile.graph.hub import Array

LARGEST_WEIGHT = 254
"""Signed weights have 8 bits, of which the lowest stands for 2: -256 to 254, even."""
LARGEST_THRESHOLD = 2**17 - 1
LARGEST_BIAS = 2**12 - 1
LARGEST_POTENTIAL = (2**23 - 1) / 64
_WIDEST_SPREAD = 16.0
"""By how much the connections into one layer may differ in size before the larger ones alone
decide: exponents make up for the rest."""
_WORTH_A_BIT = 2.0
"""Biases that are too large by no more than this rather cost the weights a bit than a netx file."""
ROOM = 2.0
"""The read-out may grow by so much beyond the largest output of the validation samples."""

DYNAMICS = Dynamics(strict=True, limits=(-LARGEST_POTENTIAL, LARGEST_POTENTIAL), delay=True)
"""A neuron fires beyond its threshold; a spike takes one step to the next layer."""


def to_fixed_point(network: SpikingNetwork, peak: float) -> SpikingNetwork:
    """The network in whole numbers, one scale for each layer.

    `peak` is the largest output that is expected: the potential of the read-out must hold it for a
    step at least. A neuron starts at half its threshold less what its bias adds before the first
    spikes arrive, one step for each layer before it.
    """
    stock = network.reset == "zero"
    layers = []
    for layer in network.layers:
        scale = scale_of(layer, stock)
        if layer.threshold is None:
            scale = min(scale, LARGEST_POTENTIAL / max(ROOM * peak, 1e-9))
        layers.append(_rounded(layer, scale))
    whole = replace(network, layers=tuple(layers), readout_scale=scale)
    return whole if stock else with_first_potentials(whole)


def with_first_potentials(network: SpikingNetwork) -> SpikingNetwork:
    """The network in whole numbers with neurons that will be half full when their input begins."""
    layers = []
    for layer in network.layers:
        v0 = np.zeros(len(layer.v0))
        if layer.threshold is not None:
            threshold, depth = layer.threshold, network.depth_of(layer.name)
            v0 = np.clip(threshold // 2 - depth * layer.bias, -LARGEST_THRESHOLD, threshold)
        layers.append(replace(layer, v0=v0))
    return replace(network, layers=tuple(layers))


def reading_interval(network: SpikingNetwork, peak: float, steps: int) -> int:
    """Every how many steps the host reads the read-out's potential and sets it to 0: a power of two
    that half of `steps` is a multiple of, so that the potential holds twice the expected output."""
    most = LARGEST_POTENTIAL / max(ROOM * peak * network.readout_scale, 1e-9)
    interval = 1
    while 2 * interval <= most and (steps // 2) % (2 * interval) == 0:
        interval *= 2
    return interval


def scale_of(layer: SpikingLayer, stock: bool) -> float:
    """Units of the chip for one unit of the layer's current: as many as everything holds.

    Biases may have an exponent of their own, but none in a netx file, which stock neurons are for.
    """
    largest = [float(np.abs(c.weight).max()) for c in layer.connections]
    wanted = [LARGEST_WEIGHT / size for size in largest if size > 0] or [1.0]
    scale = min(max(wanted), _WIDEST_SPREAD * min(wanted))
    bias = float(np.abs(layer.bias).max())
    if bias > 0 and (stock or bias * scale <= _WORTH_A_BIT * LARGEST_BIAS):
        scale = min(scale, LARGEST_BIAS / bias)
    if layer.threshold is not None:
        scale = min(scale, LARGEST_THRESHOLD / layer.threshold)
    return scale


def bias_exponent(layer: SpikingLayer) -> int:
    """The power of two that the biases of a layer in whole numbers are multiples of."""
    largest = float(np.abs(layer.bias).max())
    return max(0, math.ceil(math.log2(max(largest, 1.0) / LARGEST_BIAS)))


def in_whole_numbers(layer: SpikingLayer, scale: float | Array) -> SpikingLayer:
    """The layer with weights and biases for the chip, `scale` units for one unit of current; where
    neurons can be told apart, `scale` may have one number per channel."""
    connections = tuple(_even(connection, scale) for connection in layer.connections)
    exact = layer.bias.astype(np.float64) * scale
    unit = 2.0 ** bias_exponent(replace(layer, bias=exact))
    bias = np.rint(exact / unit) * unit
    return replace(layer, connections=connections, bias=bias, v0=np.zeros(len(layer.v0)))


def _rounded(layer: SpikingLayer, scale: float) -> SpikingLayer:
    whole = in_whole_numbers(layer, scale)
    if layer.threshold is None:
        return whole
    return replace(whole, threshold=float(max(1, round(layer.threshold * scale))))


def _even(connection: Connection, scale: float | Array) -> Connection:
    factor = np.reshape(scale, (-1, *[1] * (connection.weight.ndim - 1)))
    exact = connection.weight.astype(np.float64) * factor
    largest = float(np.abs(exact).max())
    # A little above 254 is rounding: it is no reason to give up a bit.
    exponent = max(0, math.ceil(math.log2(max(largest, 1e-30) / (LARGEST_WEIGHT + 0.5))))
    units = exact / 2.0**exponent
    even = np.clip(2 * np.rint(units / 2), -LARGEST_WEIGHT - 2, LARGEST_WEIGHT)
    return replace(connection, weight=even.astype(np.float32), exponent=exponent)
