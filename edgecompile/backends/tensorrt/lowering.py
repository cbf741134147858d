"""The hub as the ONNX file that TensorRT is given, and what was done to it on the way."""

from __future__ import annotations

from dataclasses import dataclass

import onnx
import onnx_ir as ir

from edgecompile.backends.tensorrt.half import HALF_SCALES_OPSET, to_half, unfit_for_half
from edgecompile.backends.tensorrt.options import LoweringOptions
from edgecompile.backends.tensorrt.pairs import DroppedPair, keep_needed_pairs
from edgecompile.backends.tensorrt.sparsity import sparse_operators
from edgecompile.errors import ContractError
from edgecompile.graph.constants import dequantized_constant, half_constant
from edgecompile.graph.hub import add_constant, name_of, remove_unused_constants, require_opset
from edgecompile.graph.qdq import ELEMENTWISE

MODEL_FILE = "model.onnx"


@dataclass(frozen=True)
class Lowered:
    """The ONNX model for TensorRT. `float_type` is what it computes in beside int8."""

    model: ir.Model
    float_type: str
    why_float32: str | None
    """Why it is not float16 although that was asked for."""
    dropped: tuple[DroppedPair, ...]
    sparse: tuple[str, ...]
    """Names of the operators whose weights are pruned 2:4."""


def lower_to_onnx(hub: ir.Model, options: LoweringOptions) -> Lowered:
    """Write the hub as TensorRT wants it; the numbers of a pair are the hub's.

    Raises:
        ContractError: the result is no valid ONNX.
    """
    model = ir.from_proto(ir.to_proto(hub))
    dropped: list[DroppedPair] = []
    if options.pairs == "needed":
        dropped = keep_needed_pairs(model)
        _fold_constants_of_float_operators(model)
    sparse = sparse_operators(model) if options.sparsity == "auto" else []
    why = unfit_for_half(model) if options.float_type == "float16" else None
    half = options.float_type == "float16" and why is None and _is_narrowed(hub)
    if half:
        require_opset(model, HALF_SCALES_OPSET)
        model = to_half(model)
    for node in model.graph:
        node.metadata_props.clear()  # line numbers of the user's code are no part of the artifact
    _require_valid(model)
    return Lowered(model, "float16" if half else "float32", why, tuple(dropped), tuple(sparse))


def _is_narrowed(hub: ir.Model) -> bool:
    """Is the hub more than plain float32?"""
    return any(
        node.op_type in {"QuantizeLinear", "DequantizeLinear"}
        or half_constant(node.outputs[0]) is not None
        for node in hub.graph
    )


def _fold_constants_of_float_operators(model: ir.Model) -> None:
    """``Add(x, DQ(c))`` becomes ``Add(x, c)`` with the same values, in place.

    Additions and products of TensorRT have no int8 constants: it would widen them by a kernel.
    """
    graph = model.graph
    for node in list(graph):
        if node.op_type not in ELEMENTWISE:
            continue
        for index, value in enumerate(node.inputs):
            held = dequantized_constant(value)
            if value is None or held is None:
                continue
            name = f"{name_of(value)}.value"
            known = graph.initializers.get(name)
            node.replace_input_with(index, known or add_constant(graph, name, held.real))
    for node in list(graph):
        if node.op_type == "DequantizeLinear" and not (
            node.outputs[0].uses() or node.outputs[0].is_graph_output()
        ):
            graph.remove(node, safe=True)
    remove_unused_constants(graph)


def _require_valid(model: ir.Model) -> None:
    try:
        onnx.checker.check_model(ir.to_proto(model), full_check=True)
    except Exception as error:  # the checker's and shape inference's errors have no common base
        first = str(error).strip().splitlines()[0]
        raise ContractError(f"the ONNX file for TensorRT is not valid: {first}") from error
