"""Does a step stay within what the recipe allows it to lose?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edgecompile.evaluate.metrics import Metric

_ROUNDING = 1e-6
"""Points. A budget of 0.0 must not break on the last bit of a float."""


@dataclass(frozen=True)
class Verdict:
    """One budget held against one measurement. `unit` is 'points' or 'dB'."""

    name: str
    allowed: float
    measured: float
    unit: str
    holds: bool


def judge(
    stage: str,
    metric: Metric,
    value: float,
    previous: float | None,
    baseline: float,
    sqnr_db: float | None,
    budgets: Mapping[str, Any],
    agreement: Mapping[str, Any],
) -> list[Verdict]:
    """Hold one stage's metric and output agreement against the recipe.

    `previous` is the metric of the step before, `sqnr_db` the agreement with its outputs (None:
    equal). The total budget is judged at `lower`, the last stage, against the baseline.
    """
    verdicts = []
    allowed = budgets.get(stage)
    if allowed is not None and previous is not None:
        verdicts.append(_loss_verdict(f"budgets.{stage}", allowed, metric.loss(previous, value)))
    total = budgets.get("total")
    if total is not None and stage == "lower":
        verdicts.append(_loss_verdict("budgets.total", total, metric.loss(baseline, value)))
    least = agreement.get(stage)
    if least is not None and sqnr_db is not None:
        verdicts.append(Verdict(f"agreement.{stage}", least, sqnr_db, "dB", sqnr_db >= least))
    return verdicts


def _loss_verdict(name: str, allowed: float, loss: float) -> Verdict:
    return Verdict(name, allowed, round(loss, 4), "points", loss <= allowed + _ROUNDING)


def explain(verdict: Verdict) -> str:
    """One sentence: what was lost and what was allowed."""
    if verdict.unit == "dB":
        return (
            f"the outputs agree to {verdict.measured:g} dB with those of the step before, "
            f"and {verdict.name} demands {verdict.allowed:g} dB"
        )
    change = _change(verdict.measured)
    if verdict.allowed < 0:
        return f"{change}, and {verdict.name} demands a gain of {_points(-verdict.allowed)}"
    return f"{change}, and {verdict.name} allows {_points(verdict.allowed)} to be lost"


def _change(loss: float) -> str:
    if loss == 0:
        return "nothing was gained"
    if loss < 0:
        return f"{_points(-loss)} gained"
    return f"{_points(loss)} lost"


def _points(count: float) -> str:
    return f"{count:g} point" if count == 1 else f"{count:g} points"
