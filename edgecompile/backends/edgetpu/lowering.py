"""From a quantized hub to the file that `edgetpu_compiler` takes."""

from __future__ import annotations

import onnx_ir as ir

from edgecompile.formats.tflite.choices import Border, Forms
from edgecompile.formats.tflite.lower import Lowered, lower_with_origins

FORMS = Forms(pixel_convolutions=True, fused_pools=False)
"""FULLY_CONNECTED with a scale per channel is of version 12, and the compiler reads up to 9
(`operator_versions`); pools are mapped without fused activations only (`rules`)."""


def lower_for_edgetpu(hub: ir.Model, border: Border) -> Lowered:
    """The numbers of a `rewritten` hub in the forms that the Edge TPU maps.

    An operator that has no such form stays what it is, and the CPU runs it and what follows.
    """
    return lower_with_origins(hub, border, FORMS)
