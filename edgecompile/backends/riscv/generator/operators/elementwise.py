"""Operators on two tensors, element by element, with broadcasting."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import onnx_ir as ir

from edgecompile.backends.riscv.generator.emission import Emission, Result
from edgecompile.backends.riscv.generator.movement import strides_of
from edgecompile.backends.riscv.generator.operators.entry import Operator
from edgecompile.backends.riscv.generator.storage import Tensor
from edgecompile.backends.riscv.generator.text import structure
from edgecompile.graph.constants import is_static
from edgecompile.graph.hub import shape_of
from edgecompile.graph.layout import Order, plain


def common_order(emission: Emission, node: ir.Node, rank: int) -> Order:
    """The order of the first activation that has the full rank: the other operands follow it."""
    for index, value in enumerate(node.inputs):
        if not is_static(value):
            tensor = emission.activation(node, index)
            if len(tensor.shape) == rank:
                return tensor.order
    return plain(rank)


@dataclass(frozen=True)
class Broadcast:
    """Two operands run through a result: the innermost run of `count` numbers in a kernel, with
    steps of 1 or 0, the rest in loops of which each operand has its own steps."""

    count: int
    step_a: int
    step_b: int
    loops: tuple[int, ...]
    loops_a: tuple[int, ...]
    loops_b: tuple[int, ...]
    loops_y: tuple[int, ...]

    @classmethod
    def of(cls, a: Tensor, b: Tensor, y: Tensor) -> Broadcast:
        """All three are stored in one order."""
        axes: list[tuple[int, int, int, int]] = []
        sources = zip(_steps(a), _steps(b), strict=True)
        for size, (one, other), out in zip(y.stored, sources, strides_of(y.stored), strict=True):
            if size == 1:
                continue
            if axes and axes[-1][1:] == (one * size, other * size, out * size):
                axes[-1] = (axes[-1][0] * size, one, other, out)
            else:
                axes.append((size, one, other, out))
        *outer, (count, step_a, step_b, _) = axes or [(1, 1, 1, 1)]
        loops, loops_a, loops_b, loops_y = zip(*outer, strict=True) if outer else ((), (), (), ())
        return cls(count, step_a, step_b, loops, loops_a, loops_b, loops_y)


def _steps(tensor: Tensor) -> list[int]:
    strides = strides_of(tensor.stored)
    return [0 if n == 1 else stride for n, stride in zip(tensor.stored, strides, strict=True)]


def emit_binary(
    emission: Emission, kernel: str, a: Tensor, b: Tensor, result: Result, *, negative: bool = False
) -> None:
    """Call `kernel` for integers or floats; `negative` subtracts the second operand."""
    y = result.tensor
    runs = Broadcast.of(a, b, y)
    fields: dict[str, object] = {"count": runs.count, "step_a": runs.step_a, "step_b": runs.step_b}
    if y.params is None:
        fields |= {"low": float(result.low), "high": float(result.high)}
    else:
        assert a.params is not None
        assert b.params is not None
        fields |= {"low": int(result.low), "high": int(result.high)}
        fields |= {"zero_a": a.params.zero_point, "zero_b": b.params.zero_point}
        fields |= {"zero": y.params.zero_point, "scale": y.params.scale}
        divisor = y.params.scale if kernel == "add" else 1.0
        sign = -1.0 if negative else 1.0
        fields |= {"scale_a": a.params.scale / divisor, "scale_b": sign * b.params.scale / divisor}
    suffix = "f32" if y.params is None else f"s{y.params.bits}"
    shape = "binary_f32" if y.params is None else "binary"
    name = "subtract" if negative and y.params is None else kernel
    emission.call(
        f"{name}_{suffix}",
        a.read(steps=runs.loops_a),
        b.read(steps=runs.loops_b),
        y.write(steps=runs.loops_y),
        structure(shape, fields),
        loops=runs.loops,
        in_place=[(one, y) for one in (a, b) if one.size == y.size],
    )


def _arithmetic(kernel: str, *, negative: bool = False) -> Callable[[Emission, ir.Node], None]:
    def emit(emission: Emission, node: ir.Node) -> None:
        rank = len(shape_of(node.outputs[0]))
        order = common_order(emission, node, rank)
        a, b = (emission.operand(node, index, order, rank) for index in range(2))
        result = emission.clamped_result(node, order)
        emit_binary(emission, kernel, a, b, result, negative=negative)
        emission.publish_clamped(node, result.tensor)

    return emit


def _selection(kernel: str) -> Callable[[Emission, ir.Node], None]:
    """Two or more operands of one scale."""

    def emit(emission: Emission, node: ir.Node) -> None:
        rank = len(shape_of(node.outputs[0]))
        order = common_order(emission, node, rank)
        first, *rest = (emission.operand(node, i, order, rank) for i in range(len(node.inputs)))
        result = emission.clamped_result(node, order)
        for operand in rest:
            is_last = operand is rest[-1]
            shape = [max(pair) for pair in zip(first.shape, operand.shape, strict=True)]
            merged = emission.new(f"{node.name}.merged", shape, order, result.tensor.params)
            target = Result(result.tensor if is_last else merged, result.low, result.high)
            emit_binary(emission, kernel, first, operand, target)
            first = target.tensor
        emission.publish_clamped(node, result.tensor)

    return emit


def emit_prelu(emission: Emission, node: ir.Node) -> None:
    """Slopes are broadcast like any second operand."""
    rank = len(shape_of(node.outputs[0]))
    x = emission.activation(node, 0)
    slopes = emission.operand(node, 1, x.order, rank)
    result = emission.clamped_result(node, x.order)
    emit_binary(emission, "prelu", x, slopes, result)
    emission.publish_clamped(node, result.tensor)


def _refuse_single(node: ir.Node) -> str | None:
    return None if len(node.inputs) > 1 else "with one operand it is an identity"


OPERATORS = {
    "Add": Operator(_arithmetic("add")),
    "Sub": Operator(_arithmetic("add", negative=True)),
    "Mul": Operator(_arithmetic("multiply")),
    "Div": Operator(_arithmetic("divide"), integer=False),
    "Pow": Operator(_arithmetic("power"), integer=False),
    "Max": Operator(_selection("maximum"), _refuse_single),
    "Min": Operator(_selection("minimum"), _refuse_single),
    "PRelu": Operator(emit_prelu),
}
