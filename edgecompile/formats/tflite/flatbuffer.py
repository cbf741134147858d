"""A TFLite model under construction: tensors, operators, and the bytes they become.

The schema is that of LiteRT's own Python package, by its object API.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgecompile.graph.hub import Array

_TYPES = {
    np.dtype(np.int8): schema.TensorType.INT8,
    np.dtype(np.int16): schema.TensorType.INT16,
    np.dtype(np.uint8): schema.TensorType.UINT8,
    np.dtype(np.int32): schema.TensorType.INT32,
    np.dtype(np.int64): schema.TensorType.INT64,
    np.dtype(np.float16): schema.TensorType.FLOAT16,
    np.dtype(np.float32): schema.TensorType.FLOAT32,
}


@dataclass(frozen=True)
class Quantization:
    """Scales and zero points of a tensor: one each, or one per slice of `axis`."""

    scale: Array
    zero_point: Array
    axis: int = 0


class ModelWriter:
    """Collects tensors and operators; indices are the flatbuffer's own."""

    def __init__(self) -> None:
        self.operator_names: list[str] = []
        """In execution order."""
        self._model = schema.ModelT()
        self._graph = schema.SubGraphT()
        self._graph.name = "main"
        self._graph.tensors, self._graph.operators = [], []
        self._model.version = 3  # of the schema: the only one that runtimes read
        self._model.description = "edgecompile"
        self._model.operatorCodes, self._model.buffers = [], [schema.BufferT()]
        self._model.subgraphs = [self._graph]
        self._codes: dict[tuple[str, int], int] = {}
        self._integers: dict[tuple[tuple[int, ...], tuple[int, ...]], int] = {}

    def tensor(
        self,
        name: str,
        shape: Sequence[int],
        dtype: Any,
        quantization: Quantization | None = None,
        data: Array | None = None,
    ) -> int:
        """Add a tensor; with `data`, a constant. Returns its index."""
        tensor = schema.TensorT()
        tensor.name, tensor.shape = name, [int(size) for size in shape]
        tensor.type, tensor.hasRank = _TYPES[np.dtype(dtype)], True
        if quantization is not None:
            parameters = schema.QuantizationParametersT()
            parameters.scale = np.atleast_1d(quantization.scale).astype(np.float32)
            parameters.zeroPoint = np.atleast_1d(quantization.zero_point).astype(np.int64)
            parameters.quantizedDimension = quantization.axis
            tensor.quantization = parameters
        if data is not None:
            buffer = schema.BufferT()
            raw = np.ascontiguousarray(data, dtype=dtype).tobytes()
            buffer.data = np.frombuffer(raw, np.uint8)
            self._model.buffers.append(buffer)
            tensor.buffer = len(self._model.buffers) - 1
        self._graph.tensors.append(tensor)
        return len(self._graph.tensors) - 1

    def integers(self, values: Any) -> int:
        """A constant int32 tensor (shapes, axes, paddings); equal ones are shared."""
        array = np.array(values, np.int32)
        key = (array.shape, tuple(int(v) for v in array.ravel()))
        if key not in self._integers:
            name = f"integers{len(self._integers)}"
            self._integers[key] = self.tensor(name, array.shape, np.int32, data=array)
        return self._integers[key]

    def operator(
        self,
        name: str,
        version: int,
        inputs: Sequence[int],
        outputs: Sequence[int],
        options: Any = None,
    ) -> None:
        """Append an operator; `options` is the schema's object for it, or None."""
        key = (name, version)
        if key not in self._codes:
            code = schema.OperatorCodeT()
            value = getattr(schema.BuiltinOperator, name)
            code.builtinCode, code.version = value, version
            # Readers older than the field of 32 bits look here; 127 tells them to give up.
            code.deprecatedBuiltinCode = min(value, 127)
            self._model.operatorCodes.append(code)
            self._codes[key] = len(self._model.operatorCodes) - 1
        operator = schema.OperatorT()
        operator.opcodeIndex = self._codes[key]
        operator.inputs, operator.outputs = list(inputs), list(outputs)
        if options is not None:
            operator.builtinOptions = options
            kind = type(options).__name__.removesuffix("T")
            operator.builtinOptionsType = getattr(schema.BuiltinOptions, kind)
        self._graph.operators.append(operator)
        self.operator_names.append(name)

    def finish(self, inputs: dict[str, int], outputs: dict[str, int]) -> bytes:
        """The model's bytes; `inputs` and `outputs` name the tensors of its signature."""
        import flatbuffers

        self._graph.inputs = list(inputs.values())
        self._graph.outputs = list(outputs.values())
        signature = schema.SignatureDefT()
        signature.signatureKey, signature.subgraphIndex = "serving_default", 0
        signature.inputs = [_named(name, index) for name, index in inputs.items()]
        signature.outputs = [_named(name, index) for name, index in outputs.items()]
        self._model.signatureDefs = [signature]
        builder = flatbuffers.Builder(1 << 20)
        builder.Finish(self._model.Pack(builder), b"TFL3")
        return bytes(builder.Output())


def _named(name: str, index: int) -> Any:
    entry = schema.TensorMapT()
    entry.name, entry.tensorIndex = name, index
    return entry


def make_options(kind: str, **fields: Any) -> Any:
    """An options object of the schema, e.g. ``make_options("AddOptions", ...)``."""
    options = getattr(schema, kind + "T")()
    for name, value in fields.items():
        setattr(options, name, value)
    return options


def activation_code(name: str) -> int:
    """The schema's number of a fused activation: NONE, RELU, RELU6, RELU_N1_TO_1."""
    code: int = getattr(schema.ActivationFunctionType, name)
    return code


SAME: int = schema.Padding.SAME
VALID: int = schema.Padding.VALID
