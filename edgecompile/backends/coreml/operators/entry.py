"""One entry of the table of operators, and how entries read a node."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgecompile.backends.coreml.emission import Emission
from edgecompile.graph.hub import constant

AUTO_PAD = "auto_pad is not written: give explicit pads, as torch exports them"
"""Why such a node is refused."""


def accept(node: ir.Node) -> str | None:
    """The rule of an operator that can always be written."""
    return None


@dataclass(frozen=True)
class Operator:
    """`emit` writes a node; `refuse` says why a node cannot be written, or None."""

    emit: Callable[[Emission, ir.Node], None]
    refuse: Callable[[ir.Node], str | None] = accept


def rank_of(value: ir.Value | None) -> int:
    """The rank of a tensor; 0 when it is not known."""
    return 0 if value is None or value.shape is None else len(value.shape)


def auto_pads(node: ir.Node) -> bool:
    """Does the node leave its pads to the runtime?"""
    return node.attributes.get_string("auto_pad", "NOTSET") != "NOTSET"


def integers_of(node: ir.Node, name: str, default: Sequence[int]) -> list[int]:
    """An attribute that is a list of integers."""
    return list(node.attributes.get_ints(name, default))


def integers_in(node: ir.Node, index: int) -> list[int] | None:
    """A constant input that is a list of integers; None for a missing one."""
    value = node.inputs[index] if len(node.inputs) > index else None
    array = constant(value)
    return None if array is None else [int(number) for number in np.ravel(array)]


def paired(pads: Sequence[int]) -> list[int]:
    """ONNX's pads, all before and then all after, as MIL's: before and after for each axis."""
    half = len(pads) // 2
    return [pad for axis in range(half) for pad in (pads[axis], pads[axis + half])]
