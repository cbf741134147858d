"""The range of every activation over the calibration samples, whole or as int8 likes it best."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx_ir as ir

from edgecompile.compress.observe import observe
from edgecompile.compress.scheme import QuantScheme, params_of_range
from edgecompile.graph.hub import Array
from edgecompile.graph.qdq import TensorParams

Range = tuple[float, float]

_VALUES_PER_SAMPLE = 256
"""Values of each tensor that are kept of each sample: they stand for its distribution."""

_SHRINKS = np.linspace(0.3, 1.0, 36)
"""Candidates for a clipped range, as parts of the observed one."""


def observe_ranges(hub: ir.Model, samples: Array) -> dict[str, Range]:
    """Minimum and maximum of every float activation of the float `hub`, by tensor name.

    `samples` are float32 (samples, *shape without batch).
    """
    ranges: dict[str, Range] = {}
    for tensors in observe(hub, samples):
        for name, tensor in tensors.items():
            low, high = ranges.get(name, (np.inf, -np.inf))
            ranges[name] = (min(low, float(tensor.min())), max(high, float(tensor.max())))
    return ranges


def observe_channels(hub: ir.Model, samples: Array) -> dict[str, Array]:
    """Largest absolute value of each channel (axis 1, or the last of three) by tensor name."""
    largest: dict[str, Array] = {}
    for tensors in observe(hub, samples):
        for name, tensor in tensors.items():
            if tensor.ndim < 2:
                continue
            channel = tensor.ndim - 1 if tensor.ndim == 3 else 1
            others = tuple(axis for axis in range(tensor.ndim) if axis != channel)
            found = np.abs(tensor).max(axis=others)
            largest[name] = np.maximum(largest[name], found) if name in largest else found
    return largest


def least_squares_ranges(
    hub: ir.Model, samples: Array, observed: Mapping[str, Range], scheme: QuantScheme
) -> dict[str, Range]:
    """The part of each activation's observed range whose integers have the least squared error.

    A rare outlier may be clipped if all other values gain by it (Choukroun et al., Low-bit
    Quantization of Neural Networks for Efficient Inference, 2019, section 3). By tensor name.
    """
    values: dict[str, list[Array]] = {}
    for tensors in observe(hub, samples, observed.__contains__):
        for name, tensor in tensors.items():
            flat = tensor.ravel()
            step = max(1, len(flat) // _VALUES_PER_SAMPLE)
            values.setdefault(name, []).append(flat[::step])
    return {
        name: _best_part(np.concatenate(parts), observed[name], scheme)
        for name, parts in values.items()
    }


def _best_part(values: Array, observed: Range, scheme: QuantScheme) -> Range:
    low, high = observed
    candidates = [(low * shrink, high * shrink) for shrink in _SHRINKS]
    errors = [_squared_error(values, params_of_range(*c, scheme)) for c in candidates]
    return candidates[int(np.argmin(errors))]


def _squared_error(values: Array, params: TensorParams) -> float:
    steps = params.integers(values).astype(np.float64)
    real = (steps - params.zero_point) * params.scale
    return float(np.mean((real - values) ** 2))
