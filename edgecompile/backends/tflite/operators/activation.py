"""Operators on one tensor, element by element, and Softmax."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx_ir as ir

from edgecompile.backends.tflite.emission import Emission, Tensor, fused_activation
from edgecompile.backends.tflite.flatbuffer import make_options
from edgecompile.backends.tflite.layout import plain
from edgecompile.backends.tflite.operators.entry import Operator, is_constant, rank_of
from edgecompile.graph.clamps import clamp_bounds
from edgecompile.graph.hub import shape_of


def _unary(
    name: str, kind: str | None = None, **fields: float
) -> Callable[[Emission, ir.Node], None]:
    def emit(emission: Emission, node: ir.Node) -> None:
        x = emission.activation(node, 0)
        result, _ = emission.result(node, x.order)
        emission.op(name, [x], [result], make_options(kind, **fields) if kind else None)

    return emit


def emit_clamp(emission: Emission, node: ir.Node) -> None:
    """A Relu or Clip of its own (one behind an operator is fused into it)."""
    source = node.inputs[0]
    assert source is not None
    producer = source.producer()
    if producer is not None and producer.op_type != "DequantizeLinear":
        if emission.is_integer(producer) or _absorbed(emission, producer, node):
            return
    x = emission.activation(node, 0)
    result, _ = emission.result(node, x.order)
    name = fused_activation(node)
    if name is not None:
        emission.op(name, [x], [result])
        return
    bounds = clamp_bounds(node)
    for operator, bound in (("MAXIMUM", bounds[0]), ("MINIMUM", bounds[1])):
        if not np.isfinite(bound):
            continue
        last = operator == "MINIMUM" or not np.isfinite(bounds[1])
        y = result if last else emission.like(result, f"{node.name}.low", x.shape, x.order)
        limit = _bound(emission, f"{node.name}.{operator.lower()}", bound, x)
        emission.op(operator, [x, limit], [y], make_options("MaximumMinimumOptions"))
        x = y


def _absorbed(emission: Emission, producer: ir.Node, clamp: ir.Node) -> bool:
    """Float operators write their clamp as an operator of its own."""
    return False


def _bound(emission: Emission, name: str, bound: float, x: Tensor) -> int:
    if x.params is None:
        return emission.constant(name, np.array([bound], np.float32), None)
    step = np.rint(bound / x.params.scale) + x.params.zero_point
    data = np.array([np.clip(step, -128, 127)], np.int8)
    return emission.constant(name, data, x.params)


def emit_leaky_relu(emission: Emission, node: ir.Node) -> None:
    """LEAKY_RELU with the node's slope."""
    x = emission.activation(node, 0)
    result, _ = emission.result(node, x.order)
    slope = node.attributes.get_float("alpha", 0.01)
    emission.op("LEAKY_RELU", [x], [result], make_options("LeakyReluOptions", alpha=slope))


def emit_prelu(emission: Emission, node: ir.Node) -> None:
    """PRELU; its slopes are stored without the batch axis, in the order of the activation."""
    x = emission.activation(node, 0)
    rank = len(x.shape)
    slopes = emission.operand(node, 1, x.order, rank)
    data, params = emission.constant_operand(node, 1)
    data = data.reshape((1,) * (rank - data.ndim) + data.shape).transpose(x.order)[0]
    result, _ = emission.result(node, x.order)
    index = emission.constant(f"{node.name}.slopes", data, params or slopes.params)
    emission.op("PRELU", [x, index], [result])


def emit_gelu(emission: Emission, node: ir.Node) -> None:
    """GELU, exact or with tanh as the node says."""
    x = emission.activation(node, 0)
    result, _ = emission.result(node, x.order)
    approximate = node.attributes.get_string("approximate", "none") == "tanh"
    version = 1 if x.params is None else 2
    options = make_options("GeluOptions", approximate=approximate)
    emission.op("GELU", [x], [result], options, version)


def emit_softmax(emission: Emission, node: ir.Node) -> None:
    """SOFTMAX over the last axis; another axis is moved there."""
    rank = rank_of(node.inputs[0])
    axis = node.attributes.get_int("axis", -1) % rank
    order = (*(a for a in plain(rank) if a != axis), axis)
    x = emission.activation(node, 0, order)
    result, _ = emission.result(node, order)
    emission.op("SOFTMAX", [x], [result], make_options("SoftmaxOptions", beta=1.0))


def emit_hard_sigmoid(emission: Emission, node: ir.Node) -> None:
    """``clip(alpha * x + beta, 0, 1)`` in float: MUL, ADD, RELU_0_TO_1."""
    x = emission.activation(node, 0)
    result, _ = emission.result(node, x.order)
    alpha = node.attributes.get_float("alpha", 0.2)
    beta = node.attributes.get_float("beta", 0.5)
    scaled = emission.like(x, f"{node.name}.scaled", x.shape, x.order)
    shifted = emission.like(x, f"{node.name}.shifted", x.shape, x.order)
    factor = emission.constant(f"{node.name}.alpha", np.array([alpha], np.float32), None)
    offset = emission.constant(f"{node.name}.beta", np.array([beta], np.float32), None)
    emission.op("MUL", [x, factor], [scaled], make_options("MulOptions"))
    emission.op("ADD", [scaled, offset], [shifted], make_options("AddOptions"))
    emission.op("RELU_0_TO_1", [shifted], [result])


def _refuse_clamp(node: ir.Node) -> str | None:
    bounds = [value for value in node.inputs[1:] if value is not None]
    return None if all(is_constant(b) for b in bounds) else "the bounds of Clip must be constant"


def _refuse_prelu(node: ir.Node) -> str | None:
    return None if is_constant(node.inputs[1]) else "the slopes of PRelu must be constant"


def _needs_float(node: ir.Node) -> str | None:
    shape_of(node.outputs[0])
    return None


OPERATORS = {
    "Relu": Operator(emit_clamp, _refuse_clamp),
    "Clip": Operator(emit_clamp, _refuse_clamp),
    "LeakyRelu": Operator(emit_leaky_relu),
    "PRelu": Operator(emit_prelu, _refuse_prelu),
    "Sigmoid": Operator(_unary("LOGISTIC")),
    "Tanh": Operator(_unary("TANH")),
    "HardSwish": Operator(_unary("HARD_SWISH", "HardSwishOptions")),
    "HardSigmoid": Operator(emit_hard_sigmoid),
    "Gelu": Operator(emit_gelu),
    "Softmax": Operator(emit_softmax),
    "Abs": Operator(_unary("ABS", "AbsOptions")),
    "Exp": Operator(_unary("EXP", "ExpOptions")),
    "Sqrt": Operator(_unary("SQRT")),
    "Neg": Operator(_unary("NEG", "NegOptions")),
}
