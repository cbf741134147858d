"""A finding is one thing that a check has to say about one node of the model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["error", "warning", "note"]


@dataclass(frozen=True)
class Finding:
    """What rule a node breaks, where it came from in the user's PyTorch, and what to do.

    `module` is the dotted module path (``stage1.conv1``), `source` the user's line
    (``model.py:41``), `reference` the origin of the rule (a vendor page, a kernel's source line).
    """

    level: Level
    rule: str
    message: str
    node: str | None = None
    op_type: str | None = None
    module: str | None = None
    source: str | None = None
    remedy: str | None = None
    reference: str | None = None
