"""Gemm and MatMul: FULLY_CONNECTED with constant weights, BATCH_MATMUL between activations."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from edgecompile.formats.tflite.emission import Emission, Tensor, Weight
from edgecompile.formats.tflite.flatbuffer import activation_code, make_options
from edgecompile.formats.tflite.layout import plain
from edgecompile.formats.tflite.operators.entry import Operator, rank_of
from edgecompile.formats.tflite.operators.weights import bias_tensor, kernel_kind, weight_tensor
from edgecompile.graph.constants import is_static, static_value
from edgecompile.graph.hub import Array, shape_of
from edgecompile.graph.qdq import WEIGHT_INPUT


def _refuse_gemm(node: ir.Node) -> str | None:
    if not is_static(node.inputs[WEIGHT_INPUT]):
        return "the second matrix of Gemm must be constant"
    if node.attributes.get_int("transA", 0):
        return "a transposed first matrix is not written"
    alpha, beta = node.attributes.get_float("alpha", 1.0), node.attributes.get_float("beta", 1.0)
    if (alpha, beta) != (1.0, 1.0):
        return "alpha and beta other than 1 are not written"
    return _refuse_bias(node)


def _refuse_bias(node: ir.Node) -> str | None:
    bias = static_value(node.inputs[2]) if len(node.inputs) > 2 else np.zeros(1)
    if len(node.inputs) > 2 and node.inputs[2] is not None and bias is None:
        return "the bias of Gemm must be constant"
    columns = shape_of(node.outputs[0])[-1]
    if bias is None or bias.size == 1 or bias.shape[-1] == bias.size == columns:
        return None
    return "the bias of Gemm must be one number, or one per column"


def _refuse_matmul(node: ir.Node) -> str | None:
    if is_static(node.inputs[0]):
        return "the first matrix of MatMul must be an activation"
    if is_static(node.inputs[1]):
        if rank_of(node.inputs[0]) < 2:
            return "a vector is no matrix here: reshape it"
        return None if rank_of(node.inputs[1]) == 2 else "a constant matrix must be 2-D"
    ranks = rank_of(node.inputs[0]), rank_of(node.inputs[1])
    if min(ranks) < 2:
        return "a vector is no matrix here: reshape it"
    return None if ranks[0] == ranks[1] else "matrices of different rank are not written"


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
    "Gemm": Operator(emit_gemm, _refuse_gemm, wide=True),
    "MatMul": Operator(emit_matmul, _refuse_matmul, wide=True),
}
