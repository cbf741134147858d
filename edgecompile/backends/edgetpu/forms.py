"""The forms in which the Edge TPU takes what TFLite can write in several ways."""

from __future__ import annotations

from edgecompile.formats.tflite.choices import Forms

FORMS = Forms(pixel_convolutions=True, fused_pools=False)
"""FULLY_CONNECTED with a scale per channel is of version 12, and the compiler reads up to 9
(`operator_versions`); pools are mapped without fused activations only (`rules`)."""
