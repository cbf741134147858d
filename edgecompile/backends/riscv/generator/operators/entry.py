"""One entry of the table of operators."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import onnx_ir as ir

from edgecompile.backends.riscv.generator.emission import Emission


def accept(node: ir.Node) -> str | None:
    """The rule of an operator that can always be written."""
    return None


@dataclass(frozen=True)
class Operator:
    """`emit` writes a node; `refuse` says why a node cannot be written, or None.

    `integer`: there is an int8 kernel for it; `wide`: one for int16 activations. Without one it is
    computed in float, between conversions.
    """

    emit: Callable[[Emission, ir.Node], None]
    refuse: Callable[[ir.Node], str | None] = accept
    integer: bool = True
    wide: bool = False

    @property
    def bits(self) -> frozenset[int]:
        """The widths of integer activations that it has kernels for."""
        return frozenset([8] * self.integer + [16] * self.wide)
