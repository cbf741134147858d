"""BatchNorm that no convolution takes in: what it computes in inference is a scale and a shift."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from edgecompile.graph.hub import add_constant, constant, name_of, shape_of
from edgecompile.graph.rewrite import replace_node


def turn_batch_norms_into_scales(model: ir.Model) -> None:
    """``BatchNormalization(x, g, b, m, v)`` becomes ``x * g/sqrt(v+e) + (b - m*g/sqrt(v+e))``.

    In place. onnxsim has folded those that stand directly behind a convolution; one in front of
    it, or behind a sum or a Relu, is left.
    """
    for node in list(model.graph):
        if node.op_type == "BatchNormalization" and all(
            constant(value) is not None for value in node.inputs[1:]
        ):
            _replace(model.graph, node)


def _replace(graph: ir.Graph, node: ir.Node) -> None:
    source, result = node.inputs[0], node.outputs[0]
    assert source is not None
    gain, shift, mean, variance = (
        np.asarray(constant(value), np.float64) for value in node.inputs[1:5]
    )
    factor = gain / np.sqrt(variance + node.attributes.get_float("epsilon", 1e-5))
    broadcast = (-1, *([1] * (len(shape_of(source)) - 2)))

    def channels(part: str, values: np.typing.NDArray[np.float64]) -> ir.Value:
        array = values.reshape(broadcast).astype(np.float32)
        return add_constant(graph, f"{node.name}.{part}", array)

    scale = ir.node("Mul", [source, channels("factor", factor)], name=f"{node.name}.scale")
    offset = channels("offset", shift - mean * factor)
    add = ir.node("Add", [scale.outputs[0], offset], name=f"{node.name}.shift")
    scale.outputs[0].name = f"{name_of(result)}.scaled"
    scale.outputs[0].type, scale.outputs[0].shape = result.type, result.shape
    replace_node(graph, node, [scale, add])
