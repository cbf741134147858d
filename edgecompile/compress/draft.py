"""A float hub with made-up numbers: what many compilers accept depends on forms and sizes alone."""

from __future__ import annotations

import onnx_ir as ir

from edgecompile.compress.decision import Decision, write_hub
from edgecompile.compress.scheme import QuantScheme
from edgecompile.compress.weights import integer_weights
from edgecompile.graph.hub import is_float, name_of


def draft(hub: ir.Model, scheme: QuantScheme) -> ir.Model:
    """The quantized hub of a float hub, as if every activation had the range [-1, 1].

    To ask what a device can run before anything slow; its numbers are never shipped.
    """
    weights = integer_weights(hub, per_channel=scheme.per_channel_weights, bits=scheme.weight_bits)
    values = [*hub.graph.inputs, *(v for node in hub.graph for v in node.outputs)]
    ranges = {name_of(value): (-1.0, 1.0) for value in values if is_float(value)}
    return write_hub(Decision(hub, scheme, weights, ranges))
