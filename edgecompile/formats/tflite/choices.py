"""What the maker or the measurer of a file may choose."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Border = Literal["int8", "uint8", "float32"]
"""Type of the file's inputs and outputs where the hub quantizes them."""

Kernels = Literal["xnnpack", "builtin", "reference"]
"""The kernels that execute a file: XNNPACK as on phones, LiteRT's own, or its reference."""


@dataclass(frozen=True)
class Forms:
    """Which of several forms with one meaning are written.

    `pixel_convolutions`: an int8 matrix product that FULLY_CONNECTED of old runtimes cannot compute
    (a scale per channel, or several rows) is a CONV_2D whose filter sees one pixel.
    `fused_pools`: a pool carries the clamp behind it.
    """

    pixel_convolutions: bool = False
    fused_pools: bool = True
