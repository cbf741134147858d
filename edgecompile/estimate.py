"""An estimate is a figure computed from a model of a device: never a measurement."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Estimate:
    """A quantity between `low` and `high`, in `unit`; `high` None: at least `low`.

    `model` says in a sentence how it was computed, `sources` where its figures were read.
    """

    quantity: str
    low: float
    high: float | None
    unit: str
    model: str
    sources: tuple[str, ...] = ()
