"""What the quantization of each operator costs."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import onnx_ir as ir

from edgecompile.compress.decision import Decision
from edgecompile.compress.groups import fused_clamp, quantized_name
from edgecompile.compress.quality import Judge
from edgecompile.compress.switches import SwitchedHub
from edgecompile.graph.provenance import provenance
from edgecompile.graph.qdq import SAME_SCALE


@dataclass(frozen=True)
class Sensitivity:
    """One operator: the SQNR, and the points lost, when only it is quantized."""

    node: str
    op_type: str
    module: str | None
    source: str | None
    sqnr_db: float | None
    lost_points: float | None


def measure_sensitivity(decision: Decision, judge: Judge) -> list[Sensitivity]:
    """Every operator that is quantized, the most sensitive first. One session answers for all."""
    switched = SwitchedHub(decision)
    rows = []
    for node in operators_of(decision.hub):
        own = _switches_of(node) & set(switched.names)
        if not own or node.op_type in SAME_SCALE:
            continue  # what only moves values adds no error of its own
        quality = judge.quality_of(switched.run(judge.samples, own))
        finite = math.isfinite(quality.sqnr_db)
        decibel = round(quality.sqnr_db, 2) if finite else None
        lost = None if quality.lost_points is None else round(quality.lost_points, 4)
        rows.append(Sensitivity(*identity_of(node), decibel, lost))
    return sorted(rows, key=lambda row: math.inf if row.sqnr_db is None else row.sqnr_db)


def operators_of(hub: ir.Model) -> Iterable[ir.Node]:
    """The nodes of a float hub but for constants and clamps that another operator carries."""
    carried = {
        clamp.name
        for node in hub.graph
        for output in node.outputs
        if (clamp := fused_clamp(output)) is not None
    }
    return [n for n in hub.graph if n.op_type != "Constant" and n.name not in carried]


def _switches_of(node: ir.Node) -> set[str]:
    return {f"weight:{node.name}", f"tensor:{quantized_name(node)}"}


def identity_of(node: ir.Node) -> tuple[str, str, str | None, str | None]:
    """Name, ONNX operator, module path and the user's line of a node."""
    origin = provenance(node)
    return node.name or "", node.op_type, origin.module, origin.source
