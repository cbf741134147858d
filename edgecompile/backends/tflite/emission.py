"""The state of one lowering: which tensor of the file holds which tensor of the hub.

An operator is *integer* when all its activations come from DequantizeLinear and its result goes
to QuantizeLinear only (through a fused clamp); else it is a *float* operator, with DEQUANTIZE and
QUANTIZE at its borders. The operators of `operators/` are written once for both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import onnx_ir as ir

from edgecompile.backends.tflite.flatbuffer import ModelWriter, Quantization, make_options
from edgecompile.backends.tflite.layout import (
    Order,
    moves_nothing,
    permutation,
    plain,
    stored_shape,
)
from edgecompile.errors import ContractError
from edgecompile.graph.hub import Array, constant, is_float, name_of, shape_of
from edgecompile.graph.qdq import (
    CLAMPS,
    TensorParams,
    dequantized_values,
    is_dequantized_constant,
    tensor_params,
)


@dataclass(frozen=True)
class Tensor:
    """A tensor of the file. `shape` is the hub's; `order` tells how it is stored.

    `flattened` marks a tensor that the hub sees as (N, C*H*W) while the file holds its elements in
    the order of an NHWC tensor: (C, H, W). Only a matrix product with permuted weights reads it.
    """

    index: int
    shape: tuple[int, ...]
    order: Order
    params: TensorParams | None
    flattened: tuple[int, int, int] | None = None

    @property
    def stored(self) -> tuple[int, ...]:
        """The shape in the file."""
        return stored_shape(self.shape, self.order)


@dataclass(frozen=True)
class Weight:
    """A constant operand. `scale` is None for float; else one number or one per `axis` slice."""

    data: Array
    scale: Array | None = None
    axis: int | None = None


class Emission:
    """One hub on its way into one file."""

    def __init__(self, writer: ModelWriter, weight_dtype: str) -> None:
        self.writer = writer
        self.weight_dtype = weight_dtype
        """How float weights are stored: float32, float16, or int8 (dynamic range)."""
        self._tensors: dict[str, Tensor] = {}
        self._floats: dict[int, Tensor] = {}
        self._moved: dict[tuple[int, Order], Tensor] = {}

    # What the hub's values are in the file

    def define(self, value: ir.Value, tensor: Tensor) -> None:
        """Say which tensor holds a value of the hub."""
        self._tensors[name_of(value)] = tensor

    def lookup(self, value: ir.Value) -> Tensor | None:
        """The tensor of an activation, seen through its DequantizeLinear."""
        node = value.producer()
        if node is not None and node.op_type == "DequantizeLinear":
            source = node.inputs[0]
            assert source is not None
            return self._tensors.get(name_of(source))
        return self._tensors.get(name_of(value))

    def is_integer(self, node: ir.Node) -> bool:
        """Does the file compute this operator on integers?"""
        for value in node.inputs:
            if value is None or constant(value) is not None or not is_float(value):
                continue
            producer = value.producer()
            if producer is None or producer.op_type != "DequantizeLinear":
                return False
        return all(_result_params(output) is not None for output in node.outputs)

    # Reading operands

    def activation(self, node: ir.Node, index: int, order: Order | None = None) -> Tensor:
        """The activation at input `index`, integer or float as the operator is.

        With `order`, stored in that order, by a TRANSPOSE if need be.
        """
        value = node.inputs[index]
        assert value is not None
        tensor = self.lookup(value)
        if tensor is None:
            raise ContractError(f"{node.name}: the tensor {value.name} was not emitted")
        if tensor.params is not None and not self.is_integer(node):
            tensor = self._dequantized(tensor)
        return tensor if order is None else self.in_order(tensor, order)

    def operand(self, node: ir.Node, index: int, order: Order, rank: int) -> Tensor:
        """Like `activation`, for an operand that may be a constant and is broadcast to `rank`."""
        value = node.inputs[index]
        assert value is not None
        if constant(value) is None and not is_dequantized_constant(value):
            tensor = self._broadcastable(self.activation(node, index), rank)
            return self.in_order(tensor, order)
        data, params = self.constant_operand(node, index)
        data = data.reshape((1,) * (rank - data.ndim) + data.shape)
        stored = data.transpose(order)
        tensor_index = self.constant(name_of(value), stored, params)
        return Tensor(tensor_index, data.shape, order, params)

    def _broadcastable(self, tensor: Tensor, rank: int) -> Tensor:
        """Leading axes of size 1, so that orders of operands of different rank are comparable."""
        missing = rank - len(tensor.shape)
        if missing == 0:
            return tensor
        shape = (1,) * missing + tensor.shape
        order = (*range(missing), *(axis + missing for axis in tensor.order))
        return self.reshape(tensor, shape, order)

    def constant_operand(self, node: ir.Node, index: int) -> tuple[Array, TensorParams | None]:
        """A constant operand's int8 values and parameters; float values for a float operator."""
        value = node.inputs[index]
        assert value is not None
        pair = value.producer()
        if pair is not None and is_dequantized_constant(value) and self.is_integer(node):
            data = constant(pair.inputs[0])
            assert data is not None
            return data, tensor_params(pair)
        return self.real_constant(node, index), None

    def real_constant(self, node: ir.Node, index: int) -> Array:
        """The values of a constant input, dequantized if the hub holds them as integers."""
        value = node.inputs[index]
        assert value is not None
        array = constant(value)
        if array is None:
            array = dequantized_values(value)
        assert array is not None, f"{node.name}: input {index} is no constant"
        return array

    def weight(self, node: ir.Node, index: int) -> Weight:
        """The constant weight at input `index`: the hub's integers, or floats."""
        value = node.inputs[index]
        assert value is not None
        pair = value.producer()
        if pair is not None and is_dequantized_constant(value) and self.is_integer(node):
            data, scale = constant(pair.inputs[0]), constant(pair.inputs[1])
            assert data is not None and scale is not None
            axis = pair.attributes.get_int("axis", 1) if scale.ndim == 1 else None
            return Weight(data, scale, axis)
        return Weight(self.real_constant(node, index))

    # Writing constants

    def constant(self, name: str, data: Array, params: TensorParams | None) -> int:
        """A constant tensor: int8 with `params`, else float in the file's weight type."""
        if params is not None:
            return self.writer.tensor(name, data.shape, np.int8, _quantization(params), data)
        return self.float_constant(name, data)

    def float_constant(self, name: str, data: Array) -> int:
        """A float constant; as float16 it is widened by a DEQUANTIZE that runtimes fold."""
        if self.weight_dtype != "float16":
            return self.writer.tensor(name, data.shape, np.float32, data=data)
        narrow = self.writer.tensor(f"{name}.float16", data.shape, np.float16, data=data)
        wide = self.writer.tensor(name, data.shape, np.float32)
        self.writer.operator("DEQUANTIZE", 3, [narrow], [wide], make_options("DequantizeOptions"))
        return wide

    # Writing results

    def result(self, node: ir.Node, order: Order, output: int = 0) -> tuple[Tensor, str]:
        """The tensor of a node's result and the activation to fuse into the operator.

        For an integer operator the result is that of the QuantizeLinear behind it.
        """
        value = node.outputs[output]
        clamp = _clamp_behind(value)
        activation = "NONE"
        if clamp is not None and self.is_integer(node):
            activation = fused_activation(clamp) or "NONE"
        params = _result_params(value) if self.is_integer(node) else None
        tensor = self.new(name_of(value), shape_of(value), order, params)
        self._publish(value, tensor, params)
        return tensor, activation

    def _publish(self, value: ir.Value, tensor: Tensor, params: TensorParams | None) -> None:
        if params is None:
            self.define(value, tensor)
            return
        clamp = _clamp_behind(value)
        final = value if clamp is None else clamp.outputs[0]
        for use in final.uses():
            self.define(use.node.outputs[0], tensor)

    def publish(self, node: ir.Node, tensor: Tensor, output: int = 0) -> None:
        """Say that an existing tensor (a reshaped or moved one) is a node's result."""
        params = _result_params(node.outputs[output]) if self.is_integer(node) else None
        self._publish(node.outputs[output], tensor, params)

    def new(
        self, name: str, shape: Sequence[int], order: Order, params: TensorParams | None
    ) -> Tensor:
        """A new activation tensor, int8 with `params` or float32."""
        dtype = np.float32 if params is None else np.int8
        quantization = None if params is None else _quantization(params)
        stored = stored_shape(shape, order)
        index = self.writer.tensor(name, stored, dtype, quantization)
        return Tensor(index, tuple(shape), order, params)

    def like(self, tensor: Tensor, name: str, shape: Sequence[int], order: Order) -> Tensor:
        """A new tensor of the same type and parameters."""
        return self.new(name, shape, order, tensor.params)

    def op(
        self,
        name: str,
        inputs: Sequence[Tensor | int],
        outputs: Sequence[Tensor],
        options: Any = None,
        version: int | None = None,
    ) -> None:
        """Append an operator in its lowest version for the type of its result."""
        indices = [i.index if isinstance(i, Tensor) else i for i in inputs]
        if version is None:
            integer = outputs[0].params is not None
            version = (INTEGER_VERSIONS if integer else FLOAT_VERSIONS).get(name, 1)
        self.writer.operator(name, version, indices, [o.index for o in outputs], options)

    # Changing how a tensor is stored

    def in_order(self, tensor: Tensor, order: Order) -> Tensor:
        """The same tensor stored in another order; made once however often it is asked for."""
        if tensor.order == order:
            return tensor
        if moves_nothing(tensor.shape, tensor.order, order):
            return self.reshape(tensor, tensor.shape, order)
        key = (tensor.index, order)
        if key not in self._moved:
            moved = self.like(tensor, f"{tensor.index}.transposed", tensor.shape, order)
            axes = self.writer.integers(permutation(tensor.order, order))
            self.op("TRANSPOSE", [tensor, axes], [moved], make_options("TransposeOptions"))
            self._moved[key] = moved
        return self._moved[key]

    def reshape(self, tensor: Tensor, shape: Sequence[int], order: Order) -> Tensor:
        """The same bytes seen as `shape` stored in `order`; a RESHAPE unless nothing changes."""
        wanted = stored_shape(shape, order)
        if wanted == tensor.stored:
            return replace(tensor, shape=tuple(shape), order=order)
        result = self.like(tensor, f"{tensor.index}.reshaped{len(shape)}", shape, order)
        options = make_options("ReshapeOptions", newShape=list(wanted))
        self.op("RESHAPE", [tensor, self.writer.integers(wanted)], [result], options)
        return result

    # Crossing between integers and floats

    def _dequantized(self, tensor: Tensor) -> Tensor:
        if tensor.index not in self._floats:
            wide = self.new(f"{tensor.index}.float", tensor.shape, tensor.order, None)
            self.op("DEQUANTIZE", [tensor], [wide], make_options("DequantizeOptions"), version=2)
            self._floats[tensor.index] = wide
        return self._floats[tensor.index]

    def quantize(self, node: ir.Node) -> None:
        """A QuantizeLinear whose tensor is a float in the file."""
        if name_of(node.outputs[0]) in self._tensors:
            return  # the operator before it wrote its integers already
        source = node.inputs[0]
        assert source is not None
        tensor = self._tensors[name_of(source)]
        result = self.new(name_of(node.outputs[0]), tensor.shape, tensor.order, tensor_params(node))
        self.op("QUANTIZE", [tensor], [result], make_options("QuantizeOptions"), version=1)
        self.define(node.outputs[0], result)

    def requantize(self, tensor: Tensor, result: Tensor) -> None:
        """Write `tensor` into `result`, which has other parameters."""
        self.op("QUANTIZE", [tensor], [result], make_options("QuantizeOptions"), version=2)

    def final(self, value: ir.Value) -> Tensor:
        """The tensor of a graph output, in the plain order (4-D: channels last)."""
        tensor = self.lookup(value)
        assert tensor is not None, f"the graph output {value.name} was not emitted"
        rank = len(tensor.shape)
        return self.in_order(tensor, border_order(rank))


