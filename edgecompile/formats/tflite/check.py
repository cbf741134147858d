"""What has no form in a TFLite file, and what a device's runtime cannot run."""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

from edgecompile.findings import Finding
from edgecompile.formats.tflite.lower import operators_by_node
from edgecompile.formats.tflite.operators import OPERATORS
from edgecompile.graph.constants import half_constant
from edgecompile.graph.provenance import finding_at
from edgecompile.graph.qdq import FIXED_OUTPUT
from edgecompile.recipe.target import Scheme

_IGNORED = frozenset({"QuantizeLinear", "DequantizeLinear", "Constant"})
TABLE = "docs/backends/tflite.md"
_REMEDY = f"write this part of forward() with other operators ({TABLE} lists them)"


def check_operators(hub: ir.Model, device_operators: Sequence[str] = ()) -> list[Finding]:
    """One error for each node that has no form in TFLite, or none that the device's runtime has.

    `device_operators` are the names that the runtime knows; empty: all.
    """
    refused = [
        finding_at(node, "error", "tflite-operator", reason, _REMEDY, TABLE)
        for node, reason in refused_nodes(hub)
    ]
    if refused or not device_operators:
        return refused
    known = set(device_operators)
    return [
        finding_at(
            node,
            "error",
            "tflite-runtime-operator",
            f"the device's runtime has no {' and no '.join(missing)}",
            _REMEDY,
            TABLE,
        )
        for node, names in operators_by_node(hub)
        if (missing := sorted(set(names) - known))
    ]


def check_scheme(hub: ir.Model, scheme: Scheme) -> list[Finding]:
    """One error for each node whose kernel demands other output parameters than the scheme's."""
    if scheme == "affine":
        return []
    return [
        finding_at(
            node,
            "error",
            "tflite-fixed-output",
            f"TFLite's int8 {node.op_type} has a zero point, which the scheme {scheme} has not",
            "give the target the scheme affine",
            TABLE,
        )
        for node in hub.graph
        if FIXED_OUTPUT["affine"].get(node.op_type) != FIXED_OUTPUT[scheme].get(node.op_type)
    ]


def refused_nodes(hub: ir.Model) -> list[tuple[ir.Node, str]]:
    """The nodes that our emitter cannot write, each with the reason."""
    reasons = ((node, _refusal(node)) for node in hub.graph)
    return [(node, reason) for node, reason in reasons if reason is not None]


def _refusal(node: ir.Node) -> str | None:
    if node.op_type in _IGNORED or half_constant(node.outputs[0]) is not None:
        return None
    entry = OPERATORS.get(node.op_type)
    if entry is None:
        return f"edgecompile writes no TFLite operator for ONNX's {node.op_type}"
    return entry.refuse(node)
