"""An ML Program as plain values: its operators in order, its constants as arrays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgecompile.backends.coreml.blobs import WHOLE, from_bytes, read_blob
from edgecompile.backends.coreml.package import open_package
from edgecompile.backends.coreml.schema import data_types
from edgecompile.errors import UserError
from edgecompile.graph.hub import Array

_REPEATED = {"floats": "float32", "ints": "int32", "bools": "bool", "longInts": "int64",
             "doubles": "float64"}  # fmt: skip
"""The field of an immediate tensor, and the type of what it lists."""


@dataclass(frozen=True)
class Tensor:
    """One tensor: `dtype` as MIL calls it, in small letters."""

    name: str
    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Operation:
    """One operator. Each input is the name, or for a list the names, of tensors or constants."""

    kind: str
    inputs: Mapping[str, tuple[str, ...]]
    outputs: tuple[Tensor, ...]


@dataclass(frozen=True)
class Program:
    """The function `main` of a model. A constant is an array, a number, a truth value or a text."""

    opset: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    operations: tuple[Operation, ...]
    constants: Mapping[str, Any]
    weight_bytes: int


def read_program(folder: Path) -> Program:
    """Read a package's program.

    Raises:
        UserError: the folder is no package, is damaged, or has dynamic shapes or control flow.
    """
    package = open_package(folder)
    try:
        return _Reader(package.blob).read(package.message)
    except (KeyError, IndexError, ValueError, TypeError) as error:
        raise UserError(f"{folder.name} is a damaged Core ML package: {error}") from None


class _Reader:
    """Collects the constants of one program while its operators are read."""

    def __init__(self, blob: bytes) -> None:
        self.blob = blob
        self.constants: dict[str, Any] = {}
        self.weight_bytes = 0

    def read(self, message: Any) -> Program:
        functions = message.mlProgram.functions
        if "main" not in functions:
            raise UserError(f"the model has no function main, but {', '.join(functions)}")
        function = functions["main"]
        block = function.block_specializations[function.opset]
        operations = tuple(self._operations(block.operations))
        inputs = tuple(_tensor(named) for named in function.inputs)
        made = {t.name: t for operation in operations for t in operation.outputs}
        made |= {tensor.name: tensor for tensor in inputs}
        return Program(
            function.opset,
            inputs,
            tuple(made[name] for name in block.outputs),
            operations,
            self.constants,
            self.weight_bytes,
        )

    def _operations(self, messages: Sequence[Any]) -> Iterator[Operation]:
        for message in messages:
            if message.blocks:
                raise UserError(f"control flow ({message.type}) is not read")
            if message.type == "const":
                self._constant(message.outputs[0].name, message.attributes["val"])
                continue
            outputs = tuple(_tensor(named) for named in message.outputs)
            inputs = {
                key: tuple(
                    self._operand(f"{outputs[0].name}.{key}.{index}", binding)
                    for index, binding in enumerate(argument.arguments)
                )
                for key, argument in message.inputs.items()
            }
            for key, value in message.attributes.items():
                if key != "name":  # older operators hold their constants as attributes
                    inputs[key] = (f"{outputs[0].name}.{key}",)
                    self._constant(inputs[key][0], value)
            yield Operation(message.type, dict(sorted(inputs.items())), outputs)

    def _operand(self, name: str, binding: Any) -> str:
        if binding.WhichOneof("binding") == "name":
            return str(binding.name)
        self._constant(name, binding.value)
        return name

    def _constant(self, name: str, value: Any) -> None:
        dtype, shape = _type_of(value.type)
        if value.WhichOneof("value") == "blobFileValue":
            array, size = read_blob(self.blob, value.blobFileValue.offset, dtype, shape)
            self.weight_bytes += size
            self.constants[name] = array
            return
        tensor = value.immediateValue.tensor
        kind = tensor.WhichOneof("value")
        if kind == "strings":
            self.constants[name] = str(tensor.strings.values[0])
            return
        if kind == "bytes":
            array = from_bytes(tensor.bytes.values, dtype, shape)
        else:
            listed = getattr(tensor, kind).values if kind else ()
            array = np.array(listed, _REPEATED[kind] if kind else WHOLE[dtype])
            array = array.astype(WHOLE.get(dtype, np.int32)).reshape(shape)
        self.constants[name] = array if shape else array[()]


def _tensor(named: Any) -> Tensor:
    return Tensor(str(named.name), *_type_of(named.type))


def _type_of(value_type: Any) -> tuple[str, tuple[int, ...]]:
    if value_type.WhichOneof("type") != "tensorType":
        raise UserError("only tensors are read: no lists, no states")
    tensor = value_type.tensorType
    shape = []
    for dimension in tensor.dimensions:
        if dimension.WhichOneof("dimension") != "constant":
            raise UserError("dynamic shapes are not read")
        shape.append(int(dimension.constant.size))
    return data_types()[tensor.dataType], tuple(shape)


def integers(array: Array | None, default: Sequence[int]) -> list[int]:
    """A constant list of integers; `default` for a missing one."""
    return list(default) if array is None else [int(number) for number in np.ravel(array)]
