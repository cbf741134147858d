"""What a writer of operators has made of the values of a hub so far."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import onnx_ir as ir

from edgecompile.errors import ContractError
from edgecompile.graph.clamps import CLAMPS
from edgecompile.graph.constants import dequantized_constant, is_static, static_value
from edgecompile.graph.hub import Array, is_float, name_of, shape_of
from edgecompile.graph.layout import Order
from edgecompile.graph.qdq import TensorParams, integer_inputs, tensor_params


class WrittenTensor(Protocol):
    """A tensor in the writer's format; `params` is None for floats."""

    @property
    def params(self) -> TensorParams | None:
        """The parameters of its integers."""
        ...


T = TypeVar("T", bound=WrittenTensor)


@dataclass(frozen=True)
class Weight:
    """A constant weight as the hub holds it: integers with `scale` (one number, or one per slice
    of `axis`), or floats without."""

    data: Array
    scale: Array | None = None
    axis: int | None = None


class Written(ABC, Generic[T]):
    """Pairs of the hub become parameters of tensors: a QuantizeLinear writes nothing where the
    operator before it gives its integers.

    `integer_bits` says for each operator with which widths of activations the format computes it
    on integers.
    """

    def __init__(self, integer_bits: Mapping[str, frozenset[int]]) -> None:
        self.integer_bits = integer_bits
        self._tensors: dict[str, T] = {}

    @abstractmethod
    def new(self, name: str, shape: Sequence[int], order: Order, params: TensorParams | None) -> T:
        """A new activation, integers with `params` or float32."""

    @abstractmethod
    def in_order(self, tensor: T, order: Order) -> T:
        """The same tensor stored in another order; made once however often it is asked for."""

    @abstractmethod
    def dequantized(self, tensor: T) -> T:
        """The reals of an integer tensor, made once."""

    # What the hub's values are

    def define(self, value: ir.Value, tensor: T) -> None:
        """Say which tensor holds a value of the hub."""
        self._tensors[name_of(value)] = tensor

    def lookup(self, value: ir.Value) -> T | None:
        """The tensor of an activation, seen through its DequantizeLinear; None if not written."""
        node = value.producer()
        if node is not None and node.op_type == "DequantizeLinear":
            source = node.inputs[0]
            assert source is not None
            return self._tensors.get(name_of(source))
        return self._tensors.get(name_of(value))

    def is_integer(self, node: ir.Node) -> bool:
        """Is this operator computed on integers?"""
        for index in integer_inputs(node):
            value = node.inputs[index]
            if is_static(value) and dequantized_constant(value) is None:
                return False  # put back to float between tensors that are integers
        found: list[TensorParams | None] = []
        for value in node.inputs:
            if value is None or not is_float(value) or is_static(value):
                continue
            tensor = self.lookup(value)
            found.append(None if tensor is None else tensor.params)
        results = [output for output in node.outputs if output.uses() or output.is_graph_output()]
        found += [result_params(output) for output in results]
        widths = {0 if params is None else params.bits for params in found}
        return len(widths) == 1 and widths <= self.integer_bits.get(node.op_type, frozenset())

    def is_published(self, node: ir.Node) -> bool:
        """Is a node's result written already, by the operator that it is fused into?"""
        return name_of(node.outputs[0]) in self._tensors

    # Reading operands

    def activation(self, node: ir.Node, index: int = 0, order: Order | None = None) -> T:
        """The activation at input `index`, integer or float as the operator is.

        With `order`, stored in that order: moved if need be.
        """
        value = node.inputs[index]
        assert value is not None
        tensor = self.lookup(value)
        if tensor is None:
            raise ContractError(f"{node.name}: the tensor {value.name} was not emitted")
        if tensor.params is not None and not self.is_integer(node):
            tensor = self.dequantized(tensor)
        return tensor if order is None else self.in_order(tensor, order)

    def constant_operand(self, node: ir.Node, index: int) -> tuple[Array, TensorParams | None]:
        """A constant operand's integers and parameters; floats for a float operator."""
        value = node.inputs[index]
        assert value is not None
        stored = dequantized_constant(value)
        pair = value.producer()
        if stored is not None and pair is not None and self.is_integer(node):
            return stored.data, tensor_params(pair)
        return self.real_constant(node, index), None

    def real_constant(self, node: ir.Node, index: int) -> Array:
        """The values of a constant input: float32 (or float16 where the hub holds it so),
        dequantized if the hub holds integers."""
        array = static_value(node.inputs[index])
        if array is None:
            raise ContractError(f"{node.name}: input {index} is no constant")
        return array

    # Writing results

    def draft(self, node: ir.Node, shape: Sequence[int], order: Order, output: int = 0) -> T:
        """A new tensor of the type of a node's result, to be published when it has its shape."""
        value = node.outputs[output]
        params = result_params(value) if self.is_integer(node) else None
        return self.new(name_of(value), shape, order, params)

    def result(self, node: ir.Node, order: Order, output: int = 0) -> T:
        """The tensor of a node's result, for an operator that carries no clamp."""
        tensor = self.draft(node, shape_of(node.outputs[output]), order, output)
        self.publish_value(node, node.outputs[output], tensor)
        return tensor

    def publish_value(self, node: ir.Node, value: ir.Value, tensor: T) -> None:
        """Say that `tensor` holds `value`, a node's result or that of the clamp behind it."""
        self.define(value, tensor)
        if tensor.params is None:
            return
        for use in value.uses():
            if use.node.op_type == "QuantizeLinear":
                if tensor_params(use.node) != tensor.params:
                    raise ContractError(
                        f"{node.name} ({node.op_type}) keeps its scale, and the hub changes it"
                    )
                self.define(use.node.outputs[0], tensor)


def clamp_behind(value: ir.Value) -> ir.Node | None:
    """The Relu or Clip, with constant bounds, that is the only reader of an operator's result."""
    consumers = [use.node for use in value.uses()]
    producer = value.producer()
    if (
        len(consumers) != 1
        or consumers[0].op_type not in CLAMPS
        or value.is_graph_output()
        or producer is None
        or producer.op_type == "DequantizeLinear"
        or not all(v is None or is_static(v) for v in consumers[0].inputs[1:])
    ):
        return None
    return consumers[0]


def result_params(value: ir.Value) -> TensorParams | None:
    """The parameters of the QuantizeLinear that alone reads a result, through a clamp."""
    clamp = clamp_behind(value)
    if clamp is not None:
        value = clamp.outputs[0]
    consumers = [use.node for use in value.uses()]
    if value.is_graph_output() or not consumers:
        return None
    if any(node.op_type != "QuantizeLinear" for node in consumers):
        return None
    return tensor_params(consumers[0])
