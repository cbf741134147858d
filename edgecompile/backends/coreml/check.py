"""What cannot be written to Core ML."""

from __future__ import annotations

import onnx_ir as ir

from edgecompile.backends.coreml.operators import OPERATORS
from edgecompile.backends.coreml.options import CoreMLOptions
from edgecompile.findings import Finding, Level
from edgecompile.graph.constants import is_static
from edgecompile.graph.provenance import provenance
from edgecompile.recipe.schema import Precision
from edgecompile.recipe.target import Target


def check_hub(
    hub: ir.Model, options: CoreMLOptions, target: Target, precision: Precision
) -> list[Finding]:
    return [
        finding_of(node, "error", "coreml-operator", reason)
        for node in hub.graph
        if (reason := refusal(node)) is not None
    ]


def refusal(node: ir.Node) -> str | None:
    if node.op_type in {"QuantizeLinear", "DequantizeLinear", "Constant"}:
        return None
    if all(value is None or is_static(value) for value in node.inputs):
        return None
    entry = OPERATORS.get(node.op_type)
    if entry is None:
        return f"edgecompile writes no MIL operator for ONNX's {node.op_type}"
    return entry.refuse(node)


def finding_of(node: ir.Node, level: Level, rule: str, message: str) -> Finding:
    origin = provenance(node)
    return Finding(level, rule, message, node=node.name, op_type=node.op_type, module=origin.module, source=origin.source)
