"""What has no form in C, found before anything slow."""

from __future__ import annotations

import onnx_ir as ir

from edgecompile.backends.riscv.generator.operators.table import OPERATORS
from edgecompile.findings import Finding
from edgecompile.graph.constants import is_static
from edgecompile.graph.provenance import finding_at

TABLE = "docs/backends/riscv.md"
_REMEDY = f"write this part of forward() with other operators ({TABLE} lists them)"


def check_operators(hub: ir.Model) -> list[Finding]:
    """One error for each node of a hub, float or quantized, that the generator cannot write."""
    return [
        finding_at(node, "error", "riscv-operator", reason, _REMEDY, TABLE)
        for node in hub.graph
        if (reason := _refusal(node)) is not None
    ]


def is_folded(node: ir.Node) -> bool:
    """Is the result known before the model runs (a constant in one of the hub's forms)?"""
    return node.op_type == "Constant" or all(is_static(output) for output in node.outputs)


def _refusal(node: ir.Node) -> str | None:
    if node.op_type in {"QuantizeLinear", "DequantizeLinear"} or is_folded(node):
        return None
    entry = OPERATORS.get(node.op_type)
    if entry is None:
        return f"edgecompile writes no C for ONNX's {node.op_type}"
    return entry.refuse(node)
