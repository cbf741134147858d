"""Between a model's float samples and the bytes that `model_run` takes and gives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from edgecompile.backends.riscv.program import Border, ElementType
from edgecompile.evaluate.outputs import Array

_TYPES: dict[ElementType, np.dtype[Any]] = {
    "int8": np.dtype("<i1"),
    "int16": np.dtype("<i2"),
    "float32": np.dtype("<f4"),
}


def to_bytes(border: Border, samples: Array) -> bytes:
    """float32 `samples` (samples, *shape in the model's layout) as C takes them, one by one.

    Quantized as QuantizeLinear does (https://onnx.ai/onnx/operators/onnx__QuantizeLinear.html):
    divided in float32, rounded to nearest, ties to even, saturated.
    """
    if border.transpose:
        samples = samples.transpose(0, *(axis + 1 for axis in border.transpose))
    dtype = _TYPES[border.element_type]
    if border.scale is None:
        return np.ascontiguousarray(samples, dtype).tobytes()
    limits = np.iinfo(dtype)
    steps = np.rint(samples / np.float32(border.scale)) + np.float32(border.zero_point or 0)
    return np.clip(steps, limits.min, limits.max).astype(dtype).tobytes()


def from_bytes(borders: Sequence[Border], content: bytes, samples: int) -> list[Array]:
    """What C wrote for `samples` samples, all outputs of one after the other -> float32 arrays
    (samples, *shape in the model's layout).

    Raises:
        ValueError: these are not the bytes of so many samples.
    """
    record = np.dtype(
        [(str(i), _TYPES[b.element_type], tuple(b.shape)) for i, b in enumerate(borders)]
    )
    if len(content) != samples * record.itemsize:
        raise ValueError(f"{len(content)} bytes, {samples * record.itemsize} were expected")
    found = np.frombuffer(content, record)
    return [_dequantized(border, found[str(i)]) for i, border in enumerate(borders)]


def _dequantized(border: Border, values: Array) -> Array:
    floats: Array = values.astype(np.float32)
    if border.scale is not None:
        floats = (floats - np.float32(border.zero_point or 0)) * np.float32(border.scale)
    if border.transpose:
        back = np.argsort(border.transpose)
        floats = floats.transpose(0, *(int(axis) + 1 for axis in back))
    return np.ascontiguousarray(floats)
