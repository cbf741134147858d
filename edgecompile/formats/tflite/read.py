"""Read a .tflite file, ours or a stranger's, back from its bytes."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from edgecompile.errors import UserError
from edgecompile.inspection import Inspection, OperatorFacts, TensorFacts

IDENTIFIER = b"TFL3"
"""At byte 4 of every .tflite file (tensorflow/lite/schema/schema.fbs)."""


def inspect_tflite(file: Path) -> Inspection:
    """Operators, borders and weights of the file's first subgraph.

    Raises:
        UserError: the bytes are no .tflite file.
    """
    from ai_edge_litert import schema_py_generated as schema

    content = file.read_bytes()
    if content[4:8] != IDENTIFIER:
        raise UserError(f"{file.name} is not a .tflite file")
    try:
        model = schema.ModelT.InitFromPackedBuf(content, 0)
        return _inspect(model, len(content))
    except (struct.error, LookupError, TypeError, ValueError, OverflowError, AttributeError):
        raise UserError(f"{file.name} is a damaged .tflite file") from None


def _inspect(model: Any, size: int) -> Inspection:
    graph = model.subgraphs[0]
    tensors = [_facts(tensor) for tensor in graph.tensors]
    weights = [0 if b.data is None else len(b.data) for b in model.buffers]
    operators = []
    for operator in graph.operators or ():
        code = model.operatorCodes[operator.opcodeIndex]
        # Files older than the field of 32 bits have 0 there.
        number = max(code.builtinCode, code.deprecatedBuiltinCode)
        read = [i for i in operator.inputs if i >= 0 and not weights[graph.tensors[i].buffer]]
        operators.append(
            OperatorFacts(
                _operator_names().get(number, str(number)),
                code.version,
                tuple(tensors[i] for i in read),
                tuple(tensors[i] for i in operator.outputs),
            )
        )
    return Inspection(
        format="tflite",
        size_bytes=size,
        weight_bytes=sum(weights),
        inputs=tuple(tensors[i] for i in graph.inputs),
        outputs=tuple(tensors[i] for i in graph.outputs),
        operators=tuple(operators),
    )


def _facts(tensor: Any) -> TensorFacts:
    parameters = tensor.quantization
    quantized = parameters is not None and parameters.scale is not None
    return TensorFacts(
        (tensor.name or b"").decode(errors="replace"),
        tuple(int(n) for n in tensor.shape) if tensor.shape is not None else (),
        _type_names()[tensor.type],
        tuple(float(s) for s in parameters.scale) if quantized else (),
        tuple(int(z) for z in parameters.zeroPoint) if quantized else (),
    )


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
