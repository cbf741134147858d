"""Put other nodes in the place of one: what every rewrite of the hub does in the end."""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

from edgecompile.graph.provenance import copy_provenance


def replace_node(graph: ir.Graph, node: ir.Node, made: Sequence[ir.Node]) -> None:
    """Replace a node with one result by `made`, whose last node computes that result.

    The result keeps its name, type and shape (users read outputs by name), and the new nodes get
    the provenance of the old one.
    """
    old, new = node.outputs[0], made[-1].outputs[0]
    for one in made:
        copy_provenance(node, one)
    new.type, new.shape = old.type, old.shape
    graph.insert_before(node, made)
    ir.convenience.replace_all_uses_with(old, new, replace_graph_outputs=True)
    name, old.name = old.name, None
    graph.remove(node, safe=True)
    new.name = name
