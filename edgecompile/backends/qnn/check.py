"""What the tensor processor of a chip cannot run, by its compiler's own verdict."""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

from edgecompile.backends.qnn.compile import Refused, compile_hub
from edgecompile.backends.qnn.lowering import lower_hub
from edgecompile.backends.qnn.options import QnnOptions
from edgecompile.backends.qnn.trace import Refusal
from edgecompile.compress.draft import draft
from edgecompile.compress.scheme import QuantScheme
from edgecompile.findings import Finding
from edgecompile.graph.constants import half_constant
from edgecompile.graph.provenance import Provenance, provenance
from edgecompile.graph.qdq import has_pairs
from edgecompile.recipe.schema import INTEGER_BITS, Precision
from edgecompile.recipe.target import Target

_REFERENCE = "docs/backends/qnn.md"
FIRST_WITH_HALF = 69
"""HTP versions before it compile a float model as float32 (seen with onnxruntime-qnn 2.7.0: SM8350,
v68), which no one has measured on the chip."""


def check_hub(hub: ir.Model, target: Target, precision: Precision) -> list[Finding]:
    """One error for each node that the compiler refuses; a warning where a split is allowed.

    Raises:
        UserError: the target names a chip that Qualcomm's library does not know.
        ToolchainFailed: the compiler crashed or hung.
    """
    options = QnnOptions.model_validate(target.options)
    if precision in INTEGER_BITS and not holds_precision(hub):
        hub = draft(hub, QuantScheme("affine", True, *INTEGER_BITS[precision]))
    elif not has_pairs(hub) and options.htp_arch < FIRST_WITH_HALF:
        return [_no_half(target, options)]
    try:
        refusals = compile_hub(lower_hub(hub), options).trace.refusals
    except Refused as refused:
        refusals = refused.refusals
    return findings_of(refusals, hub, options)


def findings_of(refusals: Sequence[Refusal], hub: ir.Model, options: QnnOptions) -> list[Finding]:
    """What the compiler refused, told in the nodes of the hub before it was lowered."""
    origins = {node.name: provenance(node) for node in hub.graph}

    def origin_of(name: str) -> Provenance:
        """A node that a rewrite made is named after its own: ``gemm1.convolution``."""
        while name not in origins and "." in name:
            name = name.rpartition(".")[0]
        return origins.get(name, Provenance())

    return [_finding(refusal, origin_of(refusal.node), options) for refusal in refusals]


def holds_precision(hub: ir.Model) -> bool:
    """Are its numbers decided already, whatever the recipe says?"""
    return has_pairs(hub) or any(half_constant(node.outputs[0]) is not None for node in hub.graph)


def _no_half(target: Target, options: QnnOptions) -> Finding:
    return Finding(
        "error",
        "qnn-half-precision",
        f"the tensor processor of {options.soc} (HTP v{options.htp_arch}) has no half precision",
        remedy="quantize: --set stages.quantize.precision=int8, or a16w8",
        reference=_REFERENCE,
    )


def _finding(refusal: Refusal, origin: Provenance, options: QnnOptions) -> Finding:
    return Finding(
        "warning" if options.split else "error",
        "qnn-operator",
        f"{refusal.op_type} would run on the CPU: {refusal.reason}"
        if options.split
        else f"{refusal.op_type} does not run on the tensor processor: {refusal.reason}",
        node=refusal.node,
        op_type=refusal.op_type,
        module=origin.module,
        source=origin.source,
        remedy=None
        if options.split
        else "write this part of forward() with other operators, or leave it to the CPU: "
        "--set lower.qnn.split=true",
        reference=_REFERENCE,
    )
