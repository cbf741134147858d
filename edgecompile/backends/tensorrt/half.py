"""The hub in float16 wherever it does not compute in int8."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir

from edgecompile.graph.constants import dequantized_constant, half_constant
from edgecompile.graph.hub import (
    Array,
    add_constant,
    constant,
    infer_shapes,
    name_of,
    remove_unused_constants,
)
from edgecompile.graph.provenance import copy_provenance

HALF_SCALES_OPSET = 19
"""The first whose QuantizeLinear and DequantizeLinear take float16 (onnx/docs/Changelog.md)."""

_HALF = ir.DataType.FLOAT16
_HALF_MAX = float(np.finfo(np.float16).max)
_MOST_SCALE_ERROR = 2.0**-9
"""Relative error that a scale may get by being float16: 127 steps of it then move by a quarter of a
step. A normal float16 stays within 2**-11; a scale below 6e-5, a subnormal one, may not."""

_WIDE = frozenset({"Exp", "Pow", "CumSum", "ReduceL2", "ReduceSum", "ReduceSumSquare", "Softplus"})
"""Operators that leave float16's range, or lose its digits, with ordinary values: they stay in
float32. (LayerNormalization sums in float32 by itself: its attribute stash_type.)"""


def unfit_for_half(model: ir.Model) -> str | None:
    """The first number of the hub that float16 cannot hold, in words; None where all are fine."""
    for node in model.graph:
        if node.op_type == "DequantizeLinear" and not _scale_fits(node):
            return f"the scale of {name_of(node.outputs[0])}"
        for value in node.inputs:
            array = constant(value)
            if value is None or array is None or array.dtype != np.float32:
                continue
            finite = np.abs(array[np.isfinite(array)])  # infinity there is, as a mask
            if finite.max(initial=0.0) > _HALF_MAX:
                return f"the constant {name_of(value)}"
    return None


def _scale_fits(node: ir.Node) -> bool:
    scale = constant(node.inputs[1])
    if scale is None:
        return True
    exact = np.atleast_1d(scale).astype(np.float64)
    wrong = np.abs(half_scale(exact).astype(np.float64) / exact - 1) > _MOST_SCALE_ERROR
    held = dequantized_constant(node.outputs[0])
    if held is None or held.axis is None:
        return not np.any(wrong)
    # The scale of a channel that is all 0 means nothing.
    return not np.any(np.moveaxis(held.data, held.axis, 0)[wrong])


def half_scale(scale: Array) -> Array:
    """A scale as float16; one that would become 0, which TensorRT refuses, as the smallest."""
    smallest = np.finfo(np.float16).smallest_subnormal
    half: Array = np.maximum(scale.astype(np.float16), smallest)
    return half


def to_half(model: ir.Model) -> ir.Model:
    """A copy of the model whose float tensors are float16; its inputs and outputs stay float32.

    ``W(float16) -> Cast(float32) -> Conv`` becomes ``W(float16) -> Conv``; scales become float16.
    An input is quantized in float32, as the hub says, or cast; an output is dequantized or cast to
    float32.
    """
    result = ir.from_proto(ir.to_proto(model))
    graph = result.graph
    _take_out_casts_of_constants(graph)
    for node in list(graph):
        if node.op_type == "Cast" and node.attributes.get_int("to", 0) == ir.DataType.FLOAT:
            node.attributes["to"] = ir.AttrInt64("to", int(_HALF))
        elif node.op_type in _WIDE:
            _stay_wide(graph, node)
        elif not _stands_at_the_border(node):
            _halve_constants(graph, node)
    for value in list(graph.inputs):
        _cast_input(graph, value)
    for value in list(graph.outputs):
        _cast_output(graph, value)
    remove_unused_constants(graph)
    return _typed_anew(result)


def _take_out_casts_of_constants(graph: ir.Graph) -> None:
    for node in list(graph):
        if node.outputs and half_constant(node.outputs[0]) is not None:
            assert node.inputs[0] is not None
            ir.convenience.replace_all_uses_with(node.outputs[0], node.inputs[0])
            graph.remove(node, safe=True)


def _stands_at_the_border(node: ir.Node) -> bool:
    """A QuantizeLinear of an input or a DequantizeLinear that only makes an output: in float32."""
    if node.op_type == "QuantizeLinear":
        return node.inputs[0] is not None and node.inputs[0].is_graph_input()
    made = node.outputs[0]
    return node.op_type == "DequantizeLinear" and made.is_graph_output() and not made.uses()


def _halve_constants(graph: ir.Graph, node: ir.Node) -> None:
    for index, value in enumerate(node.inputs):
        array = constant(value)
        if value is None or array is None or array.dtype != np.float32:
            continue
        if not _takes_half(node, index):
            continue
        name = f"{name_of(value)}.half"
        scale = node.op_type in {"QuantizeLinear", "DequantizeLinear"} and index == 1
        half = half_scale(array) if scale else array.astype(np.float16)
        known = graph.initializers.get(name)
        node.replace_input_with(index, known or add_constant(graph, name, half))


def _takes_half(node: ir.Node, index: int) -> bool:
    """Does the operator's definition allow float16 there? (The scales of Resize are float32.)"""
    version = None if node.graph is None else node.graph.opset_imports.get("")
    schema = onnx.defs.get_schema(node.op_type, version or onnx.defs.onnx_opset_version())
    formal = schema.inputs[min(index, len(schema.inputs) - 1)]
    return "tensor(float16)" in formal.types


