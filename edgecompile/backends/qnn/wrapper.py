"""`model.onnx` beside a context binary: its borders, and which chip's emulator runs it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import onnx

from edgecompile.backends.protocol import TensorFacts
from edgecompile.errors import UserError

WRAPPER_NAME = "model.onnx"
WEIGHT_BYTES = "edgecompile.weight_bytes"
"""Metadata of ours: the binary's layout is not published, its weights cannot be counted there."""
_COMPATIBILITY = "ep_compatibility_info.QNNExecutionProvider"
_SOC_MODEL_FIELD = 5
"""Of the compatibility text ``v2:6:2.51.0:5.51.0:0:57:0:0`` (seen with onnxruntime-qnn 2.7.0)."""


@dataclass(frozen=True)
class Wrapper:
    """The ONNX model whose EPContext node stands for the binary."""

    file: Path
    soc_model: int
    weight_bytes: int | None
    inputs: tuple[TensorFacts, ...]
    outputs: tuple[TensorFacts, ...]
    on_cpu: tuple[str, ...]
    """Types of the operators that are left to the CPU."""

    @property
    def is_split(self) -> bool:
        """Does the CPU compute a part of it?"""
        return bool(self.on_cpu)


def read_wrapper(binary: Path) -> Wrapper:
    """The wrapper beside the context binary `binary`.

    Raises:
        UserError: there is none, or it is none.
    """
    from google.protobuf.message import DecodeError

    file = binary.parent / WRAPPER_NAME
    if not file.is_file():
        raise UserError(
            f"{binary.name} needs {WRAPPER_NAME} beside it, which names its inputs and outputs"
        )
    try:
        model = onnx.load(file, load_external_data=False)
        notes = {entry.key: entry.value for entry in model.metadata_props}
        soc_model = int(notes[_COMPATIBILITY].split(":")[_SOC_MODEL_FIELD])
        weights = notes.get(WEIGHT_BYTES)
        return Wrapper(
            file,
            soc_model,
            None if weights is None else int(weights),
            tuple(_facts(value) for value in model.graph.input),
            tuple(_facts(value) for value in model.graph.output),
            tuple(node.op_type for node in model.graph.node if node.op_type != "EPContext"),
        )
    except (DecodeError, KeyError, IndexError, ValueError):
        raise UserError(f"{file.name} is no wrapper of a QNN context binary") from None


def _facts(value: onnx.ValueInfoProto) -> TensorFacts:
    tensor = value.type.tensor_type
    return TensorFacts(
        value.name,
        tuple(dimension.dim_value for dimension in tensor.shape.dim),
        onnx.TensorProto.DataType.Name(tensor.elem_type).lower(),
    )
