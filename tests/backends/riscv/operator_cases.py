"""Which cases are emulated, and samples for them: few, since each is computed by QEMU."""

from __future__ import annotations

from edgecompile.conformance.cases import CASES, FIRST
from edgecompile.conformance.cases.case import Case
from edgecompile.graph.hub import Array
from edgecompile.graph.qdq import WEIGHTED

BY_NAME = {f"{kind} {case}": case for case in CASES for kind in ("float", "int8")}

EMULATED = [*FIRST, *(case for case in CASES if case.op in WEIGHTED and case not in FIRST)]


def samples_of(case: Case) -> Array:
    return case.samples(4)
