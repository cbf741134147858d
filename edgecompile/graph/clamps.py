"""Relu and Clip as what they are: a lower and an upper bound."""

from __future__ import annotations

import onnx_ir as ir

from edgecompile.graph.hub import constant

CLAMPS = frozenset({"Relu", "Clip"})
"""Operators that a quantized operator carries as its fused activation."""


def clamp_bounds(node: ir.Node) -> tuple[float, float]:
    """Lower and upper bound of a Relu or of a Clip with constant bounds."""
    if node.op_type == "Relu":
        return 0.0, float("inf")
    bounds = [constant(value) for value in node.inputs[1:3]] + [None, None]
    low = float("-inf") if bounds[0] is None else float(bounds[0])
    high = float("inf") if bounds[1] is None else float(bounds[1])
    return low, high
