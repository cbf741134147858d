"""Operators on two tensors, element by element, with broadcasting."""

from __future__ import annotations

from collections.abc import Callable

import onnx_ir as ir

from edgecompile.formats.tflite.emission import Emission
from edgecompile.formats.tflite.flatbuffer import activation_code, make_options
from edgecompile.formats.tflite.operators.entry import Operator
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


def _arithmetic(name: str, kind: str) -> Callable[[Emission, ir.Node], None]:
    def emit(emission: Emission, node: ir.Node) -> None:
        rank = len(shape_of(node.outputs[0]))
        order = common_order(emission, node, rank)
        operands = [emission.operand(node, index, order, rank) for index in range(2)]
        result, activation = emission.fusing_result(node, order)
        options = make_options(kind, fusedActivationFunction=activation_code(activation))
        if hasattr(options, "potScaleInt16"):
            options.potScaleInt16 = False  # int16 with any scales, not powers of two alone
        emission.op(name, operands, [result], options)

    return emit


def _binary(name: str, kind: str) -> Callable[[Emission, ir.Node], None]:
    """Two or more operands and no fused activation."""

    def emit(emission: Emission, node: ir.Node) -> None:
        rank = len(shape_of(node.outputs[0]))
        order = common_order(emission, node, rank)
        operands = [emission.operand(node, i, order, rank) for i in range(len(node.inputs))]
        result = emission.result(node, order)
        while len(operands) > 2:
            merged = emission.like(result, f"{node.name}.{len(operands)}", result.shape, order)
            emission.op(name, operands[:2], [merged], make_options(kind))
            operands = [merged, *operands[2:]]
        emission.op(name, operands, [result], make_options(kind))

    return emit


def _refuse_single(node: ir.Node) -> str | None:
    return None if len(node.inputs) > 1 else "with one operand it is an identity"


OPERATORS = {
    "Add": Operator(_arithmetic("ADD", "AddOptions"), wide=True),
    "Sub": Operator(_arithmetic("SUB", "SubOptions"), wide=True),
    "Mul": Operator(_arithmetic("MUL", "MulOptions"), wide=True),
    # The int8 kernel of DIV is wrong (toolchain notes, measured: 163 LSB): float.
    "Div": Operator(_arithmetic("DIV", "DivOptions"), integer=False),
    "Pow": Operator(_binary("POW", "PowOptions"), integer=False),
    "Max": Operator(_binary("MAXIMUM", "MaximumMinimumOptions"), _refuse_single, wide=True),
    "Min": Operator(_binary("MINIMUM", "MaximumMinimumOptions"), _refuse_single, wide=True),
}
