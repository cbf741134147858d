"""What a RISC-V target cannot do with a float hub, said before anything slow."""

from __future__ import annotations

import onnx_ir as ir

from edgecompile.backends.riscv.generator.check import check_operators
from edgecompile.backends.riscv.memory import check_room
from edgecompile.findings import Finding
from edgecompile.recipe.schema import Precision
from edgecompile.recipe.target import Target


def check_hub(hub: ir.Model, target: Target, precision: Precision) -> list[Finding]:
    """Operators without C, then what has no room."""
    return [*check_operators(hub), *check_room(hub, target, precision)]
