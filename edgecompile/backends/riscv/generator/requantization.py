"""The constants with which an integer kernel turns its 32-bit sums into results."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgecompile.backends.riscv.generator.emission import Emission, Result
from edgecompile.graph.hub import Array
from edgecompile.graph.qdq import TensorParams
from edgecompile.graph.written import Weight

_INT32 = np.iinfo(np.int32)


@dataclass(frozen=True)
class Sums:
    """Biases and scales by output channel; floats have no scales.

    `bias` is int32 at scale s_x * s_w with the input's zero point folded in, or float32.
    """

    bias: Array
    scale: Array | None


def sums_of(x: TensorParams | None, y: TensorParams | None, weight: Weight, real: Array) -> Sums:
    """For a weight whose first axis counts outputs, and a bias of the given real values.

    The scale is s_x * s_w / s_y in float32, in the order in which ONNX Runtime multiplies. What
    int32 cannot hold of a bias is clipped; the hub's weight scales leave room for every bias.
    """
    if weight.scale is None:
        return Sums(real.astype(np.float32), None)
    assert x is not None
    assert y is not None
    outputs = len(weight.data)
    scale = np.broadcast_to(weight.scale.astype(np.float32), outputs)
    step = np.float64(np.float32(x.scale)) * scale.astype(np.float64)
    rounded = np.clip(np.rint(real.astype(np.float64) / step), _INT32.min, _INT32.max)
    columns = weight.data.reshape(outputs, -1).astype(np.int64).sum(1)
    bias = np.clip(rounded.astype(np.int64) - x.zero_point * columns, _INT32.min, _INT32.max)
    return Sums(bias.astype(np.int32), np.float32(x.scale) * scale / np.float32(y.scale))


def requantization(emission: Emission, name: str, sums: Sums, result: Result) -> str:
    """The argument of a kernel that clamps what it stores."""
    from edgecompile.backends.riscv.generator.text import real, structure

    bias = emission.constant(f"{name}_bias", sums.bias)
    if sums.scale is None:
        return f"{bias.name}, {real(result.low)}, {real(result.high)}"
    scale = emission.constant(f"{name}_scale", sums.scale)
    params = result.tensor.params
    assert params is not None
    return structure(
        "requantization",
        {
            "bias": bias.name,
            "scale": scale.name,
            "zero": params.zero_point,
            "low": int(result.low),
            "high": int(result.high),
        },
    )
