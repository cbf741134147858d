"""Two pairs in a row, in a form that ONNX Runtime leaves alone."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from edgecompile.graph.hub import add_constant, name_of
from edgecompile.graph.qdq import tensor_params

_SIGNED = {8: ir.DataType.INT8, 16: ir.DataType.INT16}


def keep_two_roundings(model: ir.Model) -> None:
    """``Q1 -> DQ1 -> Q2`` of an unsigned graph becomes ``Q1 -> DQ1 -> Q' -> DQ' -> Q2``, in place,
    where Q' has the numbers of Q1 as signed integers. The real values are the same.

    Two pairs in a row are what is left of a Relu whose input has numbers of its own: the model's
    input, or a pool's result. Of two with one integer type ONNX Runtime makes one (its optimizer
    DoubleQDQPairsRemover, at each start), which rounds straight to the second's steps, up to 5 of
    them elsewhere. Of two types it makes none. Where DQ1 has other readers it makes none either.
    """
    for node in list(model.graph):
        if node.op_type == "DequantizeLinear" and _is_first_of_two(node):
            _pass_through_signed(model.graph, node)


def _is_first_of_two(node: ir.Node) -> bool:
    first, value = node.inputs[0], node.outputs[0]
    source = None if first is None else first.producer()
    readers = [use.node for use in value.uses()]
    if source is None or source.op_type != "QuantizeLinear" or len(readers) != 1:
        return False
    (second,) = readers
    if second.op_type != "QuantizeLinear" or value.is_graph_output():
        return False
    own, other = tensor_params(node), tensor_params(second)
    return own.bits == other.bits and own != other


def _pass_through_signed(graph: ir.Graph, node: ir.Node) -> None:
    value, scale, own = node.outputs[0], node.inputs[1], tensor_params(node)
    name = f"{name_of(value)}.int{own.bits}"
    (reader,) = (use.node for use in value.uses())
    signed = own.zero_point + int(np.iinfo(own.dtype).min)
    zero = add_constant(graph, f"{name}.zero_point", np.array(signed, own.dtype))
    quantize = ir.node("QuantizeLinear", [value, scale, zero], name=f"{name}.quantize")
    integer = quantize.outputs[0]
    dequantize = ir.node("DequantizeLinear", [integer, scale, zero], name=f"{name}.dequantize")
    real = dequantize.outputs[0]
    integer.name, integer.type = name, ir.TensorType(_SIGNED[own.bits])
    real.name, real.type = f"{name}.real", value.type
    integer.shape = real.shape = value.shape
    graph.insert_after(node, [quantize, dequantize])
    reader.replace_input_with(0, real)
