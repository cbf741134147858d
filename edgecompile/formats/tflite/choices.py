"""What the maker or the measurer of a file may choose."""

from __future__ import annotations

from typing import Literal

Border = Literal["int8", "uint8", "float32"]
"""Type of the file's inputs and outputs where the hub quantizes them."""

Kernels = Literal["xnnpack", "builtin", "reference"]
"""The kernels that execute a file: XNNPACK as on phones, LiteRT's own, or its reference."""
