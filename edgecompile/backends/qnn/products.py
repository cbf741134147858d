"""Matrix products with 16-bit activations as 1x1 convolutions: the same sums.

With 16-bit activations, one weight scale per channel and more than one row, QNN's FullyConnected
and MatMul compute something else (SQNR -4 dB on the emulator of onnxruntime-qnn 2.7.0, measured on
fmnist_vit), while Conv2d with the same numbers is right (70 dB).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from edgecompile.backends.qnn.pairs import add_pair
from edgecompile.graph.constants import dequantized_constant
from edgecompile.graph.hub import (
    Array,
    add_constant,
    constant,
    name_of,
    remove_unused_constants,
    shape_of,
)
from edgecompile.graph.qdq import WEIGHT_INPUT
from edgecompile.graph.rewrite import replace_node

_TO_CHANNELS_FIRST, _TO_CHANNELS_LAST = (0, 3, 1, 2), (0, 2, 3, 1)


def convolve_wide_products(hub: ir.Model) -> None:
    """``Gemm(x, W, b)`` becomes ``Reshape -> Transpose -> Conv -> Transpose -> Reshape``, in place.

    The rows of x lie along the image's height. Every new tensor has the integers of x or of the
    product.
    """
    graph = hub.graph
    for node in list(graph):
        if node.op_type in {"Gemm", "MatMul"} and _is_wide(node):
            _convolve(graph, node)
    remove_unused_constants(graph)


def _is_wide(node: ir.Node) -> bool:
    """16-bit activations, a weight scale per channel, several rows?"""
    source, weight = node.inputs[0], dequantized_constant(node.inputs[WEIGHT_INPUT])
    if source is None or weight is None or weight.axis is None or weight.data.ndim != 2:
        return False
    producer = source.producer()
    if producer is None or producer.op_type != "DequantizeLinear":
        return False
    zero = constant(producer.inputs[2])
    rows = int(np.prod(shape_of(source)[:-1]))
    return zero is not None and zero.dtype.itemsize == 2 and rows > 1 and _is_plain(node)


def _is_plain(node: ir.Node) -> bool:
    """``x W + b`` without factors, b one row?"""
    if node.op_type == "MatMul":
        return True
    attributes = node.attributes
    bias = node.inputs[2] if len(node.inputs) > 2 else None
    channels = shape_of(node.outputs[0])[-1]
    return (
        attributes.get_float("alpha", 1.0) == 1.0
        and attributes.get_float("beta", 1.0) == 1.0
        and not attributes.get_int("transA", 0)
        and (bias is None or (constant(bias) is not None and shape_of(bias)[-1] == channels))
    )


def _convolve(graph: ir.Graph, node: ir.Node) -> None:
    source, weight = node.inputs[0], node.inputs[WEIGHT_INPUT]
    assert source is not None and weight is not None
    before = source.producer()
    after = [use.node for use in node.outputs[0].uses()]
    if before is None or len(after) != 1 or after[0].op_type != "QuantizeLinear":
        return
    taken, given = before.inputs[1:], after[0].inputs[1:]
    *lead, inner = shape_of(source)
    rows, channels = int(np.prod(lead)), shape_of(node.outputs[0])[-1]
    name = node.name or name_of(node.outputs[0])
    made: list[ir.Node] = []

    def add(
        op_type: str,
        inputs: Sequence[ir.Value | None],
        shape: tuple[int, ...],
        label: str,
        **attributes: Sequence[int],
    ) -> ir.Value:
        made.append(ir.node(op_type, inputs, attributes, name=f"{name}.{label}"))
        value = made[-1].outputs[0]
        value.name, value.type = f"{name}.{label}", source.type
        value.shape = ir.Shape(shape)
        return value

    def paired(value: ir.Value, parameters: Sequence[ir.Value | None]) -> ir.Value:
        made.extend(add_pair(value, parameters, name_of(value)))
        return made[-1].outputs[0]

    def shape_constant(shape: tuple[int, ...], label: str) -> ir.Value:
        return add_constant(graph, f"{name}.{label}", np.array(shape, np.int64))

    image = (1, rows, 1, inner)
    x = add("Reshape", [source, shape_constant(image, "image")], image, "rows")
    x = paired(x, taken)
    x = add("Transpose", [x], (1, inner, rows, 1), "channels_first", perm=_TO_CHANNELS_FIRST)
    x = paired(x, taken)
    kernel = _kernel(graph, node, weight, name)
    made.append(kernel)
    bias = _bias(graph, node, name)
    operands = [x, kernel.outputs[0], *([] if bias is None else [bias])]
    y = paired(add("Conv", operands, (1, channels, rows, 1), "convolution"), given)
    y = add("Transpose", [y], (1, rows, 1, channels), "channels_last", perm=_TO_CHANNELS_LAST)
    y = paired(y, given)
    shape = (*lead, channels)
    add("Reshape", [y, shape_constant(shape, "shape")], shape, "product")
    replace_node(graph, node, made)
    pair = weight.producer()
    if pair is not None and not weight.uses():
        graph.remove(pair, safe=True)


def _kernel(graph: ir.Graph, node: ir.Node, weight: ir.Value, name: str) -> ir.Node:
    """The weight's DequantizeLinear, its integers as (output channels, input channels, 1, 1)."""
    pair = weight.producer()
    assert pair is not None
    data = constant(pair.inputs[0])
    assert data is not None
    if not node.attributes.get_int("transB", 0):
        data = data.T
    kernel: Array = np.ascontiguousarray(data)[:, :, None, None]
    integers = add_constant(graph, f"{name}.kernel.integers", kernel)
    made = ir.node(
        "DequantizeLinear", [integers, *pair.inputs[1:]], {"axis": 0}, name=f"{name}.kernel"
    )
    value = made.outputs[0]
    value.name, value.type = f"{name}.kernel", weight.type
    value.shape = ir.Shape(kernel.shape)
    return made


def _bias(graph: ir.Graph, node: ir.Node, name: str) -> ir.Value | None:
    real = constant(node.inputs[2]) if len(node.inputs) > 2 else None
    return None if real is None else add_constant(graph, f"{name}.bias", real.reshape(-1))
