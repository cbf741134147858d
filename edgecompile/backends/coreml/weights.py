"""The forms in which an ML Program stores a constant weight.

iOS16 and iOS17 have `constexpr_affine_dequantize`, `constexpr_lut_to_dense` with packed indices and
`constexpr_sparse_to_dense` with a packed mask; iOS18 has new ones with types of few bits, and a
sparse form of integers (coremltools, mil/ops/defs/iOS16/constexpr_ops.py, iOS18/compression.py).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from edgecompile.graph.hub import Array

LEAST_ZEROS = 0.5
"""Share of zeros from which a weight is stored sparse; the default of coremltools' own
OpThresholdPrunerConfig.minimum_sparsity_percentile."""

SUB_BYTE, SPARSE_INTEGERS = 18, 18
"""Deployments that have weights of 4 bits, and sparse weights that are integers."""


def is_sparse(data: Array) -> bool:
    """Is the weight stored without its zeros?"""
    return data.size > 0 and float(np.mean(data == 0)) >= LEAST_ZEROS


def quantized_weight(
    mb: Any, opset: int, name: str, data: Array, scale: Array, zero: Array, axis: int | None
) -> Any:
    """Integers (int8; int4 from iOS18 on) and their scales, one or one per slice of `axis`."""
    data = np.ascontiguousarray(data)
    if opset < SPARSE_INTEGERS:
        count = np.ndim(scale)
        return mb.constexpr_affine_dequantize(
            quantized_data=data,
            scale=scale,
            zero_point=np.zeros(np.shape(scale), np.int8)[()] if count else np.int8(zero),
            axis=np.int32(axis or 0),
            name=name,
        )
    shape = [1] * data.ndim
    if axis is not None:
        shape[axis] = -1
    zero = zero.astype(np.int8)
    scale = np.reshape(scale, shape)
    if data.dtype != np.int8:
        data = data.astype(np.int8).astype(_little("int4"))
    elif is_sparse(data) and not np.any(zero):
        mask = (data != 0).astype(_little("uint1"))
        mask, nonzero = mb.constexpr_sparse_blockwise_shift_scale(
            data_mask=mask, nonzero_data=data[data != 0], scale=scale
        )
        return mb.constexpr_sparse_to_dense(nonzero_data=nonzero, mask=mask, name=name)
    offset = {"offset": np.reshape(zero, shape).astype(data.dtype)} if np.any(zero) else {}
    return mb.constexpr_blockwise_shift_scale(data=data, scale=scale, **offset, name=name)


def lut_weight(mb: Any, opset: int, name: str, indices: Array, table: Array) -> Any:
    """Indices of 1, 2, 4, 6 or 8 bits into one table for the whole weight."""
    bits = int(np.log2(len(table)))
    indices = np.ascontiguousarray(indices)
    if opset < SUB_BYTE:
        return mb.constexpr_lut_to_dense(
            indices=_packed(indices.ravel(), bits),
            lut=table,
            shape=np.array(indices.shape, np.uint32),
            name=name,
        )
    return mb.constexpr_lut_to_dense(
        indices=indices.astype(_little(f"uint{bits}")),
        lut=table.reshape([1] * indices.ndim + [len(table), 1]),
        name=name,
    )


def dense_weight(mb: Any, opset: int, name: str, values: Array) -> Any:
    """Floats; without their zeros where these are many."""
    values = np.ascontiguousarray(values)
    if not is_sparse(values):
        return mb.const(val=values, name=name)
    nonzero, mask = values[values != 0], values != 0
    if opset < SUB_BYTE:
        return mb.constexpr_sparse_to_dense(
            nonzero_data=nonzero,
            mask=_packed(mask.ravel().astype(np.uint8), 1),
            shape=np.array(values.shape, np.uint32),
            name=name,
        )
    return mb.constexpr_sparse_to_dense(
        nonzero_data=nonzero, mask=mask.astype(_little("uint1")), name=name
    )


def _packed(numbers: Array, bits: int) -> Array:
    """Numbers of few bits one after the other, the lowest bit first, as bytes."""
    spread = np.unpackbits(numbers[:, None], axis=1, count=bits, bitorder="little")
    return np.packbits(spread.ravel(), bitorder="little")


def _little(name: str) -> Any:
    """coremltools' NumPy type for integers of fewer than 8 bits."""
    from coremltools.converters.mil.mil import types

    return types.nptype_from_builtin(getattr(types, name))
