"""A float hub with made-up numbers: what the compiler maps depends on forms and sizes alone."""

from __future__ import annotations

import onnx_ir as ir

from edgecompile.compress.decision import Decision, write_hub
from edgecompile.compress.narrow import quantize_weights
from edgecompile.compress.scheme import QuantScheme
from edgecompile.compress.weights import QuantizedWeight
from edgecompile.graph.constants import dequantized_constant
from edgecompile.graph.hub import is_float, name_of
from edgecompile.graph.qdq import WEIGHT_INPUT, WEIGHTED


def is_quantized(hub: ir.Model) -> bool:
    """Does the hub hold decided numbers already?"""
    return any(node.op_type == "QuantizeLinear" for node in hub.graph)


def drafted(hub: ir.Model) -> ir.Model:
    """The int8 hub of a float hub, as if every activation had the range [-1, 1].

    To ask what will be mapped before anything slow; its numbers are never shipped.
    """
    weights = {}
    for node in quantize_weights(hub, per_channel=True).graph:
        pair = dequantized_constant(node.inputs[WEIGHT_INPUT]) if node.op_type in WEIGHTED else None
        if pair is not None:
            weights[node.name or ""] = QuantizedWeight(pair.data, pair.scale)
    values = [*hub.graph.inputs, *(v for node in hub.graph for v in node.outputs)]
    ranges = {name_of(value): (-1.0, 1.0) for value in values if is_float(value)}
    return write_hub(Decision(hub, QuantScheme("affine"), weights, ranges))
