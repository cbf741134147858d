"""Operators on one tensor, element by element, and Softmax."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx_ir as ir

from edgecompile.formats.tflite.emission import Emission, Tensor, fused_activation
from edgecompile.formats.tflite.flatbuffer import make_options
from edgecompile.formats.tflite.operators.entry import Operator
from edgecompile.graph.clamps import clamp_bounds
from edgecompile.graph.constants import is_static
from edgecompile.graph.layout import plain
from edgecompile.graph.reading import rank_of


def _unary(name: str, kind: str | None = None) -> Callable[[Emission, ir.Node], None]:
    def emit(emission: Emission, node: ir.Node) -> None:
        x = emission.activation(node, 0)
        result = emission.result(node, x.order)
        emission.op(name, [x], [result], make_options(kind) if kind else None)

    return emit


def emit_clamp(emission: Emission, node: ir.Node) -> None:
    """A Relu or Clip of its own; nothing if the operator before it has fused it."""
    if emission.is_published(node):
        return
    x = emission.activation(node, 0)
    result = emission.result(node, x.order)
    name = fused_activation(node)
    # RELU_N1_TO_1 has no kernel for int16 (tensorflow/lite/kernels/activations.cc, Relu1Eval).
    if name is not None and not (name == "RELU_N1_TO_1" and _is_wide(x)):
        emission.op(name, [x], [result])
        return
    # RELU's kernel rescales; MAXIMUM and MINIMUM compare integers of one scale.
    x = emission.rescaled(x, result.params)
    low, high = clamp_bounds(node)
    bounds = [(n, b) for n, b in (("MAXIMUM", low), ("MINIMUM", high)) if np.isfinite(b)]
    if not bounds:
        bounds = [("MAXIMUM", float(np.finfo(np.float32).min))]
    for step, (name, bound) in enumerate(bounds):
        is_last = step == len(bounds) - 1
        y = result if is_last else emission.like(result, f"{node.name}.low", x.shape, x.order)
        limit = _limit(emission, f"{node.name}.{name.lower()}", bound, x)
        emission.op(name, [x, limit], [y], make_options("MaximumMinimumOptions"))
        x = y


def _is_wide(x: Tensor) -> bool:
    return x.params is not None and x.params.bits == 16


def _limit(emission: Emission, name: str, bound: float, x: Tensor) -> int:
    if x.params is None:
        return emission.constant(name, np.array([bound], np.float32), None)
    return emission.constant(name, x.params.integers(np.array([bound])), x.params)


def emit_leaky_relu(emission: Emission, node: ir.Node) -> None:
    """LEAKY_RELU with the node's slope."""
    x = emission.activation(node, 0)
    result = emission.result(node, x.order)
    slope = node.attributes.get_float("alpha", 0.01)
    emission.op("LEAKY_RELU", [x], [result], make_options("LeakyReluOptions", alpha=slope))


def emit_elu(emission: Emission, node: ir.Node) -> None:
    """ELU, whose slope TFLite fixes to 1."""
    x = emission.activation(node, 0)
    emission.op("ELU", [x], [emission.result(node, x.order)])


def emit_prelu(emission: Emission, node: ir.Node) -> None:
    """PRELU; its slopes are stored without the batch axis, in the order of the activation."""
    x = emission.activation(node, 0)
    rank = len(x.shape)
    data, params = emission.constant_operand(node, 1)
    data = data.reshape((1,) * (rank - data.ndim) + data.shape).transpose(x.order)[0]
    result = emission.result(node, x.order)
    emission.op("PRELU", [x, emission.constant(f"{node.name}.slopes", data, params)], [result])


def emit_gelu(emission: Emission, node: ir.Node) -> None:
    """GELU, exact or with tanh as the node says."""
    x = emission.activation(node, 0)
    result = emission.result(node, x.order)
    approximate = node.attributes.get_string("approximate", "none") == "tanh"
    version = 1 if x.params is None else 2
    options = make_options("GeluOptions", approximate=approximate)
    emission.op("GELU", [x], [result], options, version)


def emit_softmax(emission: Emission, node: ir.Node) -> None:
    """SOFTMAX over the last axis; another axis is moved there."""
    rank = rank_of(node.inputs[0])
    axis = node.attributes.get_int("axis", -1) % rank
    order = (*(a for a in plain(rank) if a != axis), axis)
    x = emission.activation(node, 0)
    # Channels last has the channels there already, whatever the order of the others.
    x = x if x.order[-1] == axis else emission.in_order(x, order)
    result = emission.result(node, x.order)
    emission.op("SOFTMAX", [x], [result], make_options("SoftmaxOptions", beta=1.0))


