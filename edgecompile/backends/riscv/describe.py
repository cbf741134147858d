"""What a program says of itself: written into `model.elf`, read back from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from edgecompile.backends.riscv.elf import FORMAT
from edgecompile.backends.riscv.options import RiscvOptions
from edgecompile.backends.riscv.program import Border, Program
from edgecompile.inspection import TensorFacts


def describe(program: Program, options: RiscvOptions) -> dict[str, Any]:
    """Borders and sizes of `program` as plain data, and what it was compiled for."""
    return {
        "format": FORMAT,
        "isa": options.isa,
        "environment": options.environment,
        "vlen": options.vlen,
        "inputs": [asdict(border) for border in program.inputs],
        "outputs": [asdict(border) for border in program.outputs],
        "arena": program.arena,
        "constants": sum(block.bytes for block in program.constants),
        "macs": program.macs,
    }


def borders(description: Mapping[str, Any], side: str) -> tuple[Border, ...]:
    """The `inputs` or `outputs` of a description."""
    return tuple(
        Border(
            **{**fields, "shape": tuple(fields["shape"]), "transpose": tuple(fields["transpose"])}
        )
        for fields in description[side]
    )


def tensor_facts(border: Border) -> TensorFacts:
    """The same in the words of every format; the batch dimension is 1."""
    return TensorFacts(
        border.name,
        (1, *border.shape),
        border.element_type,
        () if border.scale is None else (border.scale,),
        () if border.zero_point is None else (border.zero_point,),
    )
