"""The constant operands of convolutions and matrix products: weights and biases."""

from __future__ import annotations

from typing import Literal

import numpy as np

from edgecompile.formats.tflite.emission import Emission, Tensor
from edgecompile.formats.tflite.flatbuffer import Quantization
from edgecompile.graph.hub import Array
from edgecompile.graph.written import Weight

_INT32 = np.iinfo(np.int32)

Kind = Literal["integer", "wide", "hybrid", "float"]


def kernel_kind(x: Tensor, weight: Weight) -> Kind:
    """Which kernel multiplies `x` and `weight`: `wide` has int16 activations and int8 weights;
    `hybrid` has float activations, int8 weights, and quantizes its activations as they come
    (TFLite's dynamic range)."""
    if weight.scale is None:
        return "float"
    if x.params is None:
        return "hybrid"
    return "integer" if x.params.bits == 8 else "wide"


def weight_tensor(emission: Emission, name: str, data: Array, weight: Weight, axis: int) -> int:
    """A weight in TFLite's layout; `axis` of `data` counts its output channels."""
    if weight.scale is None:
        return emission.constant(name, data, None)
    zeros = np.zeros(np.size(weight.scale), np.int64)
    quantization = Quantization(weight.scale, zeros, axis if weight.scale.ndim else 0)
    return emission.writer.tensor(name, data.shape, np.int8, quantization, data)


def bias_tensor(emission: Emission, name: str, real: Array, x: Tensor, weight: Weight) -> int:
    """A bias of the given real values: int32 at scale s_x * s_w for an integer kernel, int64 where
    its activations are int16 (tensorflow/lite/kernels/conv.cc, Prepare), else float.

    What int32 cannot hold is clipped; the hub's weight scales leave room for every bias.
    """
    if weight.scale is None or x.params is None:
        return emission.constant(name, real, None)
    scale = np.float64(np.float32(x.params.scale)) * weight.scale.astype(np.float64)
    steps = np.rint(real.astype(np.float64) / scale)
    fitting = np.clip(steps, _INT32.min, _INT32.max)
    quantization = Quantization(scale, np.zeros(np.size(scale), np.int64))
    dtype = np.int32 if x.params.bits == 8 else np.int64
    return emission.writer.tensor(name, real.shape, dtype, quantization, fitting)