INTEGER_VERSIONS = {
    "ADD": 2, "AVERAGE_POOL_2D": 2, "BATCH_MATMUL": 2, "CONCATENATION": 2, "CONV_2D": 3,
    "DEPTHWISE_CONV_2D": 3, "DEPTH_TO_SPACE": 2, "FULLY_CONNECTED": 4, "GATHER": 2,
    "LEAKY_RELU": 2, "LOGISTIC": 2, "MAXIMUM": 2, "MAX_POOL_2D": 2, "MEAN": 2, "MINIMUM": 2,
    "MUL": 2, "PAD": 2, "REDUCE_MAX": 2, "RELU": 2, "RELU6": 2, "RESIZE_BILINEAR": 2,
    "RESIZE_NEAREST_NEIGHBOR": 2, "SLICE": 2, "SOFTMAX": 2, "SPLIT_V": 2, "STRIDED_SLICE": 2,
    "SUB": 2, "TANH": 2, "TRANSPOSE": 2, "TRANSPOSE_CONV": 3,
}  # fmt: skip
"""The lowest version of each operator that takes int8 (tensorflow/lite/tools/versioning/
op_version.cc); an operator that is not here is version 1."""

FLOAT_VERSIONS = {"TRANSPOSE_CONV": 3}
"""TRANSPOSE_CONV takes a bias from version 3 on."""


