"""How many steps: the fewest that hold the budget, judged by the chip's own simulator on samples
that are never evaluated."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from edgecompile.compress.quality import Judge, Quality
from edgecompile.errors import BudgetBroken
from edgecompile.graph.hub import Array

STEPS = (4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128)
"""Tried from the fewest; each run of the simulator gives several."""
_RUNS = ((4, 6, 8, 12, 16, 24, 32), (48, 64), (96, 128))
_SHARE = 0.5
"""Of the budget that the validation samples may lose: other samples may lose more."""
_LEAST_DECIBEL = 15.0
"""Wanted of the outputs where the metric cannot be computed on the validation samples."""


@dataclass(frozen=True)
class Point:
    """What some number of steps loses on the validation samples."""

    steps: int
    lost_points: float | None
    sqnr_db: float | None


@dataclass(frozen=True)
class Choice:
    """The number of steps, and every one that was tried."""

    steps: int
    curve: tuple[Point, ...]
    samples: int

    def account(self) -> dict[str, Any]:
        """Plain values, for a result."""
        return {
            "steps": self.steps,
            "validation_samples": self.samples,
            "accuracy_by_steps": [asdict(point) for point in self.curve],
        }


Outputs = Callable[[Sequence[int]], Mapping[int, Array]]
"""The chip's outputs on the validation samples after each of some numbers of steps."""


def choose_steps(
    outputs: Outputs, judge: Judge, budget: float | None, least_db: float = -math.inf
) -> Choice:
    """The fewest of `STEPS` that lose no more than half of the budget, and whose outputs have an
    SQNR of `least_db`; failing that, that lose no more than all of the budget.

    Without a budget, the fewest that lose nothing; failing that, those that lose least.

    Raises:
        BudgetBroken: none holds the budget.
    """
    allowed = 0.0 if budget is None else budget
    curve: list[Point] = []
    for run in _RUNS:
        for steps, values in sorted(outputs(run).items()):
            quality = judge.quality_of([values])
            curve.append(_point(steps, quality))
            if quality.sqnr_db >= least_db and _holds(quality, allowed * _SHARE):
                return Choice(steps, tuple(curve), len(judge.samples))
    held = [p for p in curve if budget is None or _within(p, budget)]
    if held:
        best = held[0] if budget is not None else min(held, key=_lost)
        return Choice(best.steps, tuple(curve), len(judge.samples))
    tried = ", ".join(f"{p.steps}: {_said(p)}" for p in curve)
    raise BudgetBroken(
        f"no number of steps up to {STEPS[-1]} holds budgets.spike={allowed:g} on the validation "
        f"samples; lost by steps: {tried}",
        remedy="name data.train, so that the network is fine-tuned for spikes (docs/spiking.md), "
        "or change budgets.spike",
    )


def only_choice(steps: int, values: Array, judge: Judge, budget: float | None) -> Choice:
    """The number of steps that a network takes anyway, with its outputs after them.

    Raises:
        BudgetBroken: they lose more than the budget.
    """
    point = _point(steps, judge.quality_of([values]))
    if budget is not None and point.lost_points is not None and not _within(point, budget):
        raise BudgetBroken(
            f"the network loses {point.lost_points:g} points on the validation samples, and "
            f"budgets.spike={budget:g}",
            remedy="name data.train, so that the network is fine-tuned (docs/spiking.md), or "
            "change budgets.spike",
        )
    return Choice(steps, (point,), len(judge.samples))


def _within(point: Point, budget: float) -> bool:
    return point.lost_points is not None and point.lost_points <= budget + 1e-6


def _lost(point: Point) -> float:
    """Points, or where the metric cannot tell, the share of noise in the outputs."""
    if point.lost_points is not None:
        return point.lost_points
    return math.inf if point.sqnr_db is None else 10 ** (-point.sqnr_db / 10)


def _said(point: Point) -> str:
    return f"{point.sqnr_db} dB" if point.lost_points is None else f"{point.lost_points:g}"


def _point(steps: int, quality: Quality) -> Point:
    lost, decibel = quality.lost_points, quality.sqnr_db
    return Point(
        steps,
        None if lost is None else round(lost, 4),
        round(decibel, 2) if math.isfinite(decibel) else None,
    )


def _holds(quality: Quality, allowed: float) -> bool:
    if quality.lost_points is None:
        return quality.sqnr_db >= _LEAST_DECIBEL
    return quality.lost_points <= allowed + 1e-6