def _stay_wide(graph: ir.Graph, node: ir.Node) -> None:
    """``x -> Exp`` becomes ``x -> Cast(float32) -> Exp -> Cast(float16)``."""
    for index, value in enumerate(node.inputs):
        if value is not None and value.dtype == ir.DataType.FLOAT and constant(value) is None:
            cast = _cast(value, ir.DataType.FLOAT, f"{node.name}.widen{index}")
            graph.insert_before(node, cast)
            copy_provenance(node, cast)
            node.replace_input_with(index, cast.outputs[0])
    for value in node.outputs:
        readers = [(use.node, use.idx) for use in value.uses()]
        if value.dtype != ir.DataType.FLOAT or not readers:
            continue
        cast = _cast(value, _HALF, f"{node.name}.narrow")
        graph.insert_after(node, cast)
        copy_provenance(node, cast)
        for reader, index in readers:
            reader.replace_input_with(index, cast.outputs[0])


def _cast_input(graph: ir.Graph, value: ir.Value) -> None:
    readers = [(u.node, u.idx) for u in value.uses() if u.node.op_type != "QuantizeLinear"]
    readers = [(n, i) for n, i in readers if not n.name or not n.name.endswith(f".widen{i}")]
    if value.dtype != ir.DataType.FLOAT or not readers:
        return
    cast = _cast(value, _HALF, f"{value.name}.narrow")
    graph.insert_before(graph[0], cast)
    for node, index in readers:
        node.replace_input_with(index, cast.outputs[0])


def _cast_output(graph: ir.Graph, value: ir.Value) -> None:
    node = value.producer()
    if node is None or value.dtype != ir.DataType.FLOAT:
        return
    if _stands_at_the_border(node) or node.op_type in _WIDE:
        return
    name = name_of(value)
    value.name = f"{name}.half"
    cast = _cast(value, ir.DataType.FLOAT, f"{name}.widen")
    cast.outputs[0].name, cast.outputs[0].shape = name, value.shape
    cast.outputs[0].type = ir.TensorType(ir.DataType.FLOAT)
    graph.append(cast)
    copy_provenance(node, cast)
    graph.outputs[list(graph.outputs).index(value)] = cast.outputs[0]


def _cast(value: ir.Value, to: ir.DataType, name: str) -> ir.Node:
    node = ir.node("Cast", [value], {"to": int(to)}, name=name)
    node.outputs[0].name = f"{name}.value"
    return node


def _typed_anew(model: ir.Model) -> ir.Model:
    """Forget the types of all tensors inside, and infer them: whatever does not fit is an error."""
    for node in model.graph:
        for value in node.outputs:
            if not value.is_graph_output():
                value.type = value.shape = None
    return infer_shapes(model)
