"""Connections applied to tensors: one definition for training, calibration and simulation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgecompile.backends.spiking.network import Connection, Shape
from edgecompile.graph.hub import Array

if TYPE_CHECKING:
    import torch


def apply(connection: Connection, weight: torch.Tensor, activity: torch.Tensor) -> torch.Tensor:
    """The currents (samples, *layer shape) of `activity` (samples, *source shape), by `weight` in
    place of the connection's own, which has its shape."""
    import torch.nn.functional as F

    x = activity
    if connection.area > 1:
        if connection.pooling == "max":
            x = F.max_pool2d(x, connection.pool)
        else:
            x = F.avg_pool2d(x, connection.pool, divisor_override=1)
    if connection.is_dense:
        return F.linear(x.flatten(1), weight)[:, :, None, None]
    top, left, bottom, right = connection.pads
    padding: tuple[int, int] = (top, left)
    if (top, left) != (bottom, right):
        x, padding = F.pad(x, (left, right, top, bottom)), (0, 0)
    return F.conv2d(
        x, weight, None, connection.stride, padding, connection.dilation, connection.groups
    )


def fan_out(connection: Connection, source: Shape) -> Array:
    """Synapses that one spike of each neuron of `source` reaches: int64 of that shape.

    Padding is counted exactly: it has no neurons, and a neuron at the border has fewer synapses.
    """
    import torch

    ones = torch.zeros((1, *source), dtype=torch.float64, requires_grad=True)
    weight = torch.ones(connection.weight.shape, dtype=torch.float64)
    apply(connection, weight, ones).sum().backward()  # type: ignore[no-untyped-call]
    assert ones.grad is not None
    counted: Array = np.rint(ones.grad[0].numpy()).astype(np.int64)
    return counted


def fan_in(connection: Connection) -> int:
    """Synapses that reach one neuron away from the border."""
    return int(np.prod(connection.weight.shape[1:])) * connection.area


def synapses(connection: Connection, source: Shape) -> int:
    """Pairs of neurons that a connection joins, each with a weight of its own or a shared one."""
    return int(fan_out(connection, source).sum())
