"""Which operators of a file the Edge TPU compiler will map, in the words of its own log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from edgecompile.backends.edgetpu.rules import INNERMOST, RULES, Condition
from edgecompile.formats.tflite.graph import FileGraph, FileOperator, FileTensor

INTEGERS = frozenset({"int8", "uint8"})

STATE = "int16"
"""What an LSTM keeps from step to step may have this type (pair: keras_lstm_mnist_ptq)."""

_STATEFUL = frozenset({"LSTM", "UNIDIRECTIONAL_SEQUENCE_LSTM"})


class Status(StrEnum):
    """The compiler's words (google-coral/edgetpu, the logs in its issues)."""

    MAPPED = "Mapped to Edge TPU"
    SUBGRAPH = "More than one subgraph is not supported"
    OPERATION = "Operation not supported"
    VERSION = "Operation version not supported"
    TYPE = "Operation is working on an unsupported data type"
    RANK = "Tensor has unsupported rank (up to 3 innermost dimensions mapped)"
    DYNAMIC = "Operation has a dynamic tensor size"
    LIMITATION = (
        "Operation is otherwise supported, but not mapped due to some unspecified limitation"
    )


@dataclass(frozen=True)
class Placement:
    """What becomes of one operator. `reason` says why it is not mapped, `source` who says so."""

    operator: FileOperator = field(repr=False)
    status: Status
    reason: str | None = None
    source: str | None = None

    @property
    def is_mapped(self) -> bool:
        """Does it run on the Edge TPU?"""
        return self.status is Status.MAPPED


def predict_mapping(graph: FileGraph, runtime: int) -> list[Placement]:
    """The fate of each operator, in execution order, for a device's Edge TPU runtime.

    The compiler maps one subgraph: of the sets of operators into which TFLite cuts a graph
    between a delegate and the CPU, the first that is the delegate's.
    """
    placements = [_place(operator, runtime) for operator in graph.operators]
    supported = [placement.is_mapped for placement in placements]
    first = _first_subset(graph, supported)
    culprits = [p.operator for p in placements if not p.is_mapped]
    return [
        Placement(p.operator, Status.SUBGRAPH, _blame(p.operator, culprits), "table")
        if p.is_mapped and p.operator.index not in first
        else p
        for p in placements
    ]


def _blame(operator: FileOperator, culprits: Sequence[FileOperator]) -> str:
    before = [c for c in culprits if c.index < operator.index] or culprits
    names = ", ".join(f"{c.label} ({c.index})" for c in before[:3])
    return f"it comes behind what the CPU runs: {names}{' ...' if len(before) > 3 else ''}"


def _place(operator: FileOperator, runtime: int) -> Placement:
    """What the operator's own form says, wherever it stands."""
    tensors = (*operator.activations, *operator.outputs)
    rule = RULES.get(operator.name)
    found = _wrong_tensors(operator, tensors)
    if found is not None:
        return found
    if operator.custom:
        return Placement(operator, Status.TYPE, "it is a custom operator", "log")
    if rule is None:
        return Placement(operator, Status.OPERATION, "the Edge TPU has no such operator", "table")
    if rule.runtime > runtime:
        why = f"it needs Edge TPU runtime {rule.runtime}, the device has {runtime}"
        return Placement(operator, Status.VERSION, why, "table")
    return _wrong_form(operator, tensors) or _held(operator, rule.conditions)


def _wrong_tensors(operator: FileOperator, tensors: Sequence[FileTensor]) -> Placement | None:
    if any(t.is_dynamic for t in tensors):
        return Placement(operator, Status.DYNAMIC, "its size is not static", "table")
    allowed = INTEGERS | {STATE} if operator.name in _STATEFUL else INTEGERS
    wrong = [t for t in tensors if t.dtype not in allowed]
    if not wrong:
        return None
    if operator.name == "QUANTIZE":
        # The compiler's log says this of a QUANTIZE that reads floats, not that of the type.
        why = f"it reads {wrong[0].dtype}"
        return Placement(operator, Status.LIMITATION, why, "log")
    return Placement(operator, Status.TYPE, f"it reads or writes {wrong[0].dtype}", "table")


def _wrong_form(operator: FileOperator, tensors: Sequence[FileTensor]) -> Placement | None:
    for tensor in tensors:
        if len(tensor.scale) != 1:
            why = f"a tensor of it has {len(tensor.scale)} scales: one is supported"
            return Placement(operator, Status.LIMITATION, why, "table")
        if any(size != 1 for size in tensor.shape[:-INNERMOST]):
            why = f"a tensor of it is {list(tensor.shape)}"
            return Placement(operator, Status.RANK, why, "table")
    return None


def _held(operator: FileOperator, conditions: Sequence[Condition]) -> Placement:
    for condition in conditions:
        try:
            broken = condition.broken(operator)
        except ValueError as error:  # an operand is missing, or computed where it must be constant
            broken = str(error)
        if broken is not None:
            return Placement(operator, Status.LIMITATION, broken, condition.source)
    return Placement(operator, Status.MAPPED)


def _first_subset(graph: FileGraph, supported: Sequence[bool]) -> frozenset[int]:
    """The operators of the first set that is the delegate's.

    TFLite's partitioning (tensorflow/lite/graph_info.cc, PartitionGraphIntoIndependentNodeSubsets,
    TensorFlow 2.5): sets of one kind are filled in turns with every operator whose inputs are
    ready; the first ready operator decides whose turn it is.
    """
    made = {t.index for operator in graph.operators for t in operator.outputs}
    waiting = list(graph.operators)
    while waiting:
        subset: list[int] = []
        kind: bool | None = None
        progress = True
        while progress:
            left = []
            for operator in waiting:
                ready = not any(t is not None and t.index in made for t in operator.inputs)
                if ready and kind in (None, supported[operator.index]):
                    kind = supported[operator.index]
                    subset.append(operator.index)
                    made -= {t.index for t in operator.outputs}
                else:
                    left.append(operator)
            progress = len(left) < len(waiting)
            waiting = left
        if kind is None:
            return frozenset()  # what is left reads what nothing makes: a damaged graph
        if kind:
            return frozenset(subset)
    return frozenset()
