"""Hubs for tests, and changes to them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import onnx_ir as ir

from edgecompile.compress.decision import decide_by_range, write_hub
from edgecompile.compress.ptq import PtqResult
from edgecompile.compress.scheme import QuantScheme
from edgecompile.compress.weights import integer_weights
from edgecompile.conformance.hubs import hub_of, samples_for
from edgecompile.graph.hub import Array

__all__ = [
    "AFFINE",
    "changed",
    "hub_of",
    "node_of",
    "plain_min_max",
    "quickly_quantized",
    "samples_for",
]

AFFINE = QuantScheme("affine")


def plain_min_max(hub: ir.Model, *_: object) -> PtqResult:
    """What NNCF decides, in a hundredth of its time: int8 weights per channel from their range.

    To stand in for `post_training_quantize` where hundreds of hubs are quantized.
    """
    return PtqResult(integer_weights(hub, per_channel=True, bits=8), {})


def quickly_quantized(
    hub: ir.Model,
    samples: Array,
    scheme: QuantScheme = AFFINE,
    *,
    float_nodes: frozenset[str] = frozenset(),
) -> ir.Model:
    """The int8 hub by `quantize`, without NNCF."""
    return write_hub(replace(decide_by_range(hub, samples, scheme), float_nodes=float_nodes))


def node_of(hub: ir.Model, op_type: str) -> ir.Node:
    """The one node of a type."""
    (node,) = (n for n in hub.graph if n.op_type == op_type)
    return node


def changed(hub: ir.Model, change: Callable[[ir.Model], None]) -> ir.Model:
    """A copy of the hub with a change made to it."""
    result = ir.from_proto(ir.to_proto(hub))
    change(result)
    return result
