"""A pool that ends in one pixel is a mean.

TFLite's AVERAGE_POOL_2D keeps the scale of its input, though a mean has a far smaller range, and
rounds ties of its integer sum upwards where others round the real value. MEAN does neither.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from edgecompile.graph.hub import add_constant, name_of, shape_of
from edgecompile.graph.rewrite import replace_node


def turn_one_pixel_pools_into_means(model: ir.Model) -> None:
    """``AveragePool(kernel = k)`` with a 1x1 result becomes ``Slice[:k] -> ReduceMean(2, 3)``.

    In place; the Slice only where the window leaves rows or columns out. Exact.
    """
    for node in list(model.graph):
        if node.op_type == "AveragePool" and _ends_in_one_pixel(node):
            _replace(model.graph, node)


def _ends_in_one_pixel(node: ir.Node) -> bool:
    return (
        shape_of(node.outputs[0])[2:] == (1, 1)
        and not any(node.attributes.get_ints("pads", [0]))
        and not node.attributes.get_int("ceil_mode", 0)
        and all(step == 1 for step in node.attributes.get_ints("dilations", [1]))
    )


def _replace(graph: ir.Graph, node: ir.Node) -> None:
    source, result = node.inputs[0], node.outputs[0]
    assert source is not None
    kernel = tuple(node.attributes.get_ints("kernel_shape", []))

    def integers(part: str, values: list[int]) -> ir.Value:
        return add_constant(graph, f"{node.name}.{part}", np.array(values, np.int64))

    made: list[ir.Node] = []
    if shape_of(source)[2:] != kernel:
        bounds = [integers("starts", [0, 0]), integers("ends", list(kernel))]
        cut = ir.node("Slice", [source, *bounds, integers("slice_axes", [2, 3])])
        cut.name = f"{node.name}.window"
        window = cut.outputs[0]
        window.name, window.type = f"{name_of(result)}.window", source.type
        window.shape = ir.Shape((*shape_of(source)[:2], *kernel))
        made.append(cut)
        source = window
    mean = ir.node("ReduceMean", [source, integers("axes", [2, 3])], {"keepdims": 1})
    mean.name = f"{node.name}.mean"
    made.append(mean)
    replace_node(graph, node, made)
