"""What the quantization of each operator costs, and of which operators it costs too much."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

import onnx_ir as ir

from edgecompile.compress.decision import Decision, write_hub
from edgecompile.compress.groups import fused_clamp, quantized_name, same_params_groups
from edgecompile.compress.quality import Goal, Judge
from edgecompile.compress.switches import SwitchedHub
from edgecompile.evaluate.agreement import compare
from edgecompile.graph.hub import Array, constant, name_of
from edgecompile.graph.provenance import provenance
from edgecompile.graph.qdq import SAME_SCALE, WEIGHT_INPUT, WEIGHTED

_FEW = 64
"""Samples that candidates are compared on; what is chosen is judged on all."""


@dataclass(frozen=True)
class Sensitivity:
    """One operator: the SQNR, and the points lost, when only it is quantized."""

    node: str
    op_type: str
    module: str | None
    source: str | None
    sqnr_db: float | None
    lost_points: float | None


@dataclass(frozen=True)
class PutBack:
    """One operator that was put back to float: what the network gained by it and what it costs."""

    node: str
    op_type: str
    module: str | None
    source: str | None
    gained_db: float
    bytes: int


def measure_sensitivity(decision: Decision, judge: Judge) -> list[Sensitivity]:
    """Every operator that is quantized, the most sensitive first. One session answers for all."""
    switched = SwitchedHub(decision)
    rows = []
    for node in _operators(decision.hub):
        own = _switches_of(node) & set(switched.names)
        if not own or node.op_type in SAME_SCALE:
            continue  # what only moves values adds no error of its own
        quality = judge.quality_of(switched.run(judge.samples, own))
        finite = math.isfinite(quality.sqnr_db)
        decibel = round(quality.sqnr_db, 2) if finite else None
        lost = None if quality.lost_points is None else round(quality.lost_points, 4)
        rows.append(Sensitivity(*_identity(node), decibel, lost))
    return sorted(rows, key=lambda row: math.inf if row.sqnr_db is None else row.sqnr_db)


def put_back(
    decision: Decision,
    samples: Array,
    judge: Judge,
    goal: Goal,
    most: int,
) -> tuple[Decision, list[PutBack]]:
    """Leave the fewest operators in float that meet the goal.

    Greedy: of the sets of operators that touch one tensor (they alone can free it), the one that
    gains most for each operator; in the end, those that turn out to be needless are quantized
    again. At most `most` operators.
    """
    search = _Search(decision, samples[:_FEW])
    chosen: frozenset[str] = frozenset()
    quality = judge.quality(write_hub(decision))
    while not goal.is_met(quality):
        step = search.best_step(chosen, most)
        if step is None:
            break
        chosen |= step
        quality = judge.quality(write_hub(search.with_float(chosen)))
    for name in sorted(chosen):
        without = judge.quality(write_hub(search.with_float(chosen - {name})))
        if goal.is_met(without):
            chosen -= {name}
    result = search.with_float(chosen)
    rows = [
        PutBack(
            *_identity(node),
            gained_db=round(search.decibel(chosen) - search.decibel(chosen - {node.name or ""}), 2),
            bytes=_extra_bytes(node),
        )
        for node in _operators(decision.hub)
        if node.name in chosen
    ]
    return result, rows


class _Search:
    """The candidates of one decision, and a session that tells what each would give."""

    def __init__(self, decision: Decision, samples: Array) -> None:
        self.decision, self.samples = decision, samples
        self.switched = SwitchedHub(decision)
        self.reference = self.switched.run(samples, ())
        self.touching = _touching(decision.hub)
        self._known: dict[frozenset[str], float] = {}

    def with_float(self, names: frozenset[str]) -> Decision:
        """The decision with the named operators, and the clamps that they carry, in float."""
        clamps = {
            clamp.name or ""
            for node in self.decision.hub.graph
            if node.name in names and (clamp := fused_clamp(node.outputs[0])) is not None
        }
        return replace(self.decision, float_nodes=names | clamps)

    def decibel(self, names: frozenset[str]) -> float:
        """The SQNR with the named operators in float."""
        if names not in self._known:
            on = [switch for switch in self.switched.names if not self._is_off(switch, names)]
            found = compare(self.reference, self.switched.run(self.samples, on)).sqnr_db
            self._known[names] = math.inf if found is None else found
        return self._known[names]

    def _is_off(self, switch: str, names: frozenset[str]) -> bool:
        kind, _, name = switch.partition(":")
        return name in names if kind == "weight" else self.touching.get(name, {""}) <= names

    def best_step(self, chosen: frozenset[str], most: int) -> frozenset[str] | None:
        """The operators to add next; None when none helps or fits."""
        now, best, gain = self.decibel(chosen), None, 0.0
        sets = {frozenset(nodes) for nodes in self.touching.values()}
        sets |= {frozenset({node.name or ""}) for node in _operators(self.decision.hub)}
        for candidate in sorted(sets, key=sorted):
            added = candidate - chosen
            if not added or len(chosen | added) > most:
                continue
            found = (self.decibel(chosen | added) - now) / len(added)
            if found > gain:
                best, gain = added, found
        return best


def _operators(hub: ir.Model) -> Iterable[ir.Node]:
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


def _touching(hub: ir.Model) -> dict[str, set[str]]:
    """For each activation the operators that read or write it, or one of equal parameters."""
    groups = same_params_groups(hub)
    by_group: dict[str, set[str]] = {}
    for node in _operators(hub):
        read = [name_of(v) for v in node.inputs if v is not None and name_of(v) in groups]
        for name in [*read, quantized_name(node)]:
            if name in groups:
                by_group.setdefault(groups[name], set()).add(node.name or "")
    return {name: by_group[group] for name, group in groups.items() if group in by_group}


def _identity(node: ir.Node) -> tuple[str, str, str | None, str | None]:
    origin = provenance(node)
    return node.name or "", node.op_type, origin.module, origin.source


def _extra_bytes(node: ir.Node) -> int:
    """float32 takes three bytes more than int8 for each weight."""
    if node.op_type not in WEIGHTED:
        return 0
    weight = constant(node.inputs[WEIGHT_INPUT])
    return 0 if weight is None else 3 * weight.size
