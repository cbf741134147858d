"""What a Coral target may choose."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from edgecompile.formats.tflite.choices import Kernels
from edgecompile.recipe.validation import Strict


class EdgeTpuOptions(Strict):
    """Options of the backend `edgetpu`."""

    io: Literal["int8", "uint8"] = "int8"
    """Type of the file's inputs and outputs: the compiler maps no float tensor."""
    kernels: Kernels = "xnnpack"
    """The LiteRT kernels that measure the uncompiled file on this CPU."""
    runtime: Annotated[int, Field(ge=10, le=14)] = 14
    """Version of the Edge TPU runtime on the device: older ones know fewer operators."""
