"""Where a node of the hub came from: the module path and the user's Python line.

Tools between the frontend and the backends drop the metadata of nodes; what survives are names of
nodes, of tensors and of weights, by which the provenance is put back.
"""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

from edgecompile.findings import Finding, Level

MODULE_KEY = "edgecompile.module"
SOURCE_KEY = "edgecompile.source"


@dataclass(frozen=True)
class Provenance:
    """`module` is ``stage1.conv1``, `source` is ``model.py:41``."""

    module: str | None = None
    source: str | None = None


def provenance(node: ir.Node) -> Provenance:
    """What the node's metadata say."""
    props = node.metadata_props
    return Provenance(props.get(MODULE_KEY), props.get(SOURCE_KEY))


def finding_at(
    node: ir.Node | None,
    level: Level,
    rule: str,
    message: str,
    remedy: str | None = None,
    reference: str | None = None,
) -> Finding:
    """A finding about a node, with where it came from; about the whole model without one."""
    if node is None:
        return Finding(level, rule, message, remedy=remedy, reference=reference)
    where = vars(provenance(node))
    return Finding(
        level,
        rule,
        message,
        node=node.name,
        op_type=node.op_type,
        remedy=remedy,
        reference=reference,
        **where,
    )


def copy_provenance(source: ir.Node, destination: ir.Node) -> None:
    """Give a node that a rewrite made the provenance of the node that it stands for."""
    for key in (MODULE_KEY, SOURCE_KEY):
        if key in source.metadata_props:
            destination.metadata_props[key] = source.metadata_props[key]


def carry_provenance(source: ir.Model, destination: ir.Model) -> None:
    """Put back the provenance of `destination`, which a tool made from `source`.

    A node takes it from the node of the same name, else from the one that made the tensor of the
    same name, else from the one that used the same weight, else from its neighbour upstream.
    """
    by_name = {n.name: n for n in source.graph if n.name}
    by_output = {o.name: n for n in source.graph for o in n.outputs if o.name}
    by_weight = {
        i.name: n
        for n in reversed(source.graph)
        for i in n.inputs
        if i is not None and i.is_initializer()
    }
    for node in destination.graph:
        if provenance(node) != Provenance():
            continue
        origin = by_name.get(node.name or "") or next(
            (by_output[o.name] for o in node.outputs if o.name in by_output), None
        )
        if origin is None:
            weights = [i.name for i in node.inputs if i is not None and i.is_initializer()]
            origin = next((by_weight[w] for w in reversed(weights) if w in by_weight), None)
        if origin is None:
            origin = next((p for p in node.predecessors() if provenance(p) != Provenance()), None)
        if origin is not None:
            copy_provenance(origin, node)
