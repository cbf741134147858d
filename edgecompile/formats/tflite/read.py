"""What a .tflite file holds, ours or a stranger's, read back from its bytes."""

from __future__ import annotations

from pathlib import Path

from edgecompile.formats.tflite.graph import FileOperator, FileTensor, parse_graph
from edgecompile.inspection import Inspection, OperatorFacts, TensorFacts


def inspect_tflite(file: Path) -> Inspection:
    """Operators, borders and weights of the file's first subgraph.

    Raises:
        UserError: the bytes are no .tflite file.
    """
    content = file.read_bytes()
    graph = parse_graph(content, file.name)
    return Inspection(
        format="tflite",
        size_bytes=len(content),
        weight_bytes=graph.constant_bytes,
        inputs=_facts(graph.inputs),
        outputs=_facts(graph.outputs),
        operators=tuple(_operator(operator) for operator in graph.operators),
    )


def _operator(operator: FileOperator) -> OperatorFacts:
    return OperatorFacts(
        operator.name,
        operator.version,
        _facts(operator.activations),
        _facts(operator.outputs),
    )


def _facts(tensors: tuple[FileTensor, ...]) -> tuple[TensorFacts, ...]:
    return tuple(TensorFacts(t.name, t.shape, t.dtype, t.scale, t.zero_point) for t in tensors)
