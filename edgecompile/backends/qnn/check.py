"""What the tensor processor of a chip cannot run, by its compiler's own verdict."""

from __future__ import annotations

from collections import defaultdict

import onnx_ir as ir

from edgecompile.backends.qnn.compile import Refused, compile_hub
from edgecompile.backends.qnn.lowering import lower_hub
from edgecompile.backends.qnn.options import QnnOptions
from edgecompile.backends.qnn.trace import Refusal
from edgecompile.compress.narrow import quantize_weights
from edgecompile.compress.place import place_activations, place_elementwise_constants
from edgecompile.compress.scheme import QuantScheme
from edgecompile.findings import Finding
from edgecompile.graph.provenance import Provenance, provenance
from edgecompile.graph.qdq import TensorParams
from edgecompile.recipe.schema import INTEGER_PRECISIONS, Precision
from edgecompile.recipe.target import Target

_REFERENCE = "docs/backends/qnn.md"


def check_hub(hub: ir.Model, target: Target, precision: Precision) -> list[Finding]:
    """One error for each node that the compiler refuses; a warning where a split is allowed.

    Raises:
        UserError: the target names a chip that Qualcomm's library does not know.
        ToolchainFailed: the compiler crashed or hung.
    """
    options = QnnOptions.model_validate(target.options)
    quantized = has_pairs(hub)
    if precision in INTEGER_PRECISIONS and not quantized:
        hub = with_any_scales(hub)
    origins = {node.name: provenance(node) for node in hub.graph}
    try:
        refusals = compile_hub(lower_hub(hub), options).trace.refusals
    except Refused as refused:
        refusals = refused.refusals
    return [
        _finding(refusal, origins.get(refusal.node, Provenance()), options) for refusal in refusals
    ]


def has_pairs(hub: ir.Model) -> bool:
    """Is it quantized already?"""
    return any(node.op_type == "QuantizeLinear" for node in hub.graph)


def with_any_scales(hub: ir.Model) -> ir.Model:
    """A quantized copy of a float hub with the same scale everywhere.

    The compiler's rules are about operators, types and shapes: before calibration any scale does.
    """
    params = defaultdict[str, TensorParams](lambda: TensorParams(1 / 128, 0))
    result = quantize_weights(hub, per_channel=True)
    place_elementwise_constants(result, QuantScheme("affine"), params, frozenset())
    place_activations(result, params, frozenset())
    return result


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