def emit_hard_sigmoid(emission: Emission, node: ir.Node) -> None:
    """``clip(alpha * x + beta, 0, 1)`` in float: MUL, ADD, RELU_0_TO_1."""
    x = emission.activation(node, 0)
    alpha = node.attributes.get_float("alpha", 0.2)
    beta = node.attributes.get_float("beta", 0.5)
    scaled = emission.like(x, f"{node.name}.scaled", x.shape, x.order)
    shifted = emission.like(x, f"{node.name}.shifted", x.shape, x.order)
    factor = emission.constant(f"{node.name}.alpha", np.array(alpha, np.float32), None)
    offset = emission.constant(f"{node.name}.beta", np.array(beta, np.float32), None)
    emission.op("MUL", [x, factor], [scaled], make_options("MulOptions"))
    emission.op("ADD", [scaled, offset], [shifted], make_options("AddOptions"))
    emission.op("RELU_0_TO_1", [shifted], [emission.result(node, x.order)])


def emit_log_softmax(emission: Emission, node: ir.Node) -> None:
    """LOG_SOFTMAX over the last axis, in float: its int8 output range is fixed and coarse."""
    x = emission.activation(node, 0, plain(rank_of(node.inputs[0])))
    result = emission.result(node, x.order)
    emission.op("LOG_SOFTMAX", [x], [result], make_options("LogSoftmaxOptions"))


def _refuse_log_softmax(node: ir.Node) -> str | None:
    axis = node.attributes.get_int("axis", -1)
    is_last = axis in {-1, rank_of(node.inputs[0]) - 1}
    return None if is_last else "LogSoftmax is written over the last axis only"


def _refuse_clamp(node: ir.Node) -> str | None:
    bounds = [value for value in node.inputs[1:] if value is not None]
    return None if all(is_static(b) for b in bounds) else "the bounds of Clip must be constant"


def _refuse_prelu(node: ir.Node) -> str | None:
    return None if is_static(node.inputs[1]) else "the slopes of PRelu must be constant"


def _refuse_elu(node: ir.Node) -> str | None:
    alpha = node.attributes.get_float("alpha", 1.0)
    return None if alpha == 1.0 else "ELU is written for alpha 1 only"


def _refuse_softmax(node: ir.Node) -> str | None:
    # tensorflow/lite/kernels/activations.cc, SoftmaxPrepare and SoftmaxEval.
    return None if rank_of(node.inputs[0]) <= 4 else "SOFTMAX has at most four dimensions"


OPERATORS = {
    "Relu": Operator(emit_clamp, _refuse_clamp, wide=True),
    "Clip": Operator(emit_clamp, _refuse_clamp, wide=True),
    "LeakyRelu": Operator(emit_leaky_relu, wide=True),
    "PRelu": Operator(emit_prelu, _refuse_prelu),
    "Elu": Operator(emit_elu, _refuse_elu),
    "Sigmoid": Operator(_unary("LOGISTIC"), wide=True),
    "Tanh": Operator(_unary("TANH"), wide=True),
    "HardSwish": Operator(_unary("HARD_SWISH", "HardSwishOptions")),
    "HardSigmoid": Operator(emit_hard_sigmoid, integer=False),
    "Gelu": Operator(emit_gelu),
    "Softmax": Operator(emit_softmax, _refuse_softmax, wide=True),
    "Abs": Operator(_unary("ABS", "AbsOptions")),
    "Exp": Operator(_unary("EXP", "ExpOptions"), integer=False),
    "Log": Operator(_unary("LOG"), integer=False),
    "Sqrt": Operator(_unary("SQRT"), integer=False),
    "Neg": Operator(_unary("NEG", "NegOptions"), integer=False),
    "Sin": Operator(_unary("SIN"), integer=False),
    "Cos": Operator(_unary("COS", "CosOptions"), integer=False),
    "Floor": Operator(_unary("FLOOR"), integer=False),
    "Ceil": Operator(_unary("CEIL"), integer=False),
    "Round": Operator(_unary("ROUND"), integer=False),
    "Sign": Operator(_unary("SIGN"), integer=False),
    "LogSoftmax": Operator(emit_log_softmax, _refuse_log_softmax, integer=False),
}
