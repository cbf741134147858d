"""Crossing between integers and reals, and between integers of different parameters."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edgecompile.backends.riscv.generator.emission import Emission
from edgecompile.backends.riscv.generator.storage import Tensor
from edgecompile.backends.riscv.generator.text import real
from edgecompile.graph.hub import Array
from edgecompile.graph.qdq import TensorParams


def dequantize(emission: Emission, tensor: Tensor) -> Tensor:
    """The reals of an integer tensor."""
    params = tensor.params
    assert params is not None
    wide = emission.new(f"{tensor.storage.name}.float", tensor.shape, tensor.order, None)
    emission.call(
        f"dequantize_s{params.bits}",
        tensor.read(),
        wide.write(),
        str(tensor.size),
        real(params.scale),
        str(params.zero_point),
    )
    return replace(wide, flattened=tensor.flattened)


def quantize(emission: Emission, tensor: Tensor, name: str, params: TensorParams) -> Tensor:
    """The integers of a float tensor, or of an integer one of other parameters."""
    if tensor.params == params:
        return tensor
    if tensor.params is not None and (tensor.params.bits, params.bits) == (8, 8):
        return _rescale(emission, tensor, name, params)
    if tensor.params is not None:
        tensor = emission.dequantized(tensor)
    result = emission.new(name, tensor.shape, tensor.order, params)
    emission.call(
        f"quantize_s{params.bits}",
        tensor.read(),
        result.write(),
        str(tensor.size),
        real(params.scale),
        str(params.zero_point),
    )
    return replace(result, flattened=tensor.flattened)


def _rescale(emission: Emission, tensor: Tensor, name: str, params: TensorParams) -> Tensor:
    assert tensor.params is not None
    result = emission.new(name, tensor.shape, tensor.order, params)
    reals = all_reals(tensor.params)
    look_up(emission, tensor, result, integers(reals, params))
    return replace(result, flattened=tensor.flattened)


def look_up(emission: Emission, x: Tensor, y: Tensor, table: Array) -> None:
    """y = table[x], 8 bits each."""
    content = emission.constant_pointer(f"{y.storage.name}_table", table)
    emission.call("table_s8", x.read(), y.write(), str(x.size), content, in_place=[(x, y)])


def all_reals(params: TensorParams) -> Array:
    """What the 256 integers stand for, the lowest first, computed as ONNX Runtime does."""
    steps = np.arange(-128, 128) - params.zero_point
    return steps.astype(np.float32) * np.float32(params.scale)


def integers(reals: Array, params: TensorParams) -> Array:
    """QuantizeLinear in float32, as ONNX Runtime computes it."""
    steps = np.rint(np.asarray(reals, np.float32) / np.float32(params.scale))
    limits = np.iinfo(params.dtype)
    clipped = np.clip(steps.astype(np.float64) + params.zero_point, limits.min, limits.max)
    return np.asarray(clipped.astype(params.dtype))