def border_order(rank: int) -> Order:
    """How graph inputs and outputs are stored: channels last for images, else plain."""
    return (0, 2, 3, 1) if rank == 4 else plain(rank)


def fused_activation(clamp: ir.Node) -> str | None:
    """The name of the activation that TFLite can fuse; None for other bounds."""
    from edgecompile.graph.clamps import clamp_bounds

    names = {(0.0, float("inf")): "RELU", (0.0, 6.0): "RELU6", (-1.0, 1.0): "RELU_N1_TO_1"}
    return names.get(clamp_bounds(clamp))


def _clamp_behind(value: ir.Value) -> ir.Node | None:
    """The Relu or Clip between an operator and QuantizeLinear."""
    consumers = [use.node for use in value.uses()]
    producer = value.producer()
    if (
        len(consumers) != 1
        or consumers[0].op_type not in CLAMPS
        or producer is None
        or producer.op_type == "DequantizeLinear"
    ):
        return None
    return consumers[0]


def _result_params(value: ir.Value) -> TensorParams | None:
    """The parameters of the one QuantizeLinear that reads a result, through a fusable clamp."""
    clamp = _clamp_behind(value)
    if clamp is not None:
        if fused_activation(clamp) is None:
            return None
        value = clamp.outputs[0]
    consumers = [use.node for use in value.uses()]
    if value.is_graph_output() or not consumers:
        return None
    if any(node.op_type != "QuantizeLinear" for node in consumers):
        return None
    return tensor_params(consumers[0])


def _quantization(params: TensorParams) -> Quantization:
    return Quantization(np.array(params.scale, np.float32), np.array(params.zero_point))
