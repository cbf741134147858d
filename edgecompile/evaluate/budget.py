"""Does a step stay within what the recipe allows it to lose?"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edgecompile.evaluate.metrics import Metric

_ROUNDING = 1e-6
"""Points. A budget of 0.0 must not break on the last bit of a float."""

_TWO_ROUNDINGS_DB = 10 * math.log10(2)
"""Two errors of equal power that have nothing to do with each other differ by twice that power."""


@dataclass(frozen=True)
class Verdict:
    """One budget held against one measurement. `unit` is 'points' or 'dB'.

    `resolution` is what one sample counts for where not all were run, in points: a loss that is
    larger than allowed by no more than this may be one answer that fell the other way by chance.
    """

    name: str
    allowed: float
    measured: float
    unit: str
    holds: bool
    resolution: float = 0.0


def judge(
    stage: str,
    metric: Metric,
    value: float,
    previous: float | None,
    baseline: float,
    sqnr_db: float | None,
    budgets: Mapping[str, Any],
    agreement: Mapping[str, Any],
    *,
    rounding_db: float | None = None,
    resolution: float = 0.0,
) -> list[Verdict]:
    """Hold one stage's metric and output agreement against the recipe.

    `previous` is the metric of the step before, `sqnr_db` the agreement with its outputs (None:
    equal). The total budget is judged at `lower`, the last stage, against the baseline.
    `rounding_db` is how far quantization left the outputs as they were: an artifact that rounds
    otherwise, and is as near to the network, is not asked to be nearer to the hub.
    """
    verdicts = []
    allowed = budgets.get(stage)
    if allowed is not None and previous is not None:
        loss = metric.loss(previous, value)
        verdicts.append(_loss_verdict(f"budgets.{stage}", allowed, loss, resolution))
    total = budgets.get("total")
    if total is not None and stage == "lower":
        loss = metric.loss(baseline, value)
        verdicts.append(_loss_verdict("budgets.total", total, loss, resolution))
    least = agreement.get(stage)
    if least is not None and sqnr_db is not None:
        if rounding_db is not None and stage == "lower":
            least = min(least, round(rounding_db - _TWO_ROUNDINGS_DB, 2))
        verdicts.append(Verdict(f"agreement.{stage}", least, sqnr_db, "dB", sqnr_db >= least))
    return verdicts


def _loss_verdict(name: str, allowed: float, loss: float, resolution: float) -> Verdict:
    holds = loss <= allowed + resolution + _ROUNDING
    return Verdict(name, allowed, round(loss, 4), "points", holds, round(resolution, 4))


def explain(verdict: Verdict) -> str:
    """One sentence: what was lost and what was allowed."""
    if verdict.unit == "dB":
        return (
            f"the outputs agree to {verdict.measured:g} dB with those of the step before, "
            f"and {verdict.name} demands {verdict.allowed:g} dB"
        )
    change = _change(verdict.measured)
    one = f", where one sample counts for {verdict.resolution:.2g}" if verdict.resolution else ""
    if verdict.allowed < 0:
        return f"{change}, and {verdict.name} demands a gain of {_points(-verdict.allowed)}{one}"
    return f"{change}, and {verdict.name} allows {_points(verdict.allowed)} to be lost{one}"


def _change(loss: float) -> str:
    if loss == 0:
        return "nothing was gained"
    if loss < 0:
        return f"{_points(-loss)} gained"
    return f"{_points(loss)} lost"


def _points(count: float) -> str:
    return f"{count:g} point" if count == 1 else f"{count:g} points"
