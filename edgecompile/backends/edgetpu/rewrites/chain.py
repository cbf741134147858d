"""Quantized operators that take the place of one node, with parameters that follow from its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx_ir as ir

from edgecompile.graph.clamps import CLAMPS
from edgecompile.graph.hub import Array, add_constant, shape_of
from edgecompile.graph.qdq import TensorParams, tensor_params
from edgecompile.graph.rewrite import replace_node


class Chain:
    """The new nodes for `node`, in order; `finish` puts them there."""

    def __init__(self, graph: ir.Graph, node: ir.Node) -> None:
        self.graph = graph
        self.node = node
        self._made: list[ir.Node] = []

    @property
    def source(self) -> ir.Value:
        """The node's first input."""
        value = self.node.inputs[0]
        assert value is not None
        return value

    def op(
        self,
        op_type: str,
        inputs: Sequence[ir.Value],
        shape: Sequence[int],
        attributes: Mapping[str, Any] | None = None,
    ) -> ir.Value:
        """A new operator's float result of the given shape."""
        node = ir.node(op_type, inputs, dict(attributes or {}), name=self._name(op_type.lower()))
        value = node.outputs[0]
        value.name, value.shape = self._name("value"), ir.Shape(shape)
        value.type = ir.TensorType(ir.DataType.FLOAT)
        self._made.append(node)
        return value

    def quantized(self, value: ir.Value, params: TensorParams) -> ir.Value:
        """`value` behind a QDQ pair of its own."""
        scale, zero = self._params(params)
        inner = self.op("QuantizeLinear", [value, scale, zero], shape_of(value))
        inner.type = ir.TensorType(ir.DataType.INT8)
        return self.op("DequantizeLinear", [inner, scale, zero], shape_of(value))

    def number(self, value: float) -> ir.Value:
        """A constant of one number, exact: the integer is 127 or -127."""
        integer = add_constant(self.graph, self._name("number"), _int8(np.sign(value) * 127))
        scale, zero = self._params(TensorParams(max(abs(value), 1e-8) / 127, 0))
        return self.op("DequantizeLinear", [integer, scale, zero], ())

    def weight(self, data: Array, scale: Array, axis: int = 0) -> ir.Value:
        """An int8 weight of a convolution, with a scale for each slice of `axis`."""
        integers = add_constant(self.graph, self._name("weight"), data.astype(np.int8))
        scales = np.broadcast_to(np.asarray(scale, np.float32), (data.shape[axis],))
        operands = [
            integers,
            add_constant(self.graph, self._name("scales"), np.ascontiguousarray(scales)),
            add_constant(self.graph, self._name("zero_points"), _int8(0, scales.shape)),
        ]
        return self.op("DequantizeLinear", operands, data.shape, {"axis": axis})

    def integers(self, values: Sequence[int]) -> ir.Value:
        """A constant list of int64: axes, bounds."""
        return add_constant(self.graph, self._name("integers"), np.array(values, np.int64))

    def finish(self) -> None:
        """The last operator's result is the node's."""
        replace_node(self.graph, self.node, self._made)

    def _params(self, params: TensorParams) -> tuple[ir.Value, ir.Value]:
        scale, zero = np.array(params.scale, np.float32), _int8(params.zero_point)
        return (
            add_constant(self.graph, self._name("scale"), scale),
            add_constant(self.graph, self._name("zero_point"), zero),
        )

    def _name(self, part: str) -> str:
        number = 0
        taken = {v.name for n in self._made for v in n.outputs} | {n.name for n in self._made}
        taken |= set(self.graph.initializers)
        while (name := f"{self.node.name}.{part}{number or ''}") in taken:
            number += 1
        return name


def _int8(value: float, shape: tuple[int, ...] = ()) -> Array:
    return np.full(shape, value, np.int8)


def input_params(node: ir.Node) -> TensorParams | None:
    """The parameters of a node's first input; None if it is not quantized."""
    value = node.inputs[0]
    producer = value.producer() if value is not None else None
    if producer is None or producer.op_type != "DequantizeLinear":
        return None
    return tensor_params(producer)


def output_params(node: ir.Node) -> TensorParams | None:
    """The parameters of the QuantizeLinear that alone reads a node's result, through a clamp."""
    value = node.outputs[0]
    readers = [use.node for use in value.uses()]
    if len(readers) == 1 and readers[0].op_type in CLAMPS:
        readers = [use.node for use in readers[0].outputs[0].uses()]
    if value.is_graph_output() or len(readers) != 1 or readers[0].op_type != "QuantizeLinear":
        return None
    return tensor_params(readers[0])


def is_quantized(node: ir.Node) -> bool:
    """Does the node compute on int8, in and out?"""
    found = (input_params(node), output_params(node))
    return all(params is not None and params.bits == 8 for params in found)


def scaled(params: TensorParams, factor: float) -> TensorParams:
    """Parameters with which the same integers say `factor` times the numbers."""
    return TensorParams(float(np.float32(params.scale * factor)), params.zero_point)
