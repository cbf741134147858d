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
from edgecompile.graph.clamps import clamp_bounds
from edgecompile.graph.constants import dequantized_constant, is_static
from edgecompile.graph.hub import Array, name_of, shape_of
from edgecompile.graph.layout import Order, moves_nothing
from edgecompile.graph.provenance import provenance
from edgecompile.graph.qdq import TensorParams
from edgecompile.graph.written import Weight, Written, clamp_behind


@dataclass(frozen=True)
class Result:
    """Where an operator writes, and the bounds that its kernel applies: integers of the result's
    type, or reals."""

    tensor: Tensor
    low: float
    high: float


class Emission(Written[Tensor]):
    """One hub on its way into one program. `integer_bits` says by the name of an ONNX operator
    which widths of integers it has kernels for."""

    def __init__(
        self, isa: Isa, integer_bits: Mapping[str, frozenset[int]], threads: int = 1
    ) -> None:
        super().__init__(integer_bits)
        self.isa = isa
        self.threads = threads
        self.steps: list[Step] = []
        self.constants: dict[Storage, Array] = {}
        self.origin = ""
        self._converted: dict[tuple[Tensor, object], Tensor] = {}
        self._names: set[str] = set()

    def enter(self, node: ir.Node) -> None:
        """Say which node of the hub the next steps come from."""
        source = provenance(node).source
        where = f" ({source})" if source else ""
        self.origin = f"{node.name}: {node.op_type}{where}"

    # What the hub's values are in C

    # Reading operands

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

    def real_constant(self, node: ir.Node, index: int) -> Array:
        """The values of a constant input as float32, in whatever form the hub holds them."""
        return np.asarray(super().real_constant(node, index), np.float32)

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
        self.publish_value(node, node.outputs[0] if clamp is None else clamp.outputs[0], tensor)

    def publish(self, node: ir.Node, tensor: Tensor, output: int = 0) -> None:
        """Say that `tensor` holds a node's result."""
        self.publish_value(node, node.outputs[output], tensor)

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
