"""A rule of TensorRT that a node breaks."""

from __future__ import annotations

from dataclasses import dataclass

from edgecompile.findings import Level


@dataclass(frozen=True)
class Broken:
    """Which rule, in a sentence; a `reference` of its own where it is not the parser's."""

    rule: str
    message: str
    remedy: str | None = None
    level: Level = "error"
    reference: str | None = None
