"""One graph around one operator, and how exactly its files must compute it."""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

from edgecompile.formats.tflite.choices import Kernels
from tests.hubs import hub_of


@dataclass(frozen=True)
class Case:
    """`lsb` is how far the int8 file may be from the hub under XNNPACK, `reference_lsb` under the
    reference kernels, whose multipliers are fixed-point numbers of 32 bits rounded twice. More
    than 1 needs a reason beside it. `transposes` counts the TRANSPOSE operators that the file
    cannot do without. `positive` samples are for operators that are defined there only. LiteRT's
    reference kernels are not complete: `in_reference` says that they have the operator."""

    op: str
    name: str
    inputs: str
    body: str
    constants: str = ""
    outputs: str = "float[] y"
    lsb: int = 1
    reference_lsb: int = 1
    transposes: int = 0
    positive: bool = False
    in_reference: bool = True
    spread: float = 1.0

    def __str__(self) -> str:
        return f"{self.op}-{self.name.replace(' ', '-')}"

    def kernels(self) -> dict[Kernels, int]:
        """The kernels that run the file, and how many LSB each may be from the hub."""
        other: Kernels = "reference" if self.in_reference else "builtin"
        return {"xnnpack": self.lsb, other: self.reference_lsb}

    def hub(self) -> ir.Model:
        """The float hub."""
        return hub_of(self.inputs, self.body, self.constants, self.outputs)
