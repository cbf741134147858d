"""Task metrics by name, and how many budget points one unit of each is worth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Metric:
    """A named score. `points` budget points are lost when it worsens by one unit."""

    name: str
    higher_is_better: bool = True
    points: float = 100.0

    def loss(self, before: float, after: float) -> float:
        """Points lost from `before` to `after`; negative for a gain."""
        worse = before - after if self.higher_is_better else after - before
        return worse * self.points


METRICS = {
    "top1": Metric("top1"),
    "top5": Metric("top5"),
    "auc": Metric("auc"),
    "map50": Metric("map50"),
    "miou": Metric("miou"),
    "mse": Metric("mse", higher_is_better=False, points=1.0),
    "sqnr": Metric("sqnr", points=1.0),
}


def metric_of(spec: Any) -> Metric:
    """The metric that a recipe names: built in, ``model.py:score``, or a described function."""
    if isinstance(spec, str):
        return METRICS.get(spec) or Metric(spec.rpartition(":")[2])
    return Metric(
        spec["function"].rpartition(":")[2], spec["higher_is_better"], float(spec["points"])
    )
