"""Palettized weights: a table of few values, and for each weight the number of its value.

In the hub: ``Gather(table float32, indices uint8 -> Cast int32)``, so that ONNX Runtime executes
the numbers that a device will have.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgecompile.graph.hub import Array, constant


@dataclass(frozen=True)
class PalettizedConstant:
    """real = table[indices]; `table` is float32 of 2^bits values, `indices` uint8."""

    table: Array
    indices: Array

    @property
    def bits(self) -> int:
        """Bits of one index."""
        return int(np.log2(len(self.table)))

    @property
    def real(self) -> Array:
        """The values that the indices stand for, float32."""
        return np.asarray(self.table[self.indices])


def palettized_constant(value: ir.Value | None) -> PalettizedConstant | None:
    """The table and the indices behind a Gather of constants; None for any other tensor."""
    node = None if value is None else value.producer()
    if node is None or node.op_type != "Gather":
        return None
    table, widened = constant(node.inputs[0]), node.inputs[1]
    cast = None if widened is None else widened.producer()
    if table is None or table.ndim != 1 or cast is None or cast.op_type != "Cast":
        return None
    indices = constant(cast.inputs[0])
    if indices is None or indices.dtype != np.uint8:
        return None
    return PalettizedConstant(table, indices)
