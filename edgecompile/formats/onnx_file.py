"""An ONNX file in the words of every artifact."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnx

from edgecompile.errors import UserError
from edgecompile.inspection import Inspection, OperatorFacts, TensorFacts


def inspect_onnx(artifact: Path) -> Inspection:
    """Operators, borders and weights of an ONNX file.

    Raises:
        UserError: the file is no valid ONNX model.
    """
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load(artifact, load_external_data=False)
        onnx.checker.check_model(model)
    except (DecodeError, onnx.checker.ValidationError, ValueError) as error:
        raise UserError(f"{artifact.name} is not a valid ONNX file") from error
    graph = model.graph
    borders = {v.name: _facts(v) for v in (*graph.value_info, *graph.input, *graph.output)}

    def tensors(names: Any) -> tuple[TensorFacts, ...]:
        return tuple(borders.get(n) or TensorFacts(n, (), "unknown") for n in names if n)

    constants = {i.name for i in graph.initializer}
    return Inspection(
        format="onnx",
        size_bytes=artifact.stat().st_size,
        weight_bytes=sum(len(onnx.numpy_helper.to_array(i).tobytes()) for i in graph.initializer),
        inputs=tensors(i.name for i in graph.input if i.name not in constants),
        outputs=tensors(o.name for o in graph.output),
        operators=tuple(
            OperatorFacts(
                node.op_type,
                None,
                tensors(n for n in node.input if n not in constants),
                tensors(node.output),
            )
            for node in graph.node
        ),
    )


def _facts(value: Any) -> TensorFacts:
    tensor = value.type.tensor_type
    shape = tuple(d.dim_value if d.HasField("dim_value") else -1 for d in tensor.shape.dim)
    dtype = onnx.TensorProto.DataType.Name(tensor.elem_type).lower() if tensor.elem_type else ""
    return TensorFacts(value.name, shape, dtype or "unknown")
