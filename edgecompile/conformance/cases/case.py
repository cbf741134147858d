"""One graph around one operator."""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

from edgecompile.conformance.hubs import hub_of, samples_for
from edgecompile.graph.hub import Array


@dataclass(frozen=True)
class Case:
    """A graph in ONNX text, as `hub_of` reads it. `lsb` is how far an int8 artifact may be from the
    hub: one for each rounding on the way, so that more than 1 needs a reason beside it. `positive`
    samples are for operators that are defined there only; `spread` is their standard deviation."""

    op: str
    name: str
    inputs: str
    body: str
    constants: str = ""
    outputs: str = "float[] y"
    lsb: int = 1
    positive: bool = False
    spread: float = 1.0

    def __str__(self) -> str:
        return f"{self.op}-{self.name.replace(' ', '-')}"

    def hub(self) -> ir.Model:
        """The float hub."""
        return hub_of(self.inputs, self.body, self.constants, self.outputs)

    def samples(self, count: int = 12) -> Array:
        """Random inputs, float32 (count, *shape without batch)."""
        return samples_for(self.hub(), count, spread=self.spread, positive=self.positive)
