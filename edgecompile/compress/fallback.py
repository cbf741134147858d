"""Higher precision for the fewest operators that meet the goal.

An operator is raised to int16 activations (its weights stay as they are), or put back to float.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import onnx_ir as ir

from edgecompile.compress.decision import Decision, write_hub
from edgecompile.compress.groups import fused_clamp, quantized_name, same_params_groups
from edgecompile.compress.quality import Goal, Judge
from edgecompile.compress.sensitivity import identity_of, operators_of
from edgecompile.compress.switches import SwitchedHub
from edgecompile.evaluate.agreement import compare
from edgecompile.graph.hub import Array, constant, name_of
from edgecompile.graph.qdq import WEIGHT_INPUT, WEIGHTED, WIDE_OPERATORS

Fallback = Literal["int16", "float"]

_FEW = 64
"""Samples that candidates are compared on; what is chosen is judged on all."""


@dataclass(frozen=True)
class PutBack:
    """One operator of higher precision: what the network gained by it, and the bytes it costs."""

    node: str
    op_type: str
    module: str | None
    source: str | None
    precision: Fallback
    gained_db: float
    bytes: int


def fall_back(
    decision: Decision,
    samples: Array,
    judge: Judge,
    goal: Goal,
    precisions: Sequence[Fallback],
    most: int,
) -> tuple[Decision, list[PutBack]]:
    """The decision with the fewest operators in the first of `precisions` that meets the goal.

    Where none does, that which comes nearest. At most `most` operators.
    """
    quality = judge.quality(write_hub(decision))
    best: tuple[Decision, list[PutBack]] = decision, []
    for precision in precisions:
        if goal.is_met(quality):
            break
        found, rows = put_back(decision, samples, judge, goal, precision, most)
        now = judge.quality(write_hub(found))
        if goal.is_met(now) or now.sqnr_db > quality.sqnr_db:
            best, quality = (found, rows), now
    return best


def put_back(
    decision: Decision,
    samples: Array,
    judge: Judge,
    goal: Goal,
    precision: Fallback,
    most: int,
) -> tuple[Decision, list[PutBack]]:
    """Give the fewest operators that meet the goal the higher precision.

    Greedy: of the sets of operators that touch one tensor (they alone can free it), the one that
    gains most for each operator; in the end, those that turn out to be needless are lowered
    again. At most `most` operators.
    """
    search = _Search(decision, samples[:_FEW], precision)
    chosen: frozenset[str] = frozenset()
    quality = judge.quality(write_hub(decision))
    while not goal.is_met(quality):
        step = search.best_step(chosen, most)
        if step is None:
            break
        chosen |= step
        quality = judge.quality(write_hub(search.raised(chosen)))
    for name in sorted(chosen):
        without = judge.quality(write_hub(search.raised(chosen - {name})))
        if goal.is_met(without):
            chosen -= {name}
    result = search.raised(chosen)
    rows = [
        PutBack(
            *identity_of(node),
            precision,
            gained_db=round(search.decibel(chosen) - search.decibel(chosen - {node.name or ""}), 2),
            bytes=_extra_bytes(node, precision),
        )
        for node in operators_of(decision.hub)
        if node.name in chosen
    ]
    return result, rows


class _Search:
    """The candidates of one decision, and a session that tells what each would give."""

    def __init__(self, decision: Decision, samples: Array, precision: Fallback) -> None:
        self.decision, self.samples, self.precision = decision, samples, precision
        self.switched = SwitchedHub(decision)
        self.reference = self.switched.run(samples, ())
        self.touching = _touching(decision.hub)
        self.able = {
            node.name or ""
            for node in operators_of(decision.hub)
            if precision == "float" or node.op_type in WIDE_OPERATORS
        }
        self._known: dict[frozenset[str], float] = {}

    def raised(self, names: frozenset[str]) -> Decision:
        """The decision with the named operators, and the clamps that they carry, raised."""
        clamps = {
            clamp.name or ""
            for node in self.decision.hub.graph
            if node.name in names and (clamp := fused_clamp(node.outputs[0])) is not None
        }
        if self.precision == "float":
            return replace(self.decision, float_nodes=names | clamps)
        return replace(self.decision, wide_nodes=names | clamps)

    def decibel(self, names: frozenset[str]) -> float:
        """The SQNR with the named operators raised."""
        if names not in self._known:
            on = [switch for switch in self.switched.names if not self._is_off(switch, names)]
            found = compare(self.reference, self.switched.run(self.samples, on)).sqnr_db
            self._known[names] = math.inf if found is None else found
        return self._known[names]

    def _is_off(self, switch: str, names: frozenset[str]) -> bool:
        """Is a quantization gone? That of a tensor in int16 is too fine to count."""
        kind, _, name = switch.partition(":")
        if kind == "weight":
            return self.precision == "float" and name in names
        return self.touching.get(name, {""}) <= names

    def best_step(self, chosen: frozenset[str], most: int) -> frozenset[str] | None:
        """The operators to add next; None when none helps or fits."""
        now, best, gain = self.decibel(chosen), None, 0.0
        sets = {frozenset(nodes) for nodes in self.touching.values()}
        sets |= {frozenset({name}) for name in self.able}
        for candidate in sorted(sets, key=sorted):
            added = candidate - chosen
            if not added or not added <= self.able or len(chosen | added) > most:
                continue
            found = (self.decibel(chosen | added) - now) / len(added)
            if found > gain:
                best, gain = added, found
        return best


def _touching(hub: ir.Model) -> dict[str, set[str]]:
    """For each activation the operators that read or write it, or one of equal parameters."""
    groups = same_params_groups(hub)
    by_group: dict[str, set[str]] = {}
    for node in operators_of(hub):
        read = [name_of(v) for v in node.inputs if v is not None and name_of(v) in groups]
        for name in [*read, quantized_name(node)]:
            if name in groups:
                by_group.setdefault(groups[name], set()).add(node.name or "")
    return {name: by_group[group] for name, group in groups.items() if group in by_group}


def _extra_bytes(node: ir.Node, precision: Fallback) -> int:
    """float32 takes three bytes more than int8 for each weight; beside int16 activations a bias
    takes eight bytes, not four."""
    if node.op_type not in WEIGHTED:
        return 0
    if precision == "int16":
        bias = constant(node.inputs[2]) if len(node.inputs) > 2 else None
        return 0 if bias is None else 4 * bias.size
    weight = constant(node.inputs[WEIGHT_INPUT])
    return 0 if weight is None else 3 * weight.size
