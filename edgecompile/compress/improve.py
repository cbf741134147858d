"""Better numbers before higher precision: methods in order of cost, each kept only if it helps.

Whether it helps is judged on the calibration samples.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from edgecompile.compress.bias_correction import correct_biases
from edgecompile.compress.decision import Decision, decide, write_hub
from edgecompile.compress.equalize import equalize
from edgecompile.compress.quality import Goal, Judge, Quality
from edgecompile.compress.ranges import least_squares_ranges, observe_channels
from edgecompile.compress.rounding import round_for_outputs
from edgecompile.graph.hub import Array

LEAST_GAIN_DECIBEL = 0.2
"""Less is within what other calibration samples would change."""

_FEW = 64
"""Samples that are enough for means and for the largest value of a channel."""


@dataclass(frozen=True)
class Trial:
    """One method that was tried: the SQNR before and after it, and whether it was kept."""

    method: str
    before_db: float
    after_db: float
    kept: bool


Method = Callable[[Decision, Array], Decision]


def _equalized(decision: Decision, samples: Array) -> Decision:
    few = samples[:_FEW]
    if decision.scheme.per_channel_weights:
        hub = equalize(decision.hub, lambda changed: observe_channels(changed, few))
    else:
        hub = equalize(decision.hub, None)
    return decide(hub, samples, decision.scheme)


def _clipped(decision: Decision, samples: Array) -> Decision:
    best = least_squares_ranges(decision.hub, samples, decision.ranges, decision.scheme)
    return replace(decision, ranges={**decision.ranges, **best})


def _rounded(decision: Decision, samples: Array) -> Decision:
    weights = round_for_outputs(decision.hub, samples, decision.weights)
    return replace(decision, weights=weights)


def _corrected(decision: Decision, samples: Array) -> Decision:
    return correct_biases(decision, samples[:_FEW])


METHODS: dict[str, Method] = {
    "equalize": _equalized,
    "ranges": _clipped,
    "rounding": _rounded,
    "biases": _corrected,
}
"""By name. `equalize` decides anew, so it stands before what works on the numbers of a decision;
`rounding` is the slowest; `biases` come last, to take back what is left."""


def improve(
    decision: Decision,
    samples: Array,
    judge: Judge,
    goal: Goal,
    methods: Sequence[str],
    time_limit: float | None = None,
) -> tuple[Decision, list[Trial]]:
    """Try `methods` in their order until the goal is met.

    `time_limit` in seconds ends the search after the method that is at work: then the result
    depends on the machine.
    """
    started = time.monotonic()
    quality = judge.quality(write_hub(decision))
    trials: list[Trial] = []
    for name in (m for m in METHODS if m in methods):
        late = time_limit is not None and time.monotonic() - started > time_limit
        if late or goal.is_met(quality):
            break
        decision, quality, trial = _attempt(
            name, decision, quality, METHODS[name](decision, samples), judge
        )
        trials.append(trial)
    return decision, trials


@dataclass(frozen=True)
class Tuning:
    """Quantization-aware training, and who judges it: on samples that it has not seen."""

    fine_tune: Callable[[Decision], Decision]
    judge: Callable[[], Judge]


def last_resort(
    decision: Decision, judge: Judge, goal: Goal, tuning: Tuning
) -> tuple[Decision, list[Trial]]:
    """Train if the goal is not met. What was fitted to the calibration samples looks better on
    them than it is, so both are compared on samples that neither has seen."""
    if goal.is_met(judge.quality(write_hub(decision))):
        return decision, []
    fair = tuning.judge()
    before = fair.quality(write_hub(decision))
    decision, _, trial = _attempt("finetune", decision, before, tuning.fine_tune(decision), fair)
    return decision, [trial]


def _attempt(
    name: str, decision: Decision, quality: Quality, candidate: Decision, judge: Judge
) -> tuple[Decision, Quality, Trial]:
    """The better of two decisions, with its quality."""
    found = judge.quality(write_hub(candidate))
    kept = found.sqnr_db >= quality.sqnr_db + LEAST_GAIN_DECIBEL
    trial = Trial(name, round(quality.sqnr_db, 2), round(found.sqnr_db, 2), kept)
    return (candidate, found, trial) if kept else (decision, quality, trial)
