"""Gemm and MatMul: FULLY_CONNECTED with constant weights, BATCH_MATMUL between activations."""

from __future__ import annotations

from math import prod

import numpy as np
import onnx_ir as ir

from edgecompile.formats.tflite.emission import Emission, Tensor
from edgecompile.formats.tflite.flatbuffer import VALID, activation_code, make_options
from edgecompile.formats.tflite.operators.entry import Operator
from edgecompile.formats.tflite.operators.weights import bias_tensor, kernel_kind, weight_tensor
from edgecompile.graph.constants import is_static
from edgecompile.graph.hub import Array, shape_of
from edgecompile.graph.layout import CHANNELS_LAST, plain
from edgecompile.graph.qdq import WEIGHT_INPUT
from edgecompile.graph.reading import rank_of, refuse_gemm, refuse_matmul
from edgecompile.graph.written import Weight


def emit_gemm(emission: Emission, node: ir.Node) -> None:
    """``x @ W.T + b`` as FULLY_CONNECTED."""
    weight = emission.weight(node, WEIGHT_INPUT)
    if not node.attributes.get_int("transB", 0):
        weight = _transposed(weight)
    bias = None
    if len(node.inputs) > 2 and node.inputs[2] is not None:
        bias = emission.real_constant(node, 2)
    _fully_connected(emission, node, weight, bias)


def emit_matmul(emission: Emission, node: ir.Node) -> None:
    """``x @ W`` as FULLY_CONNECTED, ``x @ y`` as BATCH_MATMUL."""
    if is_static(node.inputs[1]):
        _fully_connected(emission, node, _transposed(emission.weight(node, WEIGHT_INPUT)), None)
        return
    rank = rank_of(node.inputs[0])
    # A second matrix whose last two axes are stored swapped is multiplied as it lies.
    swapped = (*plain(rank)[:-2], rank - 1, rank - 2)
    y = emission.activation(node, 1)
    adjoint = y.order == swapped
    y = emission.in_order(y, swapped if adjoint else plain(rank))
    x = emission.activation(node, 0, plain(rank))
    result = emission.result(node, plain(rank))
    options = make_options("BatchMatMulOptions", adjX=False, adjY=adjoint)
    emission.op("BATCH_MATMUL", [x, y], [result], options)


def _transposed(weight: Weight) -> Weight:
    axis = None if weight.axis is None else 1 - weight.axis
    return Weight(weight.data.T, weight.scale, axis)


def _fully_connected(emission: Emission, node: ir.Node, weight: Weight, bias: Array | None) -> None:
    """`weight` is (outputs, inputs). Per-channel int8 is version 12: runtimes of 2024 and later."""
    x = emission.activation(node, 0)
    rank = len(x.shape)
    if x.flattened is not None:
        weight = _columns_as_stored(weight, x.flattened)
    else:
        x = emission.in_order(x, plain(rank))
    outputs = weight.data.shape[0]
    real: Array = np.zeros(outputs, np.float32)
    if bias is not None:
        real = np.broadcast_to(bias.reshape(-1), outputs)
    if emission.forms.pixel_convolutions and _needs_convolution(weight, x):
        _pixel_convolution(emission, node, x, weight, real)
        return
    shape = shape_of(node.outputs[0])
    y, activation = emission.fusing_result(node, plain(len(shape)))
    options = make_options(
        "FullyConnectedOptions",
        fusedActivationFunction=activation_code(activation),
        keepNumDims=rank > 2,
    )
    w = weight_tensor(emission, f"{node.name}.weight", weight.data, weight, axis=0)
    b = bias_tensor(emission, f"{node.name}.bias", real, x, weight)
    emission.op("FULLY_CONNECTED", [x, w, b], [y], options, _version(weight, x))


def _needs_convolution(weight: Weight, x: Tensor) -> bool:
    """Is this more than FULLY_CONNECTED of version 4 can do: scales per channel, several rows?"""
    several_rows = prod(x.shape[:-1]) > 1
    per_channel = weight.scale is not None and weight.scale.size > 1
    return kernel_kind(x, weight) == "integer" and (per_channel or several_rows)


def _pixel_convolution(
    emission: Emission, node: ir.Node, x: Tensor, weight: Weight, bias: Array
) -> None:
    """``x @ W.T + b`` as a CONV_2D whose filter sees one pixel; the rows of `x` are its width."""
    outputs, inputs = weight.data.shape
    rows = prod(x.shape[:-1])
    image = emission.reshape(x, (1, inputs, 1, rows), CHANNELS_LAST)
    y = emission.draft(node, (1, outputs, 1, rows), CHANNELS_LAST)
    activation = emission.activation_behind(node)
    options = make_options(
        "Conv2DOptions",
        padding=VALID,
        strideH=1,
        strideW=1,
        dilationHFactor=1,
        dilationWFactor=1,
        fusedActivationFunction=activation_code(activation),
    )
    filters = weight.data[:, None, None, :]
    w = weight_tensor(emission, f"{node.name}.weight", filters, weight, axis=0)
    b = bias_tensor(emission, f"{node.name}.bias", bias, x, weight)
    emission.op("CONV_2D", [image, w, b], [y], options, version=3)
    shape = shape_of(node.outputs[0])
    emission.publish(node, emission.reshape(y, shape, plain(len(shape))), activation)


def _version(weight: Weight, x: Tensor) -> int:
    per_channel = weight.scale is not None and weight.scale.size > 1
    kind = kernel_kind(x, weight)
    if kind == "integer" and per_channel:
        return 12
    if kind == "hybrid" and per_channel:
        return 9
    if kind == "wide":
        return 12 if per_channel else 7
    if len(x.shape) > 2:
        return 5  # keepNumDims
    return {"integer": 4, "hybrid": 3, "float": 1}[kind]


def _columns_as_stored(weight: Weight, shape: tuple[int, int, int]) -> Weight:
    """The weight's columns in the order in which the file holds the flattened image: H, W, C."""
    outputs = weight.data.shape[0]
    data = weight.data.reshape(outputs, *shape).transpose(0, 2, 3, 1).reshape(outputs, -1)
    return Weight(data, weight.scale, weight.axis)


OPERATORS = {
    "Gemm": Operator(emit_gemm, refuse_gemm, wide=True),
    "MatMul": Operator(emit_matmul, refuse_matmul, wide=True),
}
