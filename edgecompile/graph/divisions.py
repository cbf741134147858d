"""A division by a constant is a product.

Integer kernels multiply and do not divide, and a divisor that is small beside its neighbours would
be rounded to zero. Its reciprocal is large, and keeps its precision.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from edgecompile.graph.hub import add_constant, constant, remove_unused_constants
from edgecompile.graph.rewrite import replace_node


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
        factor = add_constant(graph, f"{node.name}.reciprocal", np.asarray(inverse, np.float32))
        product = ir.node("Mul", [node.inputs[0], factor], name=node.name)
        replace_node(graph, node, [product])
    remove_unused_constants(graph)
