"""The plan of a build, as values: steps in order, and which of them measure what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from edgecompile.build.fingerprint import Fingerprint
from edgecompile.build.step import Step
from edgecompile.errors import EdgecompileError

BASELINE = "pytorch"


@dataclass(frozen=True)
class Measurement:
    """Which steps tell what one stage did: `measure` scores the outputs that `run` produced."""

    stage: str
    measure: str
    product: str
    previous: str | None
    target: str | None = None
    judged_from: str | None = None
    """The measure that the budget counts from, where a stage has several steps."""
    judged: bool = True
    """False: only the last of a stage's steps is held against its budget."""


@dataclass(frozen=True)
class Plan:
    """All steps in an order that respects their needs, and the measurements among them."""

    steps: tuple[Step, ...]
    measurements: tuple[Measurement, ...]
    user_code: Fingerprint
    packages: dict[str, str]
    refused: Mapping[str, EdgecompileError] = field(default_factory=dict)
    """Targets that no step is planned for, and why."""

    def measurement_of(self, step: str) -> Measurement | None:
        """The measurement that the step `step` completes."""
        return next((m for m in self.measurements if m.measure == step), None)
