"""What became better, what became worse, and whether that much is allowed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from edgecompile.errors import UserError
from edgecompile.evaluate.metrics import Metric
from edgecompile.findings import Finding
from edgecompile.report.comparison.read import Built

UNITS = {"total": "points", "size": "%", "agreement": "dB", "findings": "warnings"}
"""What may be allowed to get worse, and in which unit."""
_ROUNDING = 1e-6


@dataclass(frozen=True)
class Change:
    """One figure of a target before and after. `worse` is by how much it got worse, in the unit of
    `UNITS`, negative where it got better; `allowed` None: any of it is."""

    name: str
    old: float | None
    new: float | None
    worse: float | None
    allowed: float | None

    @property
    def holds(self) -> bool:
        """Is it no worse than allowed? What is not known on one side is not judged."""
        if self.worse is None or self.allowed is None:
            return True
        return self.worse <= self.allowed + _ROUNDING


@dataclass(frozen=True)
class Comparison:
    """One target of both builds, or of one of them."""

    model: str
    target: str
    state: str
    """``both``, ``only old``, ``only new``, ``not built any more``, ``built now``, ``neither``."""
    metric: Metric
    changes: tuple[Change, ...] = ()
    evidence: tuple[str, str] = ("not measured", "not measured")
    remarks: tuple[str, ...] = ()
    """What makes the figures hard to compare."""
    appeared: tuple[Finding, ...] = ()
    went: tuple[Finding, ...] = ()
    error: str | None = None

    @property
    def broken(self) -> list[str]:
        """Sentences about what is worse than allowed."""
        sentences = [
            f"{change.name} got worse by {change.worse:g} {UNITS[change.name]}, and "
            f"{change.allowed:g} are allowed"
            for change in self.changes
            if not change.holds
        ]
        if self.state == "not built any more":
            sentences.append("it is not built any more")
        return sentences

    def as_json(self) -> dict[str, Any]:
        """Plain data; an infinite agreement (the outputs are equal) is None."""
        body = asdict(self)
        body["changes"] = {
            change.name: {
                "old": _finite(change.old),
                "new": _finite(change.new),
                "worse": _finite(change.worse),
                "allowed": change.allowed,
                "unit": UNITS[change.name],
                "holds": change.holds,
            }
            for change in self.changes
        }
        return {**body, "broken": self.broken}


def allowances(written: Sequence[str]) -> dict[str, float]:
    """``total=0.5`` and the like, as numbers by name.

    Raises:
        UserError: not of that form, or nothing that can be allowed.
    """
    found = {}
    for text in written:
        name, separator, number = text.partition("=")
        try:
            value = float(number)
        except ValueError:
            value = math.nan
        if not separator or name not in UNITS or not math.isfinite(value):
            known = ", ".join(f"{key} ({unit})" for key, unit in UNITS.items())
            raise UserError(
                f"--allow {text} is not of the form NAME=NUMBER", remedy=f"names are: {known}"
            )
        found[name] = value
    return found


def compare_builds(
    old: Mapping[tuple[str, str], Built],
    new: Mapping[tuple[str, str], Built],
    allowed: Mapping[str, float],
) -> list[Comparison]:
    """All targets of both, in the order of the new build and then of the old one.

    Raises:
        UserError: no target is in both.
    """
    if not old.keys() & new.keys():
        names = ["; ".join(f"{m} on {t}" for m, t in keys) for keys in (old, new)]
        raise UserError(
            f"the two builds share no target: {names[0]} before, {names[1]} now",
            remedy="name two builds of the same model",
        )
    keys = dict.fromkeys([*new, *old])
    return [_compare(old.get(key), new.get(key), allowed) for key in keys]


def _compare(old: Built | None, new: Built | None, allowed: Mapping[str, float]) -> Comparison:
    some = new or old
    assert some is not None
    state = _state(old, new)
    error = new.error if new is not None else None
    if old is None or new is None:
        return Comparison(some.model, some.target, state, some.metric, error=error)
    before, after = _by_place(old.findings), _by_place(new.findings)
    appeared = tuple(found for place, found in after.items() if place not in before)
    return Comparison(
        new.model,
        new.target,
        state,
        new.metric,
        tuple(_changes(old, new, appeared, allowed)),
        (old.evidence, new.evidence),
        tuple(_remarks(old, new)),
        appeared,
        tuple(found for place, found in before.items() if place not in after),
        error,
    )


def _state(old: Built | None, new: Built | None) -> str:
    if new is None:
        return "only old"
    if old is None:
        return "only new"
    states = {(True, True): "both", (True, False): "not built any more", (False, True): "built now"}
    return states.get((old.error is None, new.error is None), "neither")


def _changes(
    old: Built, new: Built, appeared: Sequence[Finding], allowed: Mapping[str, float]
) -> list[Change]:
    budget = None if new.budget is None else max(0.0, new.budget)
    loss = None
    if old.value is not None and new.value is not None and old.metric == new.metric:
        loss = round(new.metric.loss(old.value, new.value), 4) + 0.0
    growth = None
    if old.size_bytes and new.size_bytes is not None:
        growth = round(100 * (new.size_bytes / old.size_bytes - 1), 2) + 0.0
    warnings = sum(finding.level == "warning" for finding in appeared)
    return [
        Change("total", old.value, new.value, loss, allowed.get("total", budget)),
        Change("size", old.size_bytes, new.size_bytes, growth, allowed.get("size")),
        Change(
            "agreement",
            old.sqnr_db,
            new.sqnr_db,
            _drop(old.sqnr_db, new.sqnr_db),
            allowed.get("agreement"),
        ),
        Change("findings", None, None, float(warnings), allowed.get("findings")),
    ]


def _drop(old: float | None, new: float | None) -> float | None:
    """How many dB were lost; outputs that were equal and are not have lost without end."""
    if old is None or new is None:
        return None
    return 0.0 if old == new else round(old - new, 2)


def _remarks(old: Built, new: Built) -> list[str]:
    remarks = []
    if old.metric != new.metric:
        remarks.append(f"another metric: {old.metric.name} before, {new.metric.name} now")
    if old.samples != new.samples and old.samples is not None and new.samples is not None:
        remarks.append(f"measured on {new.samples:,} samples, on {old.samples:,} before")
    elif old.data is not None and new.data is not None and old.data != new.data:
        remarks.append("measured on other evaluation data")
    if old.evidence != new.evidence:
        remarks.append(f"evidence: {old.evidence} before, {new.evidence} now")
    return remarks


def _by_place(findings: Sequence[Finding]) -> dict[tuple[str, str], Finding]:
    """By what stays the same when lines move and figures in a message change."""
    return {(f.rule, f.module or f.node or f.message): f for f in findings}


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
