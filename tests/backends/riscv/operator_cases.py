"""The cases of the generator's operators: TFLite's, and those of operators that TFLite has not."""

from __future__ import annotations

from edgecompile.graph.hub import Array
from edgecompile.graph.qdq import WEIGHTED
from tests.formats.tflite.cases import CASES
from tests.formats.tflite.cases.case import Case
from tests.hubs import samples_for

MORE = [
    Case("Erf", "alone", "float[1,4,6] x", "y = Erf(x)", spread=2.0),
    Case("Reciprocal", "alone", "float[1,4,6] x", "y = Reciprocal(x)", positive=True),
    Case("Softplus", "alone", "float[1,4,6] x", "y = Softplus(x)", spread=3.0),
]
"""What TFLite has not."""

ALL = [*CASES, *MORE]
BY_NAME = {f"{kind} {case}": case for case in ALL for kind in ("float", "int8")}

FIRST = list({case.op: case for case in reversed(ALL)}.values())
"""One for each operator."""

EMULATED = [*FIRST, *(case for case in ALL if case.op in WEIGHTED and case not in FIRST)]


def samples_of(case: Case) -> Array:
    return samples_for(case.hub(), 4, spread=case.spread, positive=case.positive)
