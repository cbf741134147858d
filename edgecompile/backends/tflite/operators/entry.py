"""One entry of the table of operators."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import onnx_ir as ir

from edgecompile.backends.tflite.emission import Emission
from edgecompile.graph.hub import constant


def accept(node: ir.Node) -> str | None:
    """The rule of an operator that can always be written."""
    return None


@dataclass(frozen=True)
class Operator:
    """`emit` writes a node; `refuse` says why a node cannot be written, or None."""

    emit: Callable[[Emission, ir.Node], None]
    refuse: Callable[[ir.Node], str | None] = accept


def rank_of(value: ir.Value | None) -> int:
    """The rank of a tensor; 0 when it is not known."""
    return 0 if value is None or value.shape is None else len(value.shape)


def is_constant(value: ir.Value | None) -> bool:
    """Is the tensor known before the model runs (behind a DequantizeLinear or not)?"""
    if value is None:
        return False
    if constant(value) is not None:
        return True
    node = value.producer()
    return (
        node is not None
        and node.op_type == "DequantizeLinear"
        and constant(node.inputs[0]) is not None
    )
