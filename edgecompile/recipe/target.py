"""A target: one device, as data. Facts carry their source."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from edgecompile.recipe.schema import Name, Precision, QuantizeStage
from edgecompile.recipe.validation import Strict

Scheme = Literal["affine", "symmetric"]


class Fact(Strict):
    """One figure about a device and where it was read."""

    value: float | int | str
    unit: str = ""
    source: str


class Target(Strict):
    """One device: which toolchain builds for it, and which numbers it can hold."""

    name: Name
    title: str
    backend: Name
    precisions: Annotated[list[Precision], Field(min_length=1)]
    scheme: Scheme = "affine"
    options: dict[str, Any] = {}
    """Options of the backend, checked by the backend."""
    limits: dict[str, Fact] = {}
    """What must fit: `flash`, `ram` in bytes, ..."""
    facts: dict[str, Fact] = {}
    """Published figures (compute, bandwidth, power), for estimates and for the reader."""
    notes: str = ""


def precision_for(stage: QuantizeStage, target: Target) -> Precision:
    """What the target is built in: the recipe's precision, but `spiking` where it holds nothing
    else, so that one recipe serves it and others."""
    return "spiking" if target.precisions == ["spiking"] else stage.precision


def fallback_precisions(stage: QuantizeStage, target: Target) -> list[str]:
    """What single operators may be raised to on the target, the cheapest first."""
    if not stage.fallback:
        return []
    wider = stage.precision in {"int8", "a8w4"} and "a16w8" in target.precisions
    has_float = not {"fp32", "fp16"}.isdisjoint(target.precisions)
    return ["int16"] * wider + ["float"] * has_float
