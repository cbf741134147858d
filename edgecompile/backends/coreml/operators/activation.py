"""Operators on one tensor, element by element, and Softmax."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx_ir as ir

from edgecompile.backends.coreml.emission import Emission
from edgecompile.backends.coreml.operators.entry import Operator
from edgecompile.graph.clamps import clamp_bounds
from edgecompile.graph.constants import is_static
from edgecompile.graph.hub import shape_of
from edgecompile.graph.reading import rank_of


def _unary(kind: str) -> Callable[[Emission, ir.Node], None]:
    def emit(emission: Emission, node: ir.Node) -> None:
        emission.op(node, kind, x=emission.input(node, 0))

    return emit


def emit_clip(emission: Emission, node: ir.Node) -> None:
    """`clip`, which wants both bounds; with one of them `maximum` or `minimum`."""
    x = emission.input(node, 0)
    low, high = clamp_bounds(node)
    if np.isfinite(low) and np.isfinite(high):
        emission.op(node, "clip", x=x, alpha=emission.floats(low), beta=emission.floats(high))
    elif np.isfinite(low):
        emission.op(node, "maximum", x=x, y=emission.floats(low))
    elif np.isfinite(high):
        emission.op(node, "minimum", x=x, y=emission.floats(high))
    else:
        emission.op(node, "identity", x=x)


def _with_attribute(
    kind: str, attribute: str, default: float
) -> Callable[[Emission, ir.Node], None]:
    def emit(emission: Emission, node: ir.Node) -> None:
        slope = node.attributes.get_float(attribute, default)
        emission.op(node, kind, x=emission.input(node, 0), alpha=emission.floats(slope))

    return emit


def emit_prelu(emission: Emission, node: ir.Node) -> None:
    """`prelu`, with one slope per channel."""
    slopes = emission.real(node, 1)
    assert slopes is not None
    channels = shape_of(node.outputs[0])[1]
    alpha = slopes.reshape(-1).repeat(channels // slopes.size)
    emission.op(node, "prelu", x=emission.input(node, 0), alpha=emission.floats(alpha))


def emit_gelu(emission: Emission, node: ir.Node) -> None:
    """`gelu`, exact or with tanh as the node says."""
    approximate = node.attributes.get_string("approximate", "none") == "tanh"
    mode = "TANH_APPROXIMATION" if approximate else "EXACT"
    emission.op(node, "gelu", x=emission.input(node, 0), mode=mode)


def emit_hard_sigmoid(emission: Emission, node: ir.Node) -> None:
    """`sigmoid_hard` with the node's slope and offset."""
    alpha = emission.floats(node.attributes.get_float("alpha", 0.2))
    beta = emission.floats(node.attributes.get_float("beta", 0.5))
    emission.op(node, "sigmoid_hard", x=emission.input(node, 0), alpha=alpha, beta=beta)


def emit_hard_swish(emission: Emission, node: ir.Node) -> None:
    """``x * clip(x / 6 + 0.5, 0, 1)``."""
    x = emission.input(node, 0)
    gate = emission.step(
        node, "sigmoid_hard", x=x, alpha=emission.floats(1 / 6), beta=emission.floats(0.5)
    )
    emission.op(node, "mul", x=x, y=gate)


def emit_log(emission: Emission, node: ir.Node) -> None:
    """`log` without the epsilon that it would add by default."""
    emission.op(node, "log", x=emission.input(node, 0), epsilon=emission.floats(0.0))


def emit_reciprocal(emission: Emission, node: ir.Node) -> None:
    """A division: `inverse` cannot be told to add nothing."""
    emission.op(node, "real_div", x=emission.floats(1.0), y=emission.input(node, 0))


def emit_negation(emission: Emission, node: ir.Node) -> None:
    """A product with -1."""
    emission.op(node, "mul", x=emission.input(node, 0), y=emission.floats(-1.0))


def emit_softmax(emission: Emission, node: ir.Node) -> None:
    """`softmax` over the node's axis."""
    axis = node.attributes.get_int("axis", -1)
    emission.op(node, "softmax", x=emission.input(node, 0), axis=axis)


def emit_log_softmax(emission: Emission, node: ir.Node) -> None:
    """``x - log(sum(exp(x)))``: the logarithm of a softmax would underflow in float16."""
    x, axis = emission.input(node, 0), node.attributes.get_int("axis", -1)
    total = emission.step(node, "reduce_log_sum_exp", x=x, axes=[axis], keep_dims=True)
    emission.op(node, "sub", x=x, y=total)


def _refuse_clip(node: ir.Node) -> str | None:
    bounds = [value for value in node.inputs[1:] if value is not None]
    return None if all(is_static(b) for b in bounds) else "the bounds of Clip must be constant"


def _refuse_prelu(node: ir.Node) -> str | None:
    slopes = node.inputs[1]
    if slopes is None or not is_static(slopes):
        return "the slopes of PRelu must be constant"
    rank = rank_of(node.inputs[0])
    if rank < 3:
        return "MIL's prelu wants a tensor with channels and at least one more axis"
    shape = (1,) * (rank - rank_of(slopes)) + shape_of(slopes)
    if all(size == 1 for axis, size in enumerate(shape) if axis != 1):
        return None
    return "the slopes of PRelu must be one number, or one per channel"


OPERATORS = {
    "Relu": Operator(_unary("relu")),
    "Clip": Operator(emit_clip, _refuse_clip),
    "LeakyRelu": Operator(_with_attribute("leaky_relu", "alpha", 0.01)),
    "Elu": Operator(_with_attribute("elu", "alpha", 1.0)),
    "PRelu": Operator(emit_prelu, _refuse_prelu),
    "Sigmoid": Operator(_unary("sigmoid")),
    "Tanh": Operator(_unary("tanh")),
    "HardSwish": Operator(emit_hard_swish),
    "HardSigmoid": Operator(emit_hard_sigmoid),
    "Gelu": Operator(emit_gelu),
    "Softmax": Operator(emit_softmax),
    "LogSoftmax": Operator(emit_log_softmax),
    "Softplus": Operator(_unary("softplus")),
    "Abs": Operator(_unary("abs")),
    "Erf": Operator(_unary("erf")),
    "Exp": Operator(_unary("exp")),
    "Log": Operator(emit_log),
    "Sqrt": Operator(_unary("sqrt")),
    "Reciprocal": Operator(emit_reciprocal),
    "Neg": Operator(emit_negation),
    "Sin": Operator(_unary("sin")),
    "Cos": Operator(_unary("cos")),
    "Floor": Operator(_unary("floor")),
    "Ceil": Operator(_unary("ceil")),
    "Round": Operator(_unary("round")),
    "Sign": Operator(_unary("sign")),
    "Identity": Operator(_unary("identity")),
}
