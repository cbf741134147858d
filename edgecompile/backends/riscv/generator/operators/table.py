"""How each ONNX operator is written in C, and when it cannot be: the one table.

`check_operators`, `generate` and the documentation all read `OPERATORS`.
"""

from __future__ import annotations

from edgecompile.backends.riscv.generator.operators import (
    activation,
    convolution,
    elementwise,
    matrix,
    moving,
    normalization,
    pooling,
    resizing,
)
from edgecompile.backends.riscv.generator.operators.entry import Operator

OPERATORS: dict[str, Operator] = {
    **convolution.OPERATORS,
    **matrix.OPERATORS,
    **elementwise.OPERATORS,
    **activation.OPERATORS,
    **pooling.OPERATORS,
    **moving.OPERATORS,
    **resizing.OPERATORS,
    **normalization.OPERATORS,
}
