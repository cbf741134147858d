"""How good a quantized hub is, judged on calibration samples: the evaluation data stay unseen."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx_ir as ir

from edgecompile.errors import UserError
from edgecompile.evaluate.agreement import compare
from edgecompile.evaluate.metrics import metric_of
from edgecompile.evaluate.scoring import score
from edgecompile.evaluate.session import run_onnx
from edgecompile.graph.hub import Array, serialize

ENOUGH_DECIBEL = 20.0
"""Centred SQNR of the outputs below which a network is not left alone, whatever its metric: a
hundredth of the outputs' variance is noise."""


@dataclass(frozen=True)
class Quality:
    """`sqnr_db` of the outputs against the float hub's (infinite when equal), and the points of
    the metric that are lost on the same samples; None where they have no labels to tell."""

    sqnr_db: float
    lost_points: float | None


class Judge:
    """Holds the float hub's outputs on the calibration samples, computed once."""

    def __init__(
        self, hub: ir.Model, samples: Array, labels: Array, metric: Any, recipe_folder: Path
    ) -> None:
        self.samples, self._labels = samples, labels
        self._metric, self._folder = metric, recipe_folder
        self._reference = run_onnx(serialize(hub), samples)
        self._reference_score = self._score(self._reference)

    def quality(self, hub: ir.Model) -> Quality:
        """Run a hub on the samples, every node as its graph says."""
        return self.quality_of(run_onnx(serialize(hub), self.samples))

    def quality_of(self, outputs: Sequence[Array]) -> Quality:
        """The quality of outputs on the samples."""
        decibel = compare(self._reference, outputs).sqnr_db
        value = self._score(outputs)
        lost = None
        if value is not None and self._reference_score is not None:
            lost = metric_of(self._metric).loss(self._reference_score, value)
        return Quality(math.inf if decibel is None else decibel, lost)

    def _score(self, outputs: Sequence[Array]) -> float | None:
        try:
            return score(self._metric, outputs, self._labels, self.samples, self._folder)
        except UserError:
            # Calibration data may lack what the metric needs: anomalies, say, for an AUC.
            return None


@dataclass(frozen=True)
class Goal:
    """What the recipe asks of the quantize stage: points that may be lost, and the least SQNR of
    its outputs; None: any."""

    budget: float | None = None
    least_db: float | None = None

    def is_met(self, quality: Quality) -> bool:
        """Does the quality promise to hold it on other samples as well?"""
        if quality.sqnr_db < max(ENOUGH_DECIBEL, self.least_db or 0.0):
            return False
        if self.budget is None or quality.lost_points is None:
            return True
        return quality.lost_points <= self.budget
