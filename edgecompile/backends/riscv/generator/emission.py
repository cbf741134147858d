"""The state of one generation: which memory holds which tensor of the hub.

An operator is *integer* when all its activations are integers of one width and its results go to
QuantizeLinear only (through a clamp); else it is a *float* operator, with conversions at its
borders. The operators of `operators/` are written once for all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import onnx_ir as ir

from edgecompile.backends.riscv.generator.storage import Pointer, Step, Storage, Tensor
from edgecompile.backends.riscv.generator.text import LARGEST_FLOAT, c_type, identifier
from edgecompile.backends.riscv.isa import Isa
from edgecompile.errors import ContractError
from edgecompile.graph.clamps import CLAMPS, clamp_bounds
from edgecompile.graph.constants import dequantized_constant, is_static, static_value
from edgecompile.graph.hub import Array, is_float, name_of, shape_of
from edgecompile.graph.layout import Order, moves_nothing, plain
from edgecompile.graph.provenance import provenance
from edgecompile.graph.qdq import TensorParams, integer_inputs, tensor_params


@dataclass(frozen=True)
class Result:
    """Where an operator writes, and the bounds that its kernel applies: integers of the result's
    type, or reals."""

    tensor: Tensor
    low: float
    high: float


@dataclass(frozen=True)
class Weight:
    """A constant weight as the hub holds it: integers with `scale` (one number, or one per slice
    of `axis`), or float32 without."""

    data: Array
    scale: Array | None = None
    axis: int | None = None


class Emission:
    """One hub on its way into one program. `integer_bits` says by the name of an ONNX operator
    which widths of integers it has kernels for."""

    def __init__(
        self, isa: Isa, integer_bits: Mapping[str, frozenset[int]], threads: int = 1
    ) -> None:
        self.isa = isa
        self.threads = threads
        self.integer_bits = integer_bits
        self.steps: list[Step] = []
        self.constants: dict[Storage, Array] = {}
        self.origin = ""
        self._tensors: dict[str, Tensor] = {}
        self._converted: dict[tuple[Tensor, object], Tensor] = {}
        self._names: set[str] = set()

    def enter(self, node: ir.Node) -> None:
        """Say which node of the hub the next steps come from."""
        source = provenance(node).source
        where = f" ({source})" if source else ""
        self.origin = f"{node.name}: {node.op_type}{where}"

    # What the hub's values are in C

    def define(self, value: ir.Value, tensor: Tensor) -> None:
        """Say which tensor holds a value of the hub."""
        self._tensors[name_of(value)] = tensor

    def lookup(self, value: ir.Value) -> Tensor | None:
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

    # Reading operands

    def activation(self, node: ir.Node, index: int = 0, order: Order | None = None) -> Tensor:
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

    def operand(self, node: ir.Node, index: int, order: Order, rank: int) -> Tensor:
        """Like `activation`, for an operand that may be a constant and is broadcast to `rank`."""
        value = node.inputs[index]
        assert value is not None
        if not is_static(value):
            return self.in_order(with_leading_axes(self.activation(node, index), rank), order)
        data, params = self.constant_operand(node, index)
        data = data.reshape((1,) * (rank - data.ndim) + data.shape)
        stored = self.constant(name_of(value), data.transpose(order))
        return Tensor(stored, data.shape, order, params)

    def constant_operand(self, node: ir.Node, index: int) -> tuple[Array, TensorParams | None]:
        """A constant operand's integers and parameters; float32 for a float operator."""
        value = node.inputs[index]
        assert value is not None
        stored = dequantized_constant(value)
        pair = value.producer()
        if stored is not None and pair is not None and self.is_integer(node):
            return stored.data, tensor_params(pair)
        return self.real_constant(node, index), None

    def real_constant(self, node: ir.Node, index: int) -> Array:
        """The values of a constant input as float32, in whatever form the hub holds them."""
        value = node.inputs[index]
        array = None if value is None else static_value(value)
        if array is None:
            raise ContractError(f"{node.name}: input {index} is no constant")
        return np.asarray(array, np.float32)

    def weight(self, node: ir.Node, index: int) -> Weight:
        """The constant weight at input `index`: the hub's integers for an integer operator, else
        float32."""
        stored = dequantized_constant(node.inputs[index])
        if stored is not None and self.is_integer(node):
            return Weight(stored.data.astype(np.int8), stored.scale, stored.axis)
        return Weight(self.real_constant(node, index))

    # Writing constants

    def constant(self, name: str, data: Array) -> Storage:
        """Read-only memory that holds `data`."""
        unique = base = f"{identifier(name)}_data"
        number = 1
        while unique in self._names:
            number += 1
            unique = f"{base}{number}"
        self._names.add(unique)
        storage = Storage(unique, data.nbytes, "constant")
        self.constants[storage] = np.ascontiguousarray(data)
        return storage

    def constant_pointer(self, name: str, data: Array, steps: Sequence[int] = ()) -> Pointer:
        """A new constant as an argument."""
        return Pointer(self.constant(name, data), c_type(data.dtype), 0, tuple(steps))

    # Writing results

    def result(self, node: ir.Node, order: Order, output: int = 0) -> Tensor:
        """The tensor of a node's result, for an operator that carries no clamp."""
        tensor = self.draft(node, shape_of(node.outputs[output]), order, output)
        self.publish(node, tensor, output=output)
        return tensor

    def clamped_result(
        self, node: ir.Node, order: Order, shape: Sequence[int] | None = None
    ) -> Result:
        """The tensor of a node's result, not published yet, and the bounds of the clamp behind it,
        which the kernel applies."""
        tensor = self.draft(node, shape or shape_of(node.outputs[0]), order)
        clamp = clamp_behind(node.outputs[0])
        low, high = (-np.inf, np.inf) if clamp is None else clamp_bounds(clamp)
        return Result(tensor, *bounds_in(tensor.params, low, high))

    def publish_clamped(self, node: ir.Node, tensor: Tensor) -> None:
        """Say that `tensor` holds a node's result, behind the clamp that reads it, if any."""
        clamp = clamp_behind(node.outputs[0])
        self._publish(node, node.outputs[0] if clamp is None else clamp.outputs[0], tensor)

    def draft(self, node: ir.Node, shape: Sequence[int], order: Order, output: int = 0) -> Tensor:
        """A new tensor of the type of a node's result, to be published when it has its shape."""
        value = node.outputs[output]
        params = result_params(value) if self.is_integer(node) else None
        return self.new(name_of(value), shape, order, params)

    def publish(self, node: ir.Node, tensor: Tensor, output: int = 0) -> None:
        """Say that `tensor` holds a node's result."""
        self._publish(node, node.outputs[output], tensor)

    def _publish(self, node: ir.Node, value: ir.Value, tensor: Tensor) -> None:
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

    def is_published(self, node: ir.Node) -> bool:
        """Is a node's result written already, by the operator that it is fused into?"""
        return name_of(node.outputs[0]) in self._tensors

    def new(
        self, name: str, shape: Sequence[int], order: Order, params: TensorParams | None
    ) -> Tensor:
        """New memory for an activation, integers with `params` or float32."""
        size = int(np.prod(shape, dtype=np.int64)) * (4 if params is None else params.bits // 8)
        return Tensor(Storage(name, size), tuple(shape), order, params)

    def scratch(self, name: str, size: int, type_name: str, bytes_each: int) -> Pointer:
        """Memory that is needed for one step only."""
        return Pointer(Storage(name, size * bytes_each), type_name, writes=True)

    def call(
        self,
        kernel: str,
        *arguments: str | Pointer,
        loops: Sequence[int] = (),
        in_place: Sequence[tuple[Tensor, Tensor]] = (),
    ) -> None:
        """Append a call of a kernel."""
        pairs = tuple((source.storage, result.storage) for source, result in in_place)
        self.steps.append(Step(kernel, arguments, self.origin, tuple(loops), pairs))

    def call_parts(self, kernel: str, parts: Sequence[Sequence[str | Pointer]]) -> None:
        """Append calls of a kernel that may run at once: one alone is an ordinary call."""
        if len(parts) == 1:
            self.call(kernel, *parts[0])
        else:
            self.steps.append(Step(kernel, [], self.origin, parts=tuple(parts)))

    # Changing how a tensor is stored

    def in_order(self, tensor: Tensor, order: Order) -> Tensor:
        """The same tensor stored in another order; made once however often it is asked for."""
        if tensor.order == order:
            return tensor
        if moves_nothing(tensor.shape, tensor.order, order):
            return replace(tensor, order=order)
        from edgecompile.backends.riscv.generator.movement import move_tensor

        key = (tensor, order)
        if key not in self._converted:
            moved = self.new(f"{tensor.storage.name}.moved", tensor.shape, order, tensor.params)
            move_tensor(self, tensor, moved)
            self._converted[key] = moved
        return self._converted[key]

    # Crossing between integers and floats

    def dequantized(self, tensor: Tensor) -> Tensor:
        """The reals of an integer tensor, computed once."""
        key = (tensor, None)
        if key not in self._converted:
            from edgecompile.backends.riscv.generator.crossing import dequantize

            self._converted[key] = dequantize(self, tensor)
        return self._converted[key]


def with_leading_axes(tensor: Tensor, rank: int) -> Tensor:
    """Leading axes of size 1, so that orders of operands of different rank are comparable."""
    missing = rank - len(tensor.shape)
    order = (*range(missing), *(axis + missing for axis in tensor.order))
    return replace(tensor, shape=(1,) * missing + tensor.shape, order=order)


def border_order(rank: int) -> Order:
    """How graph inputs and outputs are stored: channels last for images, else plain."""
    return (0, 2, 3, 1) if rank == 4 else plain(rank)


def bounds_in(params: TensorParams | None, low: float, high: float) -> tuple[float, float]:
    """The bounds of a clamp as integers of a tensor; for float32 as they are, but finite."""
    if params is None:
        return max(low, -LARGEST_FLOAT), min(high, LARGEST_FLOAT)
    limits = np.iinfo(params.dtype)

    def nearest(bound: float, beyond: int) -> int:
        if not np.isfinite(bound):
            return beyond
        # In float32, as ONNX Runtime quantizes what it has clamped.
        steps = int(np.rint(np.float32(bound) / np.float32(params.scale)))
        return int(np.clip(steps + params.zero_point, limits.min, limits.max))

    return nearest(low, int(limits.min)), nearest(high, int(limits.max))


def clamp_behind(value: ir.Value) -> ir.Node | None:
    """The Relu or Clip that is the only reader of an operator's result."""
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
