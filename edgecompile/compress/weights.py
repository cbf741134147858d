"""Weights as int8: symmetric, in [-127, 127], one scale per tensor or per output channel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgecompile.graph.hub import Array

LARGEST = 127
_SMALLEST_SCALE = float(np.finfo(np.float32).tiny)


@dataclass(frozen=True)
class QuantizedWeight:
    """An int8 weight and its scale: one number, or one per output channel."""

    data: Array
    scale: Array


def round_to(weight: Array, scale: Array, axis: int) -> QuantizedWeight:
    """The nearest integers of a weight; `scale` is one number, or one per slice of `axis`."""
    steps = np.rint(weight / _broadcast(scale, weight.ndim, axis))
    return QuantizedWeight(np.clip(steps, -LARGEST, LARGEST).astype(np.int8), scale)


def full_range_scale(weight: Array, axis: int, *, per_channel: bool) -> Array:
    """The scale at which the largest weight is 127."""
    others = tuple(i for i in range(weight.ndim) if i != axis) if per_channel else None
    largest = np.asarray(np.abs(weight).max(axis=others))
    return np.maximum(largest / LARGEST, _SMALLEST_SCALE).astype(np.float32)


def _broadcast(scale: Array, rank: int, axis: int) -> Array:
    if scale.ndim == 0:
        return scale
    shape = [1] * rank
    shape[axis] = -1
    return scale.reshape(shape)
