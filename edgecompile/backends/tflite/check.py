"""What the TFLite backend cannot write, and what a device's runtime cannot run."""

from __future__ import annotations

import onnx_ir as ir

from edgecompile.backends.tflite.operators import OPERATORS
from edgecompile.findings import Finding
from edgecompile.graph.provenance import provenance

_IGNORED = frozenset({"QuantizeLinear", "DequantizeLinear", "Constant"})
_TABLE = "docs/backends/tflite.md"


def check_hub(hub: ir.Model) -> list[Finding]:
    """One error for each node that has no form in TFLite, with the user's line."""
    findings = []
    for node in hub.graph:
        if node.op_type in _IGNORED:
            continue
        entry = OPERATORS.get(node.op_type)
        reason = (
            f"TFLite has no operator for ONNX's {node.op_type}"
            if entry is None
            else entry.refuse(node)
        )
        if reason is not None:
            origin = provenance(node)
            findings.append(
                Finding(
                    "error",
                    "tflite-operator",
                    reason,
                    node=node.name,
                    op_type=node.op_type,
                    module=origin.module,
                    source=origin.source,
                    remedy=f"write this part of forward() with other operators ({_TABLE})",
                    reference=_TABLE,
                )
            )
    return findings
