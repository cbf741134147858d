"""What the TFLite backend cannot write, and what a device's runtime cannot run."""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

from edgecompile.backends.tflite.lower import operators_by_node
from edgecompile.backends.tflite.operators import OPERATORS
from edgecompile.findings import Finding
from edgecompile.graph.constants import half_constant
from edgecompile.graph.provenance import provenance

_IGNORED = frozenset({"QuantizeLinear", "DequantizeLinear", "Constant"})
_TABLE = "docs/backends/tflite.md"
_REMEDY = f"write this part of forward() with other operators ({_TABLE} lists them)"


def check_hub(hub: ir.Model, device_operators: Sequence[str]) -> list[Finding]:
    """One error for each node that has no form in TFLite, or none that the device's runtime has.

    `device_operators` are the names that the runtime knows; empty: all.
    """
    refused = [
        _finding(node, "tflite-operator", reason)
        for node in hub.graph
        if (reason := _refusal(node)) is not None
    ]
    if refused or not device_operators:
        return refused
    known = set(device_operators)
    return [
        _finding(
            node,
            "tflite-runtime-operator",
            f"the device's runtime has no {' and no '.join(missing)}",
        )
        for node, names in operators_by_node(hub)
        if (missing := sorted(set(names) - known))
    ]


def _refusal(node: ir.Node) -> str | None:
    if node.op_type in _IGNORED or half_constant(node.outputs[0]) is not None:
        return None
    entry = OPERATORS.get(node.op_type)
    if entry is None:
        return f"TFLite has no operator for ONNX's {node.op_type}"
    return entry.refuse(node)


def _finding(node: ir.Node, rule: str, message: str) -> Finding:
    origin = provenance(node)
    return Finding(
        "error",
        rule,
        message,
        node=node.name,
        op_type=node.op_type,
        module=origin.module,
        source=origin.source,
        remedy=_REMEDY,
        reference=_TABLE,
    )
