"""A .tflite file as a graph of plain values, for rules about it. Every byte may be a stranger's."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from math import prod
from typing import Any

import numpy as np

from edgecompile.errors import UserError
from edgecompile.graph.hub import Array

IDENTIFIER = b"TFL3"
"""At byte 4 of every .tflite file (tensorflow/lite/schema/schema.fbs)."""

DAMAGES = (
    struct.error, LookupError, TypeError, ValueError, OverflowError, AttributeError, MemoryError,
)  # fmt: skip
"""What reading wrong offsets raises."""

_DTYPES = {
    "float32": np.float32, "float16": np.float16, "int8": np.int8, "uint8": np.uint8,
    "int16": np.int16, "int32": np.int32, "int64": np.int64,
}  # fmt: skip


@dataclass(frozen=True)
class FileTensor:
    """One tensor. `scale` has one entry, or one per channel."""

    index: int
    name: str
    shape: tuple[int, ...]
    dtype: str
    scale: tuple[float, ...] = ()
    zero_point: tuple[int, ...] = ()
    content: bytes | None = field(default=None, repr=False)
    """The bytes of a constant; None for an activation."""
    is_dynamic: bool = False
    """Does the file leave a dimension open?"""

    @property
    def is_constant(self) -> bool:
        """Does the file hold its values?"""
        return self.content is not None

    @property
    def elements(self) -> int:
        """How many numbers it holds; 1 for a scalar."""
        return prod(self.shape)

    @property
    def size_bytes(self) -> int:
        """Bytes of the tensor in memory."""
        return self.elements * np.dtype(_DTYPES.get(self.dtype, np.int64)).itemsize

    def values(self) -> Array | None:
        """The numbers of a constant, in its shape; None where they do not fit it."""
        dtype = _DTYPES.get(self.dtype)
        if self.content is None or dtype is None:
            return None
        if len(self.content) != self.size_bytes:
            return None
        array: Array = np.frombuffer(self.content, dtype).reshape(self.shape)
        return array


@dataclass(frozen=True)
class FileOperator:
    """One operator. A missing optional input is None."""

    index: int
    name: str
    version: int
    inputs: tuple[FileTensor | None, ...]
    outputs: tuple[FileTensor, ...]
    custom: str = ""
    """The name of a CUSTOM operator."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Fields of the schema's options object by their names there; empty: the defaults."""

    @property
    def label(self) -> str:
        """The name as the compiler's log writes it, with that of a custom operator."""
        return f"{self.name} {self.custom}".rstrip()

    @property
    def activations(self) -> tuple[FileTensor, ...]:
        """What it reads that is computed: neither constant nor a state of its own."""
        return tuple(t for t in self.inputs if t is not None and not t.is_constant)

    def input(self, index: int) -> FileTensor | None:
        """The input at `index`; None if it is missing."""
        return self.inputs[index] if index < len(self.inputs) else None

    def option(self, name: str, default: int = 0) -> int:
        """A numeric option; `default` where the file does not say it."""
        value = self.options.get(name, default)
        return int(value) if isinstance(value, (int, np.integer)) else default


@dataclass(frozen=True)
class FileGraph:
    """The first subgraph of a file, its operators in execution order."""

    inputs: tuple[FileTensor, ...]
    outputs: tuple[FileTensor, ...]
    operators: tuple[FileOperator, ...]
    constant_bytes: int = 0
    """Bytes of all constants, weights above all."""
    subgraphs: int = 1
    has_outside_buffers: bool = False
    """Does it keep constants behind the flatbuffer (buffers with an offset)?"""


def parse_graph(content: bytes, name: str) -> FileGraph:
    """The graph of a file's bytes; `name` is how a message calls it.

    Raises:
        UserError: the bytes are no .tflite file, or a damaged one.
    """
    from ai_edge_litert import schema_py_generated as schema

    if content[4:8] != IDENTIFIER:
        raise UserError(f"{name} is not a .tflite file")
    try:
        return _graph(schema.ModelT.InitFromPackedBuf(content, 0))
    except DAMAGES:
        raise UserError(f"{name} is a damaged .tflite file") from None


def _graph(model: Any) -> FileGraph:
    graph = model.subgraphs[0]
    buffers = [None if b.data is None else bytes(bytearray(b.data)) for b in model.buffers]
    tensors = [_tensor(index, t, buffers) for index, t in enumerate(graph.tensors)]
    operators = [
        _operator(index, operator, model.operatorCodes[operator.opcodeIndex], tensors)
        for index, operator in enumerate(graph.operators if graph.operators is not None else ())
    ]
    return FileGraph(
        _picked(graph.inputs, tensors),
        _picked(graph.outputs, tensors),
        tuple(operators),
        sum(len(buffer) for buffer in buffers if buffer is not None),
        len(model.subgraphs),
        any(b.offset > 1 and b.size for b in model.buffers),
    )


def _tensor(index: int, tensor: Any, buffers: list[bytes | None]) -> FileTensor:
    parameters = tensor.quantization
    shape = tuple(int(n) for n in tensor.shape) if tensor.shape is not None else ()
    signature = tensor.shapeSignature
    return FileTensor(
        index,
        (tensor.name or b"").decode(errors="replace"),
        shape,
        _type_names()[tensor.type],
        _numbers(float, parameters.scale if parameters is not None else None),
        _numbers(int, parameters.zeroPoint if parameters is not None else None),
        # Buffer 0 is empty by convention; an activation may have an empty buffer of its own.
        buffers[tensor.buffer] or None,
        any(n < 0 for n in shape) or (signature is not None and any(n < 0 for n in signature)),
    )


def _numbers(kind: Any, values: Any) -> tuple[Any, ...]:
    return () if values is None else tuple(kind(value) for value in values)


def _operator(index: int, operator: Any, code: Any, tensors: list[FileTensor]) -> FileOperator:
    # Files older than the field of 32 bits have 0 there.
    number = max(code.builtinCode, code.deprecatedBuiltinCode)
    return FileOperator(
        index,
        _operator_names().get(number, str(number)),
        int(code.version),
        tuple(
            tensors[i] if i >= 0 else None
            for i in (operator.inputs if operator.inputs is not None else ())
        ),
        _picked(operator.outputs, tensors),
        (code.customCode or b"").decode(errors="replace"),
        {} if operator.builtinOptions is None else dict(vars(operator.builtinOptions)),
    )


def _picked(indices: Any, tensors: list[FileTensor]) -> tuple[FileTensor, ...]:
    if indices is None:
        return ()
    if any(i < 0 for i in indices):
        raise ValueError("a negative index")
    return tuple(tensors[i] for i in indices)


@cache
def _operator_names() -> Mapping[int, str]:
    from ai_edge_litert import schema_py_generated as schema

    return _names(schema.BuiltinOperator)


@cache
def _type_names() -> Mapping[int, str]:
    from ai_edge_litert import schema_py_generated as schema

    return {number: name.lower() for number, name in _names(schema.TensorType).items()}


def _names(enumeration: Any) -> dict[int, str]:
    return {number: name for name, number in vars(enumeration).items() if name.isupper()}
