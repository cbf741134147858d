"""Operators on one tensor, element by element, and Softmax."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx_ir as ir

from edgecompile.backends.riscv.generator.crossing import all_reals, integers, look_up
from edgecompile.backends.riscv.generator.emission import Emission, bounds_in
from edgecompile.backends.riscv.generator.functions import values_of
from edgecompile.backends.riscv.generator.operators.entry import Operator
from edgecompile.backends.riscv.generator.text import real
from edgecompile.graph.clamps import clamp_bounds
from edgecompile.graph.constants import is_static
from edgecompile.graph.layout import plain
from edgecompile.graph.reading import rank_of


def _function(kernel: str, *attributes: tuple[str, float]) -> Callable[[Emission, ir.Node], None]:
    """A table of 256 entries for integers of 8 bits, computed by ONNX Runtime; for floats, a
    kernel with the node's attributes as arguments."""

    def emit(emission: Emission, node: ir.Node) -> None:
        x = emission.activation(node, 0)
        if x.params is not None:
            result = emission.clamped_result(node, x.order)
            params = result.tensor.params
            assert params is not None
            table = integers(values_of(node, all_reals(x.params)), params)
            table = np.clip(table, int(result.low), int(result.high)).astype(np.int8)
            look_up(emission, x, result.tensor, table)
            emission.publish_clamped(node, result.tensor)
            return
        y = emission.result(node, x.order)
        values = [real(node.attributes.get_float(name, default)) for name, default in attributes]
        emission.call(kernel, x.read(), y.write(), str(x.size), *values, in_place=[(x, y)])

    return emit


def emit_gelu(emission: Emission, node: ir.Node) -> None:
    """Exact or with tanh, as the node says."""
    approximate = node.attributes.get_string("approximate", "none") == "tanh"
    _function("gelu_tanh_f32" if approximate else "gelu_f32")(emission, node)


def emit_clamp(emission: Emission, node: ir.Node) -> None:
    """A Relu or Clip of its own; nothing if the operator before it has applied its bounds."""
    if emission.is_published(node):
        return
    x = emission.activation(node, 0)
    y = emission.result(node, x.order)
    low, high = bounds_in(y.params, *clamp_bounds(node))
    if x.params is None:
        bounds = [real(low), real(high)]
        kernel = "clamp_f32"
    elif x.params == y.params:
        bounds = [str(int(low)), str(int(high))]
        kernel = f"clamp_s{x.params.bits}"
    else:
        assert y.params is not None
        table = integers(all_reals(x.params), y.params)
        look_up(emission, x, y, np.clip(table, int(low), int(high)).astype(np.int8))
        return
    emission.call(kernel, x.read(), y.write(), str(x.size), *bounds, in_place=[(x, y)])


def emit_softmax(emission: Emission, node: ir.Node) -> None:
    """Over the axis that is stored last; another one is moved there."""
    rank = rank_of(node.inputs[0])
    axis = node.attributes.get_int("axis", -1) % rank
    order = (*(a for a in plain(rank) if a != axis), axis)
    x = emission.activation(node, 0)
    # Channels last has the channels there already, whatever the order of the others.
    x = x if x.order[-1] == axis else emission.in_order(x, order)
    y = emission.result(node, x.order)
    count = x.shape[axis]
    sizes = [str(x.size // count), str(count)]
    if x.params is None:
        kernel = "log_softmax_f32" if node.op_type == "LogSoftmax" else "softmax_f32"
        emission.call(kernel, x.read(), y.write(), *sizes, in_place=[(x, y)])
        return
    assert y.params is not None
    # exp of each difference to the largest number of a row, which is at most 255 steps.
    differences = np.arange(256, dtype=np.float64) * np.float32(x.params.scale)
    table = np.exp(-differences).astype(np.float32)
    emission.call(
        "softmax_s8",
        x.read(),
        y.write(),
        *sizes,
        emission.constant_pointer(f"{node.name}_exponentials", table),
        real(1 / np.float64(np.float32(y.params.scale))),
        str(y.params.zero_point),
        in_place=[(x, y)],
    )


def _refuse_clamp(node: ir.Node) -> str | None:
    bounds = [value for value in node.inputs[1:] if value is not None]
    return None if all(is_static(b) for b in bounds) else "the bounds of Clip must be constant"


OPERATORS = {
    "Relu": Operator(emit_clamp, _refuse_clamp),
    "Clip": Operator(emit_clamp, _refuse_clamp),
    "LeakyRelu": Operator(_function("leaky_relu_f32", ("alpha", 0.01))),
    "Elu": Operator(_function("elu_f32", ("alpha", 1.0))),
    "Sigmoid": Operator(_function("sigmoid_f32")),
    "Tanh": Operator(_function("tanh_f32")),
    "HardSwish": Operator(_function("hard_swish_f32")),
    "HardSigmoid": Operator(_function("hard_sigmoid_f32", ("alpha", 0.2), ("beta", 0.5))),
    "Gelu": Operator(emit_gelu),
    "Abs": Operator(_function("abs_f32")),
    "Exp": Operator(_function("exp_f32")),
    "Log": Operator(_function("log_f32")),
    "Sqrt": Operator(_function("sqrt_f32")),
    "Neg": Operator(_function("neg_f32")),
    "Sin": Operator(_function("sin_f32")),
    "Cos": Operator(_function("cos_f32")),
    "Floor": Operator(_function("floor_f32")),
    "Ceil": Operator(_function("ceil_f32")),
    "Round": Operator(_function("round_f32")),
    "Sign": Operator(_function("sign_f32")),
    "Erf": Operator(_function("erf_f32")),
    "Softplus": Operator(_function("softplus_f32")),
    "Reciprocal": Operator(_function("reciprocal_f32")),
    "Softmax": Operator(emit_softmax),
    "LogSoftmax": Operator(emit_softmax, integer=False),
}
