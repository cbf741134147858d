"""The state of one lowering: which tensor of the file holds which tensor of the hub.

An operator is *integer* when all its activations are integers of one width in the file and its
results go to QuantizeLinear only (through a clamp); else it is a *float* operator, with DEQUANTIZE
and QUANTIZE at its borders. The operators of `operators/` are written once for all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import onnx_ir as ir

from edgecompile.errors import ContractError
from edgecompile.formats.tflite.choices import Forms
from edgecompile.formats.tflite.flatbuffer import ModelWriter, Quantization, make_options
from edgecompile.formats.tflite.versions import lowest_version
from edgecompile.graph.clamps import clamp_bounds
from edgecompile.graph.constants import dequantized_constant, is_static
from edgecompile.graph.hub import Array, name_of, shape_of
from edgecompile.graph.layout import (
    Order,
    moves_nothing,
    permutation,
    stored_shape,
)
from edgecompile.graph.qdq import TensorParams, tensor_params
from edgecompile.graph.written import Weight, Written, clamp_behind


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


class Emission(Written[Tensor]):
    """One hub on its way into one file. `integer_bits` says by the name of an ONNX operator which
    widths of integers it has kernels for."""

    def __init__(
        self, writer: ModelWriter, integer_bits: Mapping[str, frozenset[int]], forms: Forms
    ) -> None:
        super().__init__(integer_bits)
        self.writer = writer
        self.forms = forms
        self._floats: dict[int, Tensor] = {}
        self._moved: dict[tuple[int, Order], int] = {}
        # By each of the file's tensors that are one in other shapes: all of them, the first first.
        self._views: dict[int, dict[tuple[int, ...], int]] = {}

    # What the hub's values are in the file

    # Reading operands

    def operand(self, node: ir.Node, index: int, order: Order, rank: int) -> Tensor:
        """Like `activation`, for an operand that may be a constant and is broadcast to `rank`."""
        value = node.inputs[index]
        assert value is not None
        if not is_static(value):
            tensor = self._broadcastable(self.activation(node, index), rank)
            return self.in_order(tensor, order)
        data, params = self.constant_operand(node, index)
        data = data.reshape((1,) * (rank - data.ndim) + data.shape)
        tensor_index = self.constant(name_of(value), data.transpose(order), params)
        return Tensor(tensor_index, data.shape, order, params)

    def _broadcastable(self, tensor: Tensor, rank: int) -> Tensor:
        """Leading axes of size 1, so that orders of operands of different rank are comparable."""
        missing = rank - len(tensor.shape)
        if missing == 0:
            return tensor
        shape = (1,) * missing + tensor.shape
        order = (*range(missing), *(axis + missing for axis in tensor.order))
        return self.reshape(tensor, shape, order)

    def weight(self, node: ir.Node, index: int, *, hybrid: bool = True) -> Weight:
        """The constant weight at input `index`: the hub's integers, or floats.

        A float operator on float activations takes integer weights as they are (`hybrid`: the
        dynamic-range kernels), if it has such a kernel.
        """
        value = node.inputs[index]
        assert value is not None
        stored = dequantized_constant(value)
        if stored is not None and (self.is_integer(node) or (hybrid and self._reads_float(node))):
            return Weight(stored.data, stored.scale, stored.axis)
        return Weight(self.real_constant(node, index))

    def _reads_float(self, node: ir.Node) -> bool:
        source = node.inputs[0]
        tensor = None if source is None else self.lookup(source)
        return tensor is not None and tensor.params is None

    # Writing constants

    def constant(self, name: str, data: Array, params: TensorParams | None) -> int:
        """A constant tensor: integers with `params`, else float as `data` are.

        A float16 constant is widened by a DEQUANTIZE, which runtimes fold.
        """
        if params is not None:
            return self.writer.tensor(name, data.shape, params.dtype, _quantization(params), data)
        if data.dtype != np.float16:
            return self.writer.tensor(name, data.shape, np.float32, data=data)
        narrow = self.writer.tensor(f"{name}.float16", data.shape, np.float16, data=data)
        wide = self.writer.tensor(name, data.shape, np.float32)
        self.writer.operator("DEQUANTIZE", 3, [narrow], [wide], make_options("DequantizeOptions"))
        return wide

    # Writing results

    def fusing_result(self, node: ir.Node, order: Order) -> tuple[Tensor, str]:
        """The tensor of a node's result, and the clamp behind it as a fused activation."""
        tensor = self.draft(node, shape_of(node.outputs[0]), order)
        activation = self.activation_behind(node)
        self.publish(node, tensor, activation)
        return tensor, activation

    def activation_behind(self, node: ir.Node) -> str:
        """The schema's name of the activation that a kernel can fuse, or NONE."""
        clamp = clamp_behind(node.outputs[0])
        return (fused_activation(clamp) if clamp is not None else None) or "NONE"

    def publish(
        self, node: ir.Node, tensor: Tensor, activation: str = "NONE", output: int = 0
    ) -> None:
        """Say that `tensor` holds a node's result: behind its clamp, if that was fused."""
        value = node.outputs[output]
        if activation != "NONE":
            clamp = clamp_behind(value)
            assert clamp is not None
            value = clamp.outputs[0]
        self.publish_value(node, value, tensor)

    def new(
        self, name: str, shape: Sequence[int], order: Order, params: TensorParams | None
    ) -> Tensor:
        """A new activation tensor, integers with `params` or float32."""
        dtype = np.float32 if params is None else params.dtype
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
        """Append an operator, by default in the lowest version for the type of its result."""
        indices = [i.index if isinstance(i, Tensor) else i for i in inputs]
        if version is None:
            params = outputs[0].params
            version = lowest_version(name, 0 if params is None else params.bits)
        self.writer.operator(name, version, indices, [o.index for o in outputs], options)

    # Changing how a tensor is stored

    def in_order(self, tensor: Tensor, order: Order) -> Tensor:
        """The same tensor stored in another order; made once however often it is asked for."""
        if tensor.order == order:
            return tensor
        if moves_nothing(tensor.shape, tensor.order, order):
            return self.reshape(tensor, tensor.shape, order)
        axes = permutation(tensor.order, order)
        # Two tensors of the hub may be one in the file, read in two orders: the movement counts.
        key = (tensor.index, axes)
        if key not in self._moved:
            moved = self.like(tensor, f"{tensor.index}.transposed", tensor.shape, order)
            where = self.writer.integers(axes)
            self.op("TRANSPOSE", [tensor, where], [moved], make_options("TransposeOptions"))
            self._moved[key] = moved.index
        return Tensor(self._moved[key], tensor.shape, order, tensor.params)

    def reshape(self, tensor: Tensor, shape: Sequence[int], order: Order) -> Tensor:
        """The same bytes seen as `shape` stored in `order`; a RESHAPE unless there is one already.

        Never the RESHAPE of a RESHAPE's result: LiteRT 2.3 lets an operator behind it overwrite the
        first result in place though it is read later (measured; XNNPACK's own plan is right).
        """
        wanted = stored_shape(shape, order)
        if wanted == tensor.stored:
            return replace(tensor, shape=tuple(shape), order=order)
        views = self._views.setdefault(tensor.index, {tensor.stored: tensor.index})
        if wanted not in views:
            source = next(iter(views.values()))
            result = self.like(tensor, f"{source}.reshaped{len(views)}", shape, order)
            options = make_options("ReshapeOptions", newShape=list(wanted))
            self.op("RESHAPE", [source, self.writer.integers(wanted)], [result], options)
            views[wanted] = result.index
            self._views[result.index] = views
        return Tensor(views[wanted], tuple(shape), order, tensor.params)

    # Crossing between integers and floats

    def dequantized(self, tensor: Tensor) -> Tensor:
        """The float of an integer tensor, by a DEQUANTIZE that is written once."""
        if tensor.index not in self._floats:
            wide = self.new(f"{tensor.index}.float", tensor.shape, tensor.order, None)
            assert tensor.params is not None
            version = 2 if tensor.params.bits == 8 else 3
            self.op("DEQUANTIZE", [tensor], [wide], make_options("DequantizeOptions"), version)
            self._floats[tensor.index] = replace(wide, flattened=tensor.flattened)
        return self._floats[tensor.index]

    def rescaled(self, tensor: Tensor, params: TensorParams | None) -> Tensor:
        """An integer tensor with other parameters, by a QUANTIZE unless they are equal.

        Between int8 and int16 as well (tensorflow/lite/kernels/quantize.cc, Prepare)."""
        if params is None or tensor.params in (None, params):
            return tensor
        result = self.new(f"{tensor.index}.rescaled", tensor.shape, tensor.order, params)
        self.op("QUANTIZE", [tensor], [result], make_options("QuantizeOptions"), version=2)
        return result

    def quantize(self, node: ir.Node) -> None:
        """A QuantizeLinear whose tensor is a float in the file, or has other parameters there.

        The latter is a clamp that its QuantizeLinear absorbed, behind a DequantizeLinear.
        """
        if self.is_published(node):
            return  # the operator before it wrote its integers already
        source = node.inputs[0]
        assert source is not None
        tensor, params = self.lookup(source), tensor_params(node)
        if tensor is None:
            raise ContractError(f"{node.name}: the tensor {source.name} was not emitted")
        result = self.rescaled(tensor, params)
        if tensor.params is None:
            result = self.new(name_of(node.outputs[0]), tensor.shape, tensor.order, params)
            version = 1 if params.bits == 8 else 2
            self.op("QUANTIZE", [tensor], [result], make_options("QuantizeOptions"), version)
        self.define(node.outputs[0], replace(result, flattened=tensor.flattened))


def fused_activation(clamp: ir.Node) -> str | None:
    """The name of the activation that TFLite can fuse; None for other bounds."""
    names = {(0.0, float("inf")): "RELU", (0.0, 6.0): "RELU6", (-1.0, 1.0): "RELU_N1_TO_1"}
    return names.get(clamp_bounds(clamp))


def _quantization(params: TensorParams) -> Quantization:
    return Quantization(np.array(params.scale, np.float32), np.array(params.zero_point))
