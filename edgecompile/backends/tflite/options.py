"""What a TFLite target may choose."""

from __future__ import annotations

from edgecompile.formats.tflite.choices import Border, Kernels
from edgecompile.recipe.validation import Strict


class TFLiteOptions(Strict):
    """Options of the backend `tflite`."""

    io: Border = "int8"
    """Type of the file's inputs and outputs when the model is quantized."""
    kernels: Kernels = "xnnpack"
    """The kernels that measure the file: XNNPACK as on phones, LiteRT's own, or its reference."""
    operators: list[str] = []
    """The operators that the device's runtime has; empty: all of LiteRT's."""
