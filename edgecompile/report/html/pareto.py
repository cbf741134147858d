"""Which targets give the most for what they cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edgecompile.evaluate.metrics import Metric
from edgecompile.report.words import estimate_figures

UNITS = {"size": "kB", "latency": "ms", "energy": "mJ"}
"""Of the costs; an estimate in another unit is not shown among them."""


@dataclass(frozen=True)
class Point:
    """Targets of the same metric and cost. `high` None: the cost is at least `low`.

    `metric` is in the metric's own unit, the cost in kB, ms or mJ; `evidence` is the metric's.
    """

    targets: tuple[str, ...]
    metric: float
    evidence: str
    low: float
    high: float | None

    def words(self, quantity: str) -> str:
        """The cost, and how it is known."""
        if quantity == "size":
            return f"{self.low:,.1f} kB (counted in the file)"
        figures = estimate_figures(self.low, self.high)
        return f"{quantity} {figures} {UNITS[quantity]} (estimate)"


def points_of(
    results: Sequence[Mapping[str, Any]], stages: Sequence[Mapping[str, Any]], quantity: str
) -> list[Point]:
    """One point for all targets that are equal in it; none for a target without the figure."""
    measured = {row["target"]: row for row in stages if row["target"]}
    groups: dict[tuple[float, str, float, float | None], list[str]] = {}
    for result in results:
        cost = _cost(result, quantity)
        row = measured.get(result["target"])
        if cost is None or result["error"] is not None or row is None or row["metric"] is None:
            continue
        groups.setdefault((row["metric"], row["evidence"], *cost), []).append(result["target"])
    return [Point(tuple(names), *key) for key, names in groups.items()]


def _cost(result: Mapping[str, Any], quantity: str) -> tuple[float, float | None] | None:
    if quantity == "size":
        size = result["size_bytes"]
        return None if size is None else (size / 1000, size / 1000)
    found = estimate_of(result["estimates"], quantity)
    return None if found is None else (found["low"], found["high"])


def estimate_of(estimates: Sequence[Mapping[str, Any]], quantity: str) -> Mapping[str, Any] | None:
    """The estimate of that quantity in its unit of `UNITS`, if there is one."""
    wanted = (quantity, UNITS[quantity])
    return next((e for e in estimates if (e["quantity"], e["unit"]) == wanted), None)


def pareto_front(points: Sequence[Point], metric: Metric) -> list[Point]:
    """The points that no other one beats: at least as good in both, better in one. By `low`."""

    def beats(other: Point, point: Point) -> bool:
        loss = metric.loss(point.metric, other.metric)
        at_least = loss <= 0 and other.low <= point.low
        return at_least and (loss < 0 or other.low < point.low)

    return [p for p in points if not any(beats(other, p) for other in points)]
