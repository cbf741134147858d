"""A quantization scheme: how real numbers become integers. Targets of one scheme share a hub."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from edgecompile.graph.qdq import TensorParams

_SMALLEST_SCALE = 1e-8
"""A tensor that is always zero still needs a positive, normal float32 scale."""


@dataclass(frozen=True)
class QuantScheme:
    """`affine`: any zero point (TFLite, Edge TPU, QNN, RISC-V); `symmetric`: zero point 0
    (TensorRT, Core ML). Weights are symmetric in both."""

    name: Literal["affine", "symmetric"] = "affine"
    per_channel_weights: bool = True
    activation_bits: Literal[8, 16] = 8
    weight_bits: Literal[4, 8] = 8


def params_of_range(low: float, high: float, scheme: QuantScheme) -> TensorParams:
    """Parameters that cover the real range [low, high] widened to hold 0.

    The zero point is the nearest integer, and the scale is float32, as every format stores it.
    """
    low, high = min(low, 0.0), max(high, 0.0)
    if scheme.activation_bits == 16:
        scale = max(-low, high) / 32767
        return TensorParams(float(np.float32(max(scale, _SMALLEST_SCALE))), 0, 16)
    if scheme.name == "symmetric":
        scale = max(-low, high) / 127
        return TensorParams(float(np.float32(max(scale, _SMALLEST_SCALE))), 0)
    scale = float(np.float32(max((high - low) / 255, _SMALLEST_SCALE)))
    return TensorParams(scale, int(np.clip(np.rint(-128 - low / scale), -128, 127)))
