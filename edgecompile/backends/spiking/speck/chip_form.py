"""The network as cores have it: square kernels of all input features, pools of 1, 2 or 4."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edgecompile.backends.spiking.network import (
    INPUT,
    Connection,
    RateLayer,
    RateNetwork,
    Shape,
)
from edgecompile.backends.spiking.symmetric import with_equal_pads, with_pool_in_kernel

POOLS = (4, 2, 1)
"""Sizes of the windows that a core sums its spikes over for a destination."""
OUTPUTS = "outputs"
"""The name of the last layer of neurons: two for each output of the model."""
_MOST_SPIKES = 4
"""Spikes per step of an output neuron for the largest output that is expected."""


def as_cores(network: RateNetwork) -> RateNetwork:
    """The same network, whose connections are what a core can hold: a dense map is a convolution
    whose kernel is the image, groups and dilation are zeros in the kernel, and what the sum over a
    window exceeds 4 x 4 is repeated weights. Exact."""
    shapes = {INPUT: network.input_shape} | {x.name: x.shape for x in network.layers}
    layers = tuple(
        replace(
            layer,
            connections=tuple(_as_core(c, shapes[c.source]) for c in layer.connections),
        )
        for layer in network.layers
    )
    return replace(network, layers=layers)


def _as_core(connection: Connection, source: Shape) -> Connection:
    connection = _as_convolution(connection, source)
    connection = _with_dilation_in_kernel(_with_groups_in_kernel(with_equal_pads(connection)))
    pool, rest = _split_pool(connection)
    return replace(with_pool_in_kernel(replace(connection, pool=rest)), pool=pool)


def _as_convolution(connection: Connection, source: Shape) -> Connection:
    if not connection.is_dense:
        return connection
    height, width = (source[1 + i] // connection.pool[i] for i in range(2))
    weight = connection.weight.reshape(-1, source[0], height, width)
    return replace(connection, weight=weight)


def _with_groups_in_kernel(connection: Connection) -> Connection:
    if connection.groups == 1:
        return connection
    outputs, inputs, *kernel = connection.weight.shape
    full = np.zeros((outputs, inputs * connection.groups, *kernel), np.float32)
    each = outputs // connection.groups
    for group in range(connection.groups):
        rows = slice(group * each, (group + 1) * each)
        full[rows, group * inputs : (group + 1) * inputs] = connection.weight[rows]
    return replace(connection, weight=full, groups=1)


def _with_dilation_in_kernel(connection: Connection) -> Connection:
    if connection.dilation == (1, 1):
        return connection
    outputs, inputs, *kernel = connection.weight.shape
    sizes = [(kernel[i] - 1) * connection.dilation[i] + 1 for i in range(2)]
    full = np.zeros((outputs, inputs, *sizes), np.float32)
    full[:, :, :: connection.dilation[0], :: connection.dilation[1]] = connection.weight
    return replace(connection, weight=full, dilation=(1, 1))


def _split_pool(connection: Connection) -> tuple[tuple[int, int], tuple[int, int]]:
    """What the source sums, and what is left for the kernel. Events of the host come as they
    are."""
    if connection.source == INPUT:
        return (1, 1), connection.pool
    size = next(s for s in POOLS if all(p % s == 0 for p in connection.pool))
    return (size, size), (connection.pool[0] // size, connection.pool[1] // size)


def with_output_neurons(network: RateNetwork, peak: float) -> RateNetwork:
    """The same function, whose outputs are spikes that the host counts: one neuron for what is
    positive, one for what is negative. `peak` is the largest output expected."""
    *hidden, last = network.layers
    threshold = peak / _MOST_SPIKES
    pairs = tuple(
        replace(c, weight=np.concatenate([c.weight, -c.weight])) for c in last.connections
    )
    outputs, height, width = last.shape
    neurons = RateLayer(
        OUTPUTS,
        (2 * outputs, height, width),
        pairs,
        np.concatenate([last.bias, -last.bias]),
        threshold,
        last.origin,
    )
    signs = np.concatenate([np.eye(outputs), -np.eye(outputs)], 1)[:, :, None, None]
    counted = Connection(OUTPUTS, signs.astype(np.float32))
    readout = replace(last, connections=(counted,), bias=np.zeros_like(last.bias))
    return replace(network, layers=(*hidden, neurons, readout))
