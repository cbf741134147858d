"""The engine of a desktop GPU, compiled here, and which operators became int8 in it."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx_ir as ir

from edgecompile.backends.isolation import run_isolated
from edgecompile.backends.tensorrt.compiler import (
    ANSWER_FILE,
    ENGINE_FILE,
    ask_parser,
    compile_engine,
)
from edgecompile.backends.tensorrt.lowering import MODEL_FILE, Lowered
from edgecompile.backends.tensorrt.pairs import is_dequantized
from edgecompile.digest import digest_file
from edgecompile.errors import UserError
from edgecompile.graph.constants import dequantized_constant
from edgecompile.graph.hub import save
from edgecompile.graph.qdq import WEIGHT_INPUT, WEIGHTED

TIME_LIMIT_SECONDS = 900
LAYERS_FILE = "layers.json"

_TOOL = "TensorRT for RTX"
MATRIX_LAYERS = frozenset({"convolution", "correlation", "deconv", "gemm"})
"""Types of layers that multiply matrices; the rest is pointwise, moving or reducing."""


@dataclass(frozen=True)
class Refusal:
    """What NVIDIA's parser or builder says against a model; `node` may be empty."""

    node: str
    op_type: str
    message: str


@dataclass(frozen=True)
class Engine:
    """What is known about a compiled engine: its `layers.json`.

    `layers` have `name`, `type`, `inputs`, `constants`, `outputs` and `operators`, the names of the
    ONNX operators that were fused into them.
    """

    compiler: str
    compute_capability: str
    float_type: str
    onnx_sha256: str
    engine_sha256: str
    int8: tuple[str, ...]
    """The weighted operators whose kernels multiply int8 by int8."""
    not_int8: tuple[str, ...]
    """Those that the ONNX file quantizes, and that became float all the same."""
    layers: tuple[dict[str, Any], ...]


def compile_lowered(lowered: Lowered, compute_capability: str, folder: Path) -> Engine | Refusal:
    """Write `model.onnx`, `model.engine` and `layers.json` into `folder`, by a fresh process.

    Raises:
        ToolchainFailed: the compiler crashed, hung, or gave no reason.
    """
    save(lowered.model, folder / MODEL_FILE)
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        done = run_isolated(
            compile_engine,
            str((folder / MODEL_FILE).resolve()),
            compute_capability,
            bool(lowered.sparse),
            tool=_TOOL,
            seconds=TIME_LIMIT_SECONDS,
            folder=work,
        )
        if not done.succeeded:
            raise done.failure()
        answer = json.loads((work / ANSWER_FILE).read_text())
        if answer["errors"]:
            return Refusal(**answer["errors"][0])
        shutil.copyfile(work / ENGINE_FILE, folder / ENGINE_FILE)
    realized = _realized_in_int8(answer["layers"])
    wanted = quantized_operators(lowered.model)
    engine = Engine(
        compiler=f"tensorrt-rtx {answer['version']}",
        compute_capability=compute_capability,
        float_type=lowered.float_type,
        onnx_sha256=digest_file(folder / MODEL_FILE),
        engine_sha256=digest_file(folder / ENGINE_FILE),
        int8=tuple(name for name in wanted if name in realized),
        not_int8=tuple(name for name in wanted if name not in realized),
        layers=tuple(answer["layers"]),
    )
    body = json.dumps(vars(engine), indent=1, sort_keys=True)
    (folder / LAYERS_FILE).write_text(body + "\n")
    return engine


def read_engine(path: Path) -> Engine:
    """What `layers.json` beside an engine says about it.

    Raises:
        UserError: it is not there, or tells of another engine.
    """
    beside = path.with_name(LAYERS_FILE)
    try:
        fields: dict[str, Any] = json.loads(beside.read_text())
        fields |= {key: tuple(fields[key]) for key in ("int8", "not_int8", "layers")}
        engine = Engine(**fields)
    except FileNotFoundError:
        raise UserError(
            f"beside {path.name} is no {LAYERS_FILE}, which says what is in it",
            remedy="keep the files of a target's folder together",
        ) from None
    except (ValueError, TypeError, KeyError):
        raise UserError(f"{beside} is not a list of an engine's layers") from None
    if engine.engine_sha256 != digest_file(path):
        raise UserError(f"{beside} tells of another engine than {path.name}")
    return engine


def refusals(model: ir.Model) -> list[Refusal]:
    """What NVIDIA's ONNX parser says against a model, one for each operator that it refuses.

    Raises:
        ToolchainFailed: the parser crashed or hung.
    """
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        save(model, work / MODEL_FILE)
        done = run_isolated(
            ask_parser, MODEL_FILE, tool=f"{_TOOL}'s parser", seconds=120, folder=work
        )
        if not done.succeeded:
            raise done.failure()
        return [Refusal(**e) for e in json.loads((work / ANSWER_FILE).read_text())["errors"]]


def quantized_operators(model: ir.Model) -> list[str]:
    """The weighted operators whose data and weights are int8 behind a DequantizeLinear."""
    return [
        node.name or ""
        for node in model.graph
        if node.op_type in WEIGHTED
        and dequantized_constant(node.inputs[WEIGHT_INPUT]) is not None
        and is_dequantized(node.inputs[0])
    ]


def _realized_in_int8(layers: Sequence[dict[str, Any]]) -> set[str]:
    """The operators whose matrix kernel reads int8 data and int8 weights."""
    return {
        operator
        for layer in layers
        if layer["type"] in MATRIX_LAYERS
        and [t["dtype"] for t in layer["inputs"][:1]] == ["Int8"]
        and [t["dtype"] for t in layer["constants"][:1]] == ["Int8"]
        for operator in layer["operators"]
    }
