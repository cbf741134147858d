"""Gemm and MatMul: `linear` with constant weights, `matmul` between activations."""

from __future__ import annotations

import onnx_ir as ir

from edgecompile.backends.coreml.emission import Emission
from edgecompile.backends.coreml.operators.entry import Operator
from edgecompile.graph.constants import is_static
from edgecompile.graph.hub import Array, shape_of
from edgecompile.graph.qdq import WEIGHT_INPUT
from edgecompile.graph.reading import rank_of, refuse_scaled_product

_WIDEST = 3
"""Rank up to which `linear` takes its input (coremltools, mil/ops/defs/iOS15/linear.py)."""


def emit_gemm(emission: Emission, node: ir.Node) -> None:
    """``x @ W.T + b``."""
    transposed = not node.attributes.get_int("transB", 0)
    _linear(emission, node, transposed, emission.real(node, 2))


def emit_matmul(emission: Emission, node: ir.Node) -> None:
    """``x @ W`` with a constant matrix, else a product of two activations."""
    if is_static(node.inputs[WEIGHT_INPUT]) and rank_of(node.inputs[WEIGHT_INPUT]) == 2:
        if rank_of(node.inputs[0]) <= _WIDEST:
            _linear(emission, node, True, None)
            return
        y = emission.weight(node, WEIGHT_INPUT)
    else:
        y = emission.input(node, 1)
    emission.op(node, "matmul", x=emission.input(node, 0), y=y)


def _linear(emission: Emission, node: ir.Node, transposed: bool, bias: Array | None) -> None:
    weight = emission.weight(node, WEIGHT_INPUT, transposed=transposed)
    more = {}
    if bias is not None:
        columns = shape_of(node.outputs[0])[-1]
        more["bias"] = emission.floats(bias.reshape(-1).repeat(columns // bias.size))
    emission.op(node, "linear", x=emission.input(node, 0), weight=weight, **more)


def _refuse_gemm(node: ir.Node) -> str | None:
    if not is_static(node.inputs[WEIGHT_INPUT]) or bool(node.attributes.get_int("transA", 0)):
        return "the second matrix of Gemm must be constant, the first not transposed"
    return refuse_scaled_product(node)


def _refuse_matmul(node: ir.Node) -> str | None:
    if is_static(node.inputs[0]):
        return "the first matrix of MatMul must be an activation"
    if min(rank_of(node.inputs[0]), rank_of(node.inputs[1])) < 2:
        return "a vector is no matrix here: reshape it"
    return None


OPERATORS = {
    "Gemm": Operator(emit_gemm, _refuse_gemm),
    "MatMul": Operator(emit_matmul, _refuse_matmul),
}
