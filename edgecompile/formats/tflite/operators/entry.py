"""One entry of the table of operators, and how entries read a node."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import onnx_ir as ir

from edgecompile.formats.tflite.emission import Emission


def accept(node: ir.Node) -> str | None:
    """The rule of an operator that can always be written."""
    return None


@dataclass(frozen=True)
class Operator:
    """`emit` writes a node; `refuse` says why a node cannot be written, or None.

    `integer`: TFLite has an int8 kernel for it; `wide`: one for int16 activations. Without one it
    becomes a float island.
    """

    emit: Callable[[Emission, ir.Node], None]
    refuse: Callable[[ir.Node], str | None] = accept
    integer: bool = True
    wide: bool = False

    @property
    def bits(self) -> frozenset[int]:
        """The widths of integer activations that it has kernels for."""
        return frozenset([8] * self.integer + [16] * self.wide)


def rank_of(value: ir.Value | None) -> int:
    """The rank of a tensor; 0 when it is not known."""
    return 0 if value is None or value.shape is None else len(value.shape)


def auto_pads(node: ir.Node) -> bool:
    """Does the node leave its pads to the runtime?"""
    return node.attributes.get_string("auto_pad", "NOTSET") != "NOTSET"


AUTO_PAD = "auto_pad is not written: give explicit pads, as torch exports them"
"""Why such a node is refused."""


def integers_of(node: ir.Node, name: str, default: Sequence[int]) -> list[int]:
    """An attribute that is a list of integers."""
    return list(node.attributes.get_ints(name, default))
