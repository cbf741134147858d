"""Constants in a package's weight.bin.

The file is a header of 64 bytes and then, each on a border of 64 bytes, a record and its data:
``{u32 0xDEADBEEF, u32 type, u64 bytes, u64 offset of the data, u64 bits of padding}`` (coremltools,
mlmodel/src/MILBlob/Blob/StorageFormat.hpp and BlobDataType.hpp). Numbers of fewer than 8 bits lie
one after the other, the lowest bit first.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence

import numpy as np

from edgecompile.errors import UserError
from edgecompile.graph.hub import Array

_RECORD = struct.Struct("<IIQQQ")
_SENTINEL = 0xDEADBEEF

WHOLE: dict[str, type[np.generic]] = {
    "float16": np.float16, "float32": np.float32, "float64": np.float64, "bool": np.bool_,
    "int8": np.int8, "int16": np.int16, "int32": np.int32, "int64": np.int64,
    "uint8": np.uint8, "uint16": np.uint16, "uint32": np.uint32, "uint64": np.uint64,
}  # fmt: skip
"""NumPy's types for MIL's of whole bytes."""

BITS = {"int4": 4, "uint1": 1, "uint2": 2, "uint3": 3, "uint4": 4, "uint6": 6}
"""MIL's types of fewer bits; read as int8 or uint8."""


def read_blob(content: bytes, offset: int, dtype: str, shape: Sequence[int]) -> tuple[Array, int]:
    """A constant whose record is at `offset`, and how many bytes it takes in the file.

    Raises:
        UserError: there is no such record, or it has another size.
    """
    try:
        sentinel, _, size, start, _ = _RECORD.unpack_from(content, offset)
    except struct.error:
        raise UserError("weight.bin is shorter than the model says") from None
    wanted = bytes_of(dtype, shape)
    if sentinel != _SENTINEL or size != wanted or start + size > len(content):
        raise UserError(f"weight.bin holds no {dtype} {list(shape)} at byte {offset}")
    return from_bytes(content[start : start + size], dtype, shape), size


def bytes_of(dtype: str, shape: Sequence[int]) -> int:
    """How many bytes a constant takes.

    Raises:
        UserError: a type that is not read.
    """
    count = math.prod(shape)
    if dtype in WHOLE:
        return count * np.dtype(WHOLE[dtype]).itemsize
    if dtype in BITS:
        return -(-count * BITS[dtype] // 8)
    raise UserError(f"constants of type {dtype} are not read")


def from_bytes(data: bytes, dtype: str, shape: Sequence[int]) -> Array:
    """The constant that `data` holds."""
    if dtype in WHOLE:
        return np.frombuffer(data, WHOLE[dtype]).reshape(shape)
    bits, count = BITS[dtype], math.prod(shape)
    spread = np.unpackbits(np.frombuffer(data, np.uint8), count=count * bits, bitorder="little")
    numbers = np.packbits(spread.reshape(count, bits), axis=1, bitorder="little")[:, 0]
    if not dtype.startswith("u"):
        numbers = ((numbers.astype(np.int16) ^ (1 << bits - 1)) - (1 << bits - 1)).astype(np.int8)
    return numbers.reshape(shape)
