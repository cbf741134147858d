"""What a toolchain will make of a file, told without running the toolchain."""

from __future__ import annotations

from dataclasses import dataclass

from edgecompile.estimate import Estimate
from edgecompile.findings import Finding


@dataclass(frozen=True)
class OperatorFate:
    """Where one operator of a file will run. `status` is in the toolchain's own words, `reason` in
    ours; `source` says how the rule is known."""

    index: int
    operator: str
    status: str
    accelerated: bool
    reason: str | None = None
    source: str | None = None


@dataclass(frozen=True)
class ArtifactCheck:
    """`operators` are in execution order."""

    findings: tuple[Finding, ...]
    operators: tuple[OperatorFate, ...]
    estimates: tuple[Estimate, ...] = ()
