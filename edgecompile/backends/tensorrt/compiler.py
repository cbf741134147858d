"""NVIDIA's compiler itself: to be called only in a fresh process (`run_isolated`).

One build per process: after a build that failed, the next one in the same process was seen to leave
out int8 kernels without a word, and a second build can differ by a few bytes. No GPU is needed.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

ANSWER_FILE, ENGINE_FILE = "answer.json", "model.engine"

_LAYERS = "Layers:"
"""With this word begins the builder's message that lists the fused layers, one a line."""


def compile_engine(model: str, compute_capability: str, sparse: bool) -> None:
    """Compile an ONNX file -> `model.engine`, and `answer.json` with what the compiler said.

    `answer.json` holds `version`, `errors` (each with `node`, `op_type`, `message`) and `layers`.
    """
    import tensorrt_rtx as trt

    logger, builder, network, errors = _parse(model)
    answer: dict[str, Any] = {"version": trt.__version__, "errors": errors, "layers": []}
    if not errors:
        config = builder.create_builder_config()
        config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED  # names of operators in layers
        config.num_compute_capabilities = 1
        name = f"SM{compute_capability.replace('.', '')}"
        if not config.set_compute_capability(getattr(trt.ComputeCapability, name), 0):
            raise ValueError(f"TensorRT for RTX refuses the compute capability {name}")
        if sparse:
            config.set_flag(trt.BuilderFlag.SPARSE_WEIGHTS)
        engine = builder.build_serialized_network(network, config)
        if engine is None:
            answer["errors"] = _failures(logger)
        else:
            Path(ENGINE_FILE).write_bytes(bytes(engine))
            answer["layers"] = _layers(logger)
    Path(ANSWER_FILE).write_text(json.dumps(answer))


def ask_parser(model: str) -> None:
    """Let NVIDIA's ONNX parser read a file -> `answer.json` with `version` and `errors`."""
    import tensorrt_rtx as trt

    errors = _parse(model)[-1]
    Path(ANSWER_FILE).write_text(json.dumps({"version": trt.__version__, "errors": errors}))


def _parse(model: str) -> tuple[Any, Any, Any, list[dict[str, str]]]:
    import tensorrt_rtx as trt

    class Logger(trt.ILogger):  # type: ignore[misc]
        """Keeps what TensorRT says."""

        def __init__(self) -> None:
            super().__init__()
            self.lines: list[tuple[str, str]] = []

        def log(self, severity: Any, message: str) -> None:
            self.lines.append((str(severity).rpartition(".")[2], message))

    logger = Logger()
    builder = trt.Builder(logger)
    network = builder.create_network(0)
    parser = trt.OnnxParser(network, logger)
    parsed = parser.parse_from_file(model)
    errors = [
        {"node": e.node_name(), "op_type": e.node_operator(), "message": e.desc()}
        for e in map(parser.get_error, range(parser.num_errors))
    ]
    if not parsed and not errors:
        errors = _failures(logger)
    return logger, builder, network, errors


def _failures(logger: Any) -> list[dict[str, str]]:
    """The builder has no list of errors: what it logged as such."""
    said = [text for level, text in logger.lines if level in {"ERROR", "INTERNAL_ERROR"}]
    return [{"node": "", "op_type": "", "message": text} for text in said or ["it gave no reason"]]


def _layers(logger: Any) -> list[dict[str, Any]]:
    """The fused layers in the order in which they run."""
    found = []
    for _, text in logger.lines:
        if text.startswith(_LAYERS):
            found += [_layer(line) for line in text.splitlines() if line.startswith("Name: ")]
    return found


def _layer(line: str) -> dict[str, Any]:
    head = re.match(r"Name: (.*?), LayerType: ([^,]+)", line)
    if head is None:
        raise ValueError(f"TensorRT for RTX lists a layer in an unknown form: {line[:100]}")
    return {
        "name": head[1],
        "type": head[2],
        **{part.lower(): _tensors(line, part) for part in ("Inputs", "Constants", "Outputs")},
        "operators": list(dict.fromkeys(re.findall(r"\[ONNX Layer: ([^\]]*)\]", line))),
    }


def _tensors(line: str, part: str) -> list[dict[str, Any]]:
    """``Inputs: [ { Name: x, Dimensions: [1,3], ..., Datatype: Int8, Format: ...}, ...]``."""
    start = re.search(rf", {part}: \[", line)
    if start is None:
        return []
    depth, end = 1, start.end()
    while depth and end < len(line):
        depth += {"[": 1, "]": -1}.get(line[end], 0)
        end += 1
    pattern = r"\{ Name: (.*?), Dimensions: \[(.*?)\].*?Datatype: (\w+)"
    return [
        {"name": name, "shape": [int(n) for n in shape.split(",") if n], "dtype": dtype}
        for name, shape, dtype in re.findall(pattern, line[start.end() : end])
    ]
