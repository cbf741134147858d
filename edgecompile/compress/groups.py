"""Which tensors must share their quantization parameters."""

from __future__ import annotations

from collections.abc import Callable

import onnx_ir as ir

from edgecompile.graph.clamps import CLAMPS
from edgecompile.graph.hub import constant, is_float, name_of
from edgecompile.graph.qdq import FIXED_OUTPUT, SAME_SCALE


def fused_clamp(value: ir.Value) -> ir.Node | None:
    """The Relu or Clip that an operator carries as its activation: the tensor's only consumer.

    A clamp behind an operator that only moves values has no kernel to fuse into, and a kernel
    whose output is fixed cannot take the clamp's parameters.
    """
    producer = value.producer()
    consumers = [use.node for use in value.uses()]
    if (
        producer is None
        or producer.op_type in SAME_SCALE | CLAMPS | FIXED_OUTPUT["affine"].keys()
        or len(consumers) != 1
        or consumers[0].op_type not in CLAMPS
        or value.is_graph_output()
        or any(constant(bound) is None for bound in consumers[0].inputs[1:] if bound is not None)
    ):
        return None
    return consumers[0]


def quantized_name(node: ir.Node) -> str:
    """The tensor whose parameters a node's result gets: that of the clamp behind it, if any."""
    clamp = fused_clamp(node.outputs[0])
    return name_of(node.outputs[0] if clamp is None else clamp.outputs[0])


def same_params_groups(
    hub: ir.Model, may_join: Callable[[ir.Node], bool] = lambda node: True
) -> dict[str, str]:
    """For each float activation the name of its group; members of a group share parameters.

    Operators in SAME_SCALE join their inputs and outputs, unless `may_join` says no.
    """
    parent: dict[str, str] = {}

    def find(name: str) -> str:
        parent.setdefault(name, name)
        while parent[name] != name:
            parent[name] = parent[parent[name]]
            name = parent[name]
        return name

    for node in hub.graph:
        members = [
            name_of(value)
            for value in (*node.inputs, *node.outputs)
            if value is not None and is_float(value) and constant(value) is None
        ]
        for name in members:
            find(name)
        if node.op_type in SAME_SCALE and may_join(node):
            for name in members[1:]:
                parent[find(name)] = find(members[0])
    return {name: find(name) for name in parent}
