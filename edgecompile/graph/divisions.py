"""A division by a constant is a product.

Integer kernels multiply and do not divide, and a divisor that is small beside its neighbours would
be rounded to zero. Its reciprocal is large, and keeps its precision.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from edgecompile.graph.hub import add_constant, constant, name_of, remove_unused_constants
from edgecompile.graph.provenance import copy_provenance


def turn_divisions_into_products(model: ir.Model) -> None:
    """``Div(x, c)`` becomes ``Mul(x, 1 / c)``, in place; not where c holds a zero, or a number
    whose reciprocal float32 cannot hold."""
    graph = model.graph
    for node in list(graph):
        divisor = constant(node.inputs[1]) if node.op_type == "Div" else None
        if divisor is None or divisor.dtype != np.float32 or constant(node.inputs[0]) is not None:
            continue
        with np.errstate(divide="ignore", over="ignore"):
            inverse = np.float32(1) / divisor
        if not np.all(np.isfinite(inverse)):
            continue
        result = node.outputs[0]
        factor = add_constant(graph, f"{node.name}.reciprocal", np.asarray(inverse, np.float32))
        product = ir.node("Mul", [node.inputs[0], factor], name=node.name)
        copy_provenance(node, product)
        product.outputs[0].type, product.outputs[0].shape = result.type, result.shape
        graph.insert_before(node, product)
        ir.convenience.replace_all_uses_with(result, product.outputs[0], replace_graph_outputs=True)
        name, result.name = name_of(result), None
        graph.remove(node, safe=True)
        product.outputs[0].name = name
    remove_unused_constants(graph)
