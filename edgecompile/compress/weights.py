"""Weights as int8 or int4: symmetric, in [-127, 127] or [-7, 7], one scale per tensor or per output
channel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgecompile.graph.hub import Array, constant
from edgecompile.graph.qdq import WEIGHT_INPUT, weight_axis

_SMALLEST_SCALE = float(np.finfo(np.float32).tiny)
_SHRINKS = np.linspace(0.4, 1.0, 31)
"""Candidates for a clipped range, as parts of the whole one."""


@dataclass(frozen=True)
class QuantizedWeight:
    """An integer weight and its scale: one number, or one per output channel.

    `data` is int8 whatever `bits` (8 or 4) its values keep to.
    """

    data: Array
    scale: Array
    bits: int = 8


def largest(bits: int) -> int:
    """The largest integer of a weight; the smallest is its negative."""
    return (1 << (bits - 1)) - 1


def round_to(weight: Array, scale: Array, axis: int, bits: int = 8) -> QuantizedWeight:
    """The nearest integers of a weight; `scale` is one number, or one per slice of `axis`."""
    steps = np.rint(weight / _broadcast(scale, weight.ndim, axis))
    most = largest(bits)
    return QuantizedWeight(np.clip(steps, -most, most).astype(np.int8), scale, bits)


def full_range_scale(weight: Array, axis: int, *, per_channel: bool, bits: int = 8) -> Array:
    """The scale at which the largest weight is the largest integer."""
    others = tuple(i for i in range(weight.ndim) if i != axis) if per_channel else None
    peak = np.asarray(np.abs(weight).max(axis=others))
    return np.maximum(peak / largest(bits), _SMALLEST_SCALE).astype(np.float32)


def least_squares_scale(weight: Array, axis: int, *, per_channel: bool, bits: int) -> Array:
    """The scale at which the integers have the least squared error: some weights may be clipped.

    With four bits the many small weights gain more by it than the few large ones lose (Choukroun
    et al., Low-bit Quantization of Neural Networks for Efficient Inference, 2019, section 3).
    """
    whole = full_range_scale(weight, axis, per_channel=per_channel, bits=bits)
    others = tuple(i for i in range(weight.ndim) if i != axis) if per_channel else None
    best, least = whole, np.full(whole.shape, np.inf)
    for shrink in _SHRINKS:
        scale = np.maximum(whole * shrink, _SMALLEST_SCALE).astype(np.float32)
        rounded = round_to(weight, scale, axis, bits).data
        error = rounded * _broadcast(scale, weight.ndim, axis).astype(np.float64) - weight
        squared = np.asarray((error**2).sum(axis=others))
        best = np.where(squared < least, scale, best).astype(np.float32)
        least = np.minimum(least, squared)
    return best


def integer_weights(hub: ir.Model, *, per_channel: bool, bits: int) -> dict[str, QuantizedWeight]:
    """The integers of a float hub's weights by node name: of the whole range with eight bits, of
    least squared error with four."""
    scale_of = full_range_scale if bits == 8 else least_squares_scale
    weights = {}
    for node in hub.graph:
        axis = weight_axis(node)
        array = None if axis is None else constant(node.inputs[WEIGHT_INPUT])
        if array is not None and axis is not None:
            scale = scale_of(array, axis, per_channel=per_channel, bits=bits)
            weights[node.name or ""] = round_to(array, scale, axis, bits)
    return weights


def _broadcast(scale: Array, rank: int, axis: int) -> Array:
    if scale.ndim == 0:
        return scale
    shape = [1] * rank
    shape[axis] = -1
    return scale.reshape(shape)
