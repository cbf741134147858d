"""What a model may cost on one of NVIDIA's devices, by the published figures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import onnx_ir as ir

from edgecompile.backends.roofline import roofline
from edgecompile.estimate import Estimate
from edgecompile.graph.hub import load
from edgecompile.graph.macs import count_macs
from edgecompile.recipe.target import Target


def estimate(hub: ir.Model, model: Path, target: Target) -> Sequence[Estimate]:
    """The roofline; `model` is the ONNX file whose constants must come from memory."""
    constants = load(model).graph.initializers.values()
    weights = sum(value.const_value.nbytes for value in constants if value.const_value is not None)
    return roofline(count_macs(hub), weights, target.facts)
