"""Integers and what they stand for: activations, and the stored forms of weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from edgecompile.backends.coreml.interpreter.entry import Function
from edgecompile.graph.hub import Array

Tensor = torch.Tensor

_LIMITS = {"int8": (-128, 127), "uint8": (0, 255)}


def _along(values: Any, rank: int, axis: Any) -> Tensor:
    """One number, or one for each slice of an axis, to be broadcast."""
    tensor = torch.as_tensor(np.asarray(values)).double()
    if tensor.dim() == 0:
        return tensor
    return tensor.reshape([-1 if place == int(axis) % rank else 1 for place in range(rank)])


def quantize(
    input: Tensor, scale: Any, output_dtype: str, zero_point: Any = None, axis: Any = 0
) -> Tensor:
    """``clip(round(input / scale) + zero_point)``, ties to the even integer."""
    steps = torch.round(input / _along(scale, input.dim(), axis))
    if zero_point is not None:
        steps = steps + _along(zero_point, input.dim(), axis)
    return torch.clamp(steps, *_LIMITS[output_dtype])


def dequantize(input: Tensor, scale: Any, zero_point: Any = None, axis: Any = 0) -> Tensor:
    """``(input - zero_point) * scale``."""
    numbers = input.double()
    if zero_point is not None:
        numbers = numbers - _along(zero_point, input.dim(), axis)
    return numbers * _along(scale, input.dim(), axis)


def constexpr_affine_dequantize(
    quantized_data: Array, zero_point: Array, scale: Array, axis: Any
) -> Array:
    """``scale * (data - zero_point)``, one or one per slice of an axis (iOS16)."""
    shape = [1] * quantized_data.ndim
    if np.ndim(scale) or np.ndim(zero_point):
        shape[int(axis)] = -1
    zero = np.asarray(zero_point, np.float32)
    shift = zero.reshape(shape) if zero.ndim else zero
    factor = np.asarray(scale, np.float32)
    factor = factor.reshape(shape) if factor.ndim else factor
    return (quantized_data.astype(np.float32) - shift) * factor


def constexpr_blockwise_shift_scale(
    data: Array, scale: Array, offset: Array | None = None
) -> Array:
    """``scale * (data - offset)``, one for each block (iOS18)."""
    numbers = data.astype(np.float32)
    if offset is not None:
        numbers = numbers - _blocks(offset, data.shape)
    return numbers * _blocks(scale, data.shape)


def _blocks(values: Array, shape: tuple[int, ...]) -> Array:
    """A number for each element, from one for each block."""
    result = np.asarray(values, np.float32)
    for axis, (size, count) in enumerate(zip(shape, values.shape, strict=True)):
        result = np.repeat(result, size // count, axis)
    return result


def constexpr_lut_to_dense(
    indices: Array, lut: Array, shape: Array | None = None, vector_axis: Any = None
) -> Array:
    """A table's values: packed indices and one table (iOS16), or a table for each block (iOS18)."""
    if shape is not None:
        sizes = [int(size) for size in shape]
        bits, count = int(np.log2(len(lut))), int(np.prod(sizes))
        return np.asarray(lut[_unpacked(indices, bits, count)]).reshape(sizes)
    rank = indices.ndim
    groups, (entries, width) = lut.shape[:rank], lut.shape[rank:]
    places = np.zeros(indices.shape, np.int64)
    for axis in range(rank):  # which group each element belongs to
        steps = np.arange(indices.shape[axis]) // (indices.shape[axis] // groups[axis])
        steps = steps.reshape([-1 if place == axis else 1 for place in range(rank)])
        places = places * groups[axis] + steps
    found = lut.reshape(-1, entries, width)[places, indices]
    if width == 1:
        return np.asarray(found[..., 0])
    axis = int(vector_axis) % rank
    moved = np.moveaxis(found, -1, axis + 1)
    sizes = [size * (width if place == axis else 1) for place, size in enumerate(indices.shape)]
    return moved.reshape(sizes)


def constexpr_sparse_to_dense(
    nonzero_data: Array, mask: Array, shape: Array | None = None
) -> Array:
    """Zeros, and where the mask has a 1 the next of the stored values."""
    if shape is not None:
        sizes = [int(size) for size in shape]
        mask = _unpacked(mask, 1, int(np.prod(sizes))).reshape(sizes)
    dense = np.zeros(mask.shape, nonzero_data.dtype)
    dense[mask != 0] = nonzero_data
    return dense


def constexpr_sparse_blockwise_shift_scale(
    data_mask: Array, nonzero_data: Array, scale: Array, offset: Array | None = None
) -> tuple[Array, Array]:
    """The mask, and ``scale * (data - offset)`` of the stored values (iOS18)."""
    dense = constexpr_sparse_to_dense(nonzero_data, data_mask)
    real = constexpr_blockwise_shift_scale(dense, scale, offset)
    return data_mask, real[data_mask != 0]


def constexpr_lut_to_sparse(
    indices_mask: Array, indices_nonzero_data: Array, lut: Array, vector_axis: Any = None
) -> tuple[Array, Array]:
    """The mask, and a table's values of the stored indices (iOS18)."""
    dense = constexpr_sparse_to_dense(indices_nonzero_data, indices_mask)
    real = constexpr_lut_to_dense(dense, lut, None, vector_axis)
    return indices_mask, real[indices_mask != 0]


def constexpr_cast(source_val: Array, output_dtype: str) -> Array:
    """float16 as float32."""
    return source_val.astype(np.float32)


def _unpacked(data: Array, bits: int, count: int) -> Array:
    spread = np.unpackbits(data, count=count * bits, bitorder="little").reshape(count, bits)
    return np.packbits(spread, axis=1, bitorder="little")[:, 0]


OPERATORS: dict[str, Function] = {"quantize": quantize, "dequantize": dequantize}

CONSTANTS: dict[str, Function] = {
    "constexpr_affine_dequantize": constexpr_affine_dequantize,
    "constexpr_blockwise_shift_scale": constexpr_blockwise_shift_scale,
    "constexpr_cast": constexpr_cast,
    "constexpr_lut_to_dense": constexpr_lut_to_dense,
    "constexpr_lut_to_sparse": constexpr_lut_to_sparse,
    "constexpr_sparse_blockwise_shift_scale": constexpr_sparse_blockwise_shift_scale,
    "constexpr_sparse_to_dense": constexpr_sparse_to_dense,
}
"""Computed once, when the program is loaded: NumPy arrays in, NumPy arrays out."""
