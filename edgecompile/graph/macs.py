"""Multiply-accumulates of a hub: what its convolutions and matrix products cost."""

from __future__ import annotations

import math

import onnx_ir as ir

from edgecompile.graph.qdq import WEIGHT_INPUT, WEIGHTED


def count_macs(hub: ir.Model) -> int:
    """Multiply-accumulates of one inference of a hub with static shapes, float or quantized."""
    return sum(node_macs(node) for node in hub.graph)


def node_macs(node: ir.Node) -> int:
    """Multiply-accumulates of one operator; 0 for all but convolutions and matrix products."""
    if node.op_type not in WEIGHTED:
        return 0
    data, weight = node.inputs[0], node.inputs[WEIGHT_INPUT]
    assert data is not None and weight is not None
    if node.op_type == "Conv":  # weights (outputs, inputs / groups, *kernel)
        return math.prod(_shape(node.outputs[0])) * math.prod(_shape(weight)[1:])
    if node.op_type == "ConvTranspose":  # weights (inputs, outputs / groups, *kernel)
        return math.prod(_shape(data)) * math.prod(_shape(weight)[1:])
    transposed: int = node.attributes.get_int("transA", 0)
    return math.prod(_shape(node.outputs[0])) * _shape(data)[0 if transposed else -1]


def _shape(value: ir.Value) -> tuple[int, ...]:
    sizes = () if value.shape is None else value.shape.dims
    if value.shape is None or not all(isinstance(size, int) for size in sizes):
        raise ValueError(f"the shape of {value.name} is not static")
    return tuple(size for size in sizes if isinstance(size, int))
