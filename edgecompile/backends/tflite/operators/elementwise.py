"""Operators on two tensors, element by element, with broadcasting."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import onnx_ir as ir

from edgecompile.backends.tflite.emission import Emission
from edgecompile.backends.tflite.flatbuffer import activation_code, make_options
from edgecompile.backends.tflite.layout import Order, plain
from edgecompile.backends.tflite.operators.entry import Operator, is_constant
from edgecompile.graph.hub import shape_of


def _common_order(emission: Emission, node: ir.Node, rank: int) -> Order:
    """The order of the first operand that has the full rank: the others follow it."""
    for index, value in enumerate(node.inputs):
        if not is_constant(value):
            tensor = emission.activation(node, index)
            if len(tensor.shape) == rank:
                return tensor.order
    return plain(rank)


def _arithmetic(name: str, kind: str) -> Callable[[Emission, ir.Node], None]:
    def emit(emission: Emission, node: ir.Node) -> None:
        rank = len(shape_of(node.outputs[0]))
        order = _common_order(emission, node, rank)
        operands = [emission.operand(node, index, order, rank) for index in range(2)]
        result, activation = emission.result(node, order)
        options = make_options(kind, fusedActivationFunction=activation_code(activation))
        emission.op(name, operands, [result], options)

    return emit


def _extremum(name: str) -> Callable[[Emission, ir.Node], None]:
    def emit(emission: Emission, node: ir.Node) -> None:
        rank = len(shape_of(node.outputs[0]))
        order = _common_order(emission, node, rank)
        operands: list[Any] = [
            emission.operand(node, index, order, rank) for index in range(len(node.inputs))
        ]
        result, _ = emission.result(node, order)
        while len(operands) > 2:
            merged = emission.like(result, f"{node.name}.{len(operands)}", result.shape, order)
            emission.op(name, operands[:2], [merged], make_options("MaximumMinimumOptions"))
            operands = [merged, *operands[2:]]
        emission.op(name, operands, [result], make_options("MaximumMinimumOptions"))

    return emit


def _refuse_single(node: ir.Node) -> str | None:
    return None if len(node.inputs) > 1 else "with one operand it is an identity"


OPERATORS = {
    "Add": Operator(_arithmetic("ADD", "AddOptions")),
    "Sub": Operator(_arithmetic("SUB", "SubOptions")),
    "Mul": Operator(_arithmetic("MUL", "MulOptions")),
    "Max": Operator(_extremum("MAXIMUM"), _refuse_single),
    "Min": Operator(_extremum("MINIMUM"), _refuse_single),
}
