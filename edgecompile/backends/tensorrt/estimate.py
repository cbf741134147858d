"""What a model may cost on one of NVIDIA's devices, by the published figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import onnx_ir as ir

from edgecompile.backends.roofline import COMPUTE, roofline
from edgecompile.estimate import Estimate
from edgecompile.graph.hub import load
from edgecompile.graph.macs import count_macs
from edgecompile.recipe.target import Target

THROTTLED = "throttled_clock"
"""The fact that says which part of its peak clock a device keeps when it is hot, or when its power
mode is lower: the published base clock, or the GPU's clock in a lower mode."""


def estimate(hub: ir.Model, model: Path, target: Target) -> Sequence[Estimate]:
    """The roofline, cold and throttled; `model` is the ONNX file whose constants are read."""
    constants = load(model).graph.initializers.values()
    weights = sum(value.const_value.nbytes for value in constants if value.const_value is not None)
    macs = count_macs(hub)
    found = roofline(macs, weights, target.facts)
    compute, throttled = target.facts.get(COMPUTE), target.facts.get(THROTTLED)
    if compute is None or throttled is None:
        return found
    slower = compute.model_copy(update={"value": float(compute.value) * float(throttled.value)})
    latency = roofline(macs, weights, {**target.facts, COMPUTE: slower})[0]
    model_sentence = f"{latency.model}, the clock at {float(throttled.value):.0%} of its peak"
    hot = replace(
        latency,
        quantity="latency when throttled",
        model=model_sentence,
        sources=(*latency.sources, throttled.source),
    )
    return [found[0], hot, *found[1:]]
