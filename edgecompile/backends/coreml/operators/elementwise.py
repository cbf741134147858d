"""Operators on two tensors, element by element, with broadcasting."""

from __future__ import annotations

from collections.abc import Callable

import onnx_ir as ir

from edgecompile.backends.coreml.emission import Emission
from edgecompile.backends.coreml.operators.entry import Operator


def _binary(kind: str) -> Callable[[Emission, ir.Node], None]:
    """Two operands, or for `Max` and `Min` more: one after the other."""

    def emit(emission: Emission, node: ir.Node) -> None:
        result = emission.input(node, 0)
        for index in range(1, len(node.inputs) - 1):
            result = emission.step(node, kind, x=result, y=emission.input(node, index))
        emission.op(node, kind, x=result, y=emission.input(node, len(node.inputs) - 1))

    return emit


def _refuse_single(node: ir.Node) -> str | None:
    return None if len(node.inputs) > 1 else "with one operand it is an identity"


OPERATORS = {
    "Add": Operator(_binary("add")),
    "Sub": Operator(_binary("sub")),
    "Mul": Operator(_binary("mul")),
    "Div": Operator(_binary("real_div")),
    "Pow": Operator(_binary("pow")),
    "Max": Operator(_binary("maximum"), _refuse_single),
    "Min": Operator(_binary("minimum"), _refuse_single),
}
