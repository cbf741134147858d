"""Does a network fit into a device? Asked before anything is compiled."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import onnx_ir as ir

from edgecompile.backends.riscv.program import Block, Border, Program
from edgecompile.errors import TargetCannotRun
from edgecompile.findings import Finding
from edgecompile.graph.hub import shape_of
from edgecompile.graph.provenance import finding_at
from edgecompile.recipe.schema import Precision
from edgecompile.recipe.target import Fact, Target

LEAST_STACK = 2048
"""Bytes; the linker script leaves no less."""
NAMED = 3
"""So many of the largest tensors are named."""
_ELEMENT_BYTES = {"int8": 1, "int16": 2, "float32": 4}
_BYTES: dict[Precision, tuple[int, int]] = {"int8": (1, 1), "a16w8": (2, 1)}
"""Of an activation and of a weight; 4 and 4 in the precisions that compute in float."""
_KEEPS_ITS_INPUT = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})
"""Their result cannot take the place of what they read."""
REMEDY = "make the model smaller (docs/prune.md), its numbers (int8), or choose a larger device"


def require_room(program: Program, target: Target) -> None:
    """Go on only if the constants fit into the flash, and all that is written into the RAM.

    Raises:
        TargetCannotRun: they do not; the largest tensors are named.
    """
    flash, ram = _limit(target.limits, "flash"), _limit(target.limits, "ram")
    constants = sum(block.bytes for block in program.constants)
    if flash is not None and constants > flash:
        raise TargetCannotRun(
            f"the weights take {constants:,} bytes, and {target.name} has {flash:,} bytes of "
            f"flash; the largest: {_named(program.constants)}",
            remedy=REMEDY,
        )
    borders = sum(map(_border_bytes, (*program.inputs, *program.outputs)))
    needed = program.arena + borders + LEAST_STACK
    if ram is not None and needed > ram:
        raise TargetCannotRun(
            f"the network needs {needed:,} bytes of RAM (activations {program.arena:,}, input and "
            f"output {borders:,}, stack at least {LEAST_STACK:,}), and {target.name} has {ram:,}; "
            f"the largest activations: {_named(program.activations)}",
            remedy=REMEDY,
        )


def check_room(hub: ir.Model, target: Target, precision: Precision) -> list[Finding]:
    """What cannot fit however it is arranged: all weights, and the two sides of one operator."""
    activation, weight = _BYTES.get(precision, (4, 4))
    found = []
    flash, ram = _limit(target.limits, "flash"), _limit(target.limits, "ram")
    constants = [
        Block(value.name or "", weight * _elements(value))
        for value in hub.graph.initializers.values()
    ]
    total = sum(block.bytes for block in constants)
    if flash is not None and total > flash:
        found.append(
            finding_at(
                None,
                "error",
                "riscv-flash",
                f"its weights take {total:,} bytes in {precision}, and {target.name} has "
                f"{flash:,} bytes of flash; the largest: {_named(constants)}",
                remedy=REMEDY,
            )
        )
    sizes = [
        (sum(_activations(node, activation)), node)
        for node in hub.graph
        if node.op_type in _KEEPS_ITS_INPUT
    ]
    bytes_needed, largest = max(sizes, key=lambda pair: pair[0], default=(0, None))
    if ram is not None and largest is not None and bytes_needed > ram:
        tensors = ", ".join(
            f"{list(shape_of(value))}" for value in (*largest.inputs[:1], *largest.outputs) if value
        )
        found.append(
            finding_at(
                largest,
                "error",
                "riscv-ram",
                f"its input and output ({tensors}) take {bytes_needed:,} bytes in {precision}, and "
                f"{target.name} has {ram:,} bytes of RAM",
                remedy=REMEDY,
            )
        )
    return found


def _activations(node: ir.Node, element: int) -> Iterable[int]:
    for value in (*node.inputs, *node.outputs):
        if value is not None and not value.is_initializer():
            yield element * _elements(value)


def _elements(value: ir.Value) -> int:
    if value.is_initializer() and value.const_value is not None:
        return int(value.const_value.size)
    return int(np.prod(shape_of(value)))


def _border_bytes(border: Border) -> int:
    return _ELEMENT_BYTES[border.element_type] * int(np.prod(border.shape))


def _limit(limits: Mapping[str, Fact], name: str) -> int | None:
    return int(limits[name].value) if name in limits else None


def _named(blocks: Sequence[Block]) -> str:
    largest = sorted(blocks, key=lambda block: (-block.bytes, block.name))[:NAMED]
    return ", ".join(f"{block.name} {block.bytes:,}" for block in largest)
