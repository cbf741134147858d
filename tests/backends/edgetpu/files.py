"""Small .tflite files of one or a few operators, as a stranger's converter may write them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from edgecompile.formats.tflite.flatbuffer import ModelWriter, Quantization, make_options
from edgecompile.formats.tflite.graph import FileGraph, parse_graph
from edgecompile.graph.hub import Array

ONE_SCALE = Quantization(np.array([0.1], np.float32), np.array([0]))


@dataclass
class File:
    """A file under construction; `x` makes an input, `op` an operator and its result."""

    writer: ModelWriter = field(default_factory=ModelWriter)
    inputs: dict[str, int] = field(default_factory=dict)

    def x(self, *shape: int, dtype: Any = np.int8) -> int:
        """An input tensor."""
        index = self.tensor(shape, dtype)
        self.inputs[f"x{index}"] = index
        return index

    def tensor(self, shape: Sequence[int], dtype: Any = np.int8) -> int:
        """An activation with one scale."""
        return self.writer.tensor("t", shape, dtype, ONE_SCALE)

    def constant(self, data: Any, dtype: Any = np.int8, scales: int = 1) -> int:
        """A constant with so many scales."""
        array: Array = np.asarray(data, dtype)
        scale = Quantization(np.full(scales, 0.1, np.float32), np.zeros(scales, np.int64))
        return self.writer.tensor("c", array.shape, dtype, scale, array)

    def integers(self, *values: int) -> int:
        """A constant int32 list."""
        return self.writer.integers(values)

    def op(
        self,
        name: str,
        inputs: Sequence[int],
        shape: Sequence[int],
        options: str | None = None,
        version: int = 1,
        dtype: Any = np.int8,
        **fields: Any,
    ) -> int:
        """An operator with one result of the given shape."""
        result = self.tensor(shape, dtype)
        made = make_options(options, **fields) if options else None
        self.writer.operator(name, version, inputs, [result], made)
        return result

    def content(self, *outputs: int) -> bytes:
        """The bytes."""
        return self.writer.finish(self.inputs, {f"y{index}": index for index in outputs})

    def graph(self, *outputs: int) -> FileGraph:
        """The file read back."""
        return parse_graph(self.content(*outputs), "file.tflite")
