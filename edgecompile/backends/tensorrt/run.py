"""Outputs of the ONNX file that TensorRT was given, as its graph says: no engine can run here."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edgecompile.backends.tensorrt.engine import read_engine
from edgecompile.backends.tensorrt.lowering import MODEL_FILE
from edgecompile.digest import digest_file
from edgecompile.errors import UserError
from edgecompile.evaluate.outputs import Array


def run_graph(model: Path, inputs: Array) -> Sequence[Array]:
    """Outputs for float32 samples (samples, *shape without batch), by ONNX Runtime, nothing fused.

    Raises:
        ToolchainFailed: ONNX Runtime refuses the model.
    """
    from edgecompile.evaluate.session import run_onnx

    return run_onnx(model.read_bytes(), inputs)


def run_graph_of_engine(engine: Path, inputs: Array) -> Sequence[Array]:
    """The same for the ONNX file beside an engine.

    Raises:
        UserError: it is not the file that the engine was compiled from.
    """
    model = engine.with_name(MODEL_FILE)
    wanted = read_engine(engine).onnx_sha256
    if not model.is_file() or digest_file(model) != wanted:
        raise UserError(
            f"beside {engine.name} is not the {MODEL_FILE} that it was compiled from",
            remedy="keep the files of a target's folder together",
        )
    return run_graph(model, inputs)
