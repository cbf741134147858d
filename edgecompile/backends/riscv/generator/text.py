"""Numbers and names as C text."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np

from edgecompile.graph.hub import Array

LARGEST_FLOAT = float(np.finfo(np.float32).max)

_TYPES = {
    np.dtype(np.int8): "int8_t",
    np.dtype(np.int16): "int16_t",
    np.dtype(np.uint8): "uint8_t",
    np.dtype(np.uint16): "uint16_t",
    np.dtype(np.int32): "int32_t",
    np.dtype(np.int64): "int64_t",
    np.dtype(np.float32): "float",
}


def c_type(dtype: np.dtype[np.generic] | type) -> str:
    """The C99 type of an array's elements."""
    return _TYPES[np.dtype(dtype)]


def real(value: float) -> str:
    """A float32 literal that reads back as the same number; infinities as the largest number."""
    number = np.float32(value)
    if not np.isfinite(number):
        number = np.float32(np.copysign(LARGEST_FLOAT, value))
    text = f"{number:.9g}"
    return (text if "." in text or "e" in text else text + ".0") + "f"


def identifier(text: str) -> str:
    """A name of the hub as part of a C identifier."""
    return re.sub(r"\W+", "_", text).strip("_") or "unnamed"


def comment(text: str) -> str:
    """A line comment's text, which cannot end the comment."""
    return text.replace("*/", "* /").replace("\n", " ")


def literals(array: Array) -> str:
    """The elements of an array, twenty to a line."""
    flat = np.ravel(array)
    if flat.dtype == np.float32:
        words = [real(value) for value in flat.tolist()]
    elif flat.dtype == np.int64:
        words = [f"INT64_C({value})" for value in flat.tolist()]
    elif flat.dtype == np.int32:
        lowest = int(np.iinfo(np.int32).min)
        words = ["INT32_MIN" if value == lowest else str(value) for value in flat.tolist()]
    else:
        words = [str(value) for value in flat.tolist()]
    lines = [", ".join(words[start : start + 20]) for start in range(0, len(words), 20)]
    return ",\n    ".join(lines)


def structure(name: str, fields: Mapping[str, object]) -> str:
    """A pointer to a constant structure, written where it is used."""
    listed = ", ".join(f".{key} = {_field(value)}" for key, value in fields.items())
    return f"&(const struct {name}){{{listed}}}"


def _field(value: object) -> str:
    if isinstance(value, float):
        return real(value)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "{" + ", ".join(_field(one) for one in value) + "}"
    return str(value)
