"""One entry of the table of operators."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import onnx_ir as ir

from edgecompile.backends.coreml.emission import Emission


def accept(node: ir.Node) -> str | None:
    """The rule of an operator that can always be written."""
    return None


@dataclass(frozen=True)
class Operator:
    """`emit` writes a node; `refuse` says why a node cannot be written, or None."""

    emit: Callable[[Emission, ir.Node], None]
    refuse: Callable[[ir.Node], str | None] = accept


def paired(pads: Sequence[int]) -> list[int]:
    """ONNX's pads, all before and then all after, as MIL's: before and after for each axis."""
    half = len(pads) // 2
    return [pad for axis in range(half) for pad in (pads[axis], pads[axis + half])]
