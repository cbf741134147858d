"""The bundle: what a device with TensorRT makes its own engine from, and holds it against."""

from __future__ import annotations

import inspect
import json
from pathlib import Path

import numpy as np
import onnx_ir as ir

from edgecompile.backends.tensorrt.device import run_engine, validate
from edgecompile.backends.tensorrt.device.build_engine import BUILD_ENGINE
from edgecompile.backends.tensorrt.lowering import MODEL_FILE, Lowered
from edgecompile.backends.tensorrt.options import BundleOptions
from edgecompile.backends.tensorrt.run import run_graph
from edgecompile.digest import digest_file
from edgecompile.errors import ContractError
from edgecompile.graph.hub import Array, name_of, save, shape_of
from edgecompile.graph.qdq import has_pairs, tensor_params

SAMPLES = 8
"""Reference samples: enough for a variance, few enough for a process of trtexec each."""

LEAST_SQNR_DB = 10.0
"""What the engine may differ from the ONNX file. Other kernels that round otherwise, those of ONNX
Runtime, differ by 17.5 dB on cifar_resnet20 and by less on four other recipes; these inputs are
random, on which a network is less sure of itself. The accuracy is measured with `--samples`."""


def write_bundle(lowered: Lowered, options: BundleOptions, folder: Path) -> None:
    """Write `model.onnx`, the scripts, reference inputs and outputs, and `bundle.json`."""
    save(lowered.model, folder / MODEL_FILE)
    script = folder / "build_engine.sh"
    script.write_text(BUILD_ENGINE)
    for module in (validate, run_engine):
        source = Path(inspect.getfile(module))
        (folder / source.name).write_bytes(source.read_bytes())
    (folder / "settings.sh").write_text(_settings(lowered, options))
    reference = _write_reference(lowered.model, folder)
    files = {p.relative_to(folder).as_posix(): digest_file(p) for p in _files(folder)}
    graph = lowered.model.graph
    body = {
        "schema": "edgecompile.tensorrt-bundle/1",
        "float_type": lowered.float_type,
        "input": _facts(graph.inputs[0]),
        "outputs": [_facts(value) for value in graph.outputs],
        "reference": reference,
        "least_sqnr_db": LEAST_SQNR_DB,
        "files": files,
    }
    (folder / "bundle.json").write_text(json.dumps(body, indent=2, sort_keys=True) + "\n")


def _settings(lowered: Lowered, options: BundleOptions) -> str:
    """What build_engine.sh cannot know by itself."""
    quantized = has_pairs(lowered.model)
    weak = [
        *(["--int8"] if quantized else []),
        *(["--fp16"] if lowered.float_type == "float16" else []),
    ]
    return (
        "# shellcheck shell=sh disable=SC2034 # read by build_engine.sh\n"
        f"WORKSPACE_MB={options.workspace_mb}\n"
        f'WEAK_TYPES="{" ".join(weak)}"\n'
        f"SPARSITY={'enable' if lowered.sparse else 'disable'}\n"
    )


def _write_reference(model: ir.Model, folder: Path) -> list[dict[str, object]]:
    """Inputs, and what ONNX Runtime gives for them with nothing fused: as the file says."""
    inputs = _reference_inputs(model)
    outputs = run_graph(folder / MODEL_FILE, inputs)
    (folder / "reference").mkdir()
    samples: list[dict[str, object]] = []
    for index, sample in enumerate(inputs):
        name = f"reference/input.{index}.bin"
        (folder / name).write_bytes(sample.astype("<f4").tobytes())
        names = [f"reference/output{i}.{index}.bin" for i in range(len(outputs))]
        for file, output in zip(names, outputs, strict=True):
            (folder / file).write_bytes(output[index].astype("<f4").tobytes())
        samples.append({"input": name, "outputs": names})
    return samples


def _reference_inputs(model: ir.Model) -> Array:
    """Random inputs that fill the range of the input's pair, or have variance 1 without one.

    Not data of the user's: an artifact goes to a device, and they may have to stay at home.
    """
    value = model.graph.inputs[0]
    pairs = [use.node for use in value.uses() if use.node.op_type == "QuantizeLinear"]
    spread = tensor_params(pairs[0]).highest / 3 if pairs else 1.0
    shape = (SAMPLES, *shape_of(value)[1:])
    drawn = np.random.default_rng(0).normal(0.0, spread, shape)
    inputs: Array = drawn.astype(np.float32)
    return inputs


def _facts(value: ir.Value) -> dict[str, object]:
    if value.dtype != ir.DataType.FLOAT:
        raise ContractError(f"{value.name} is {value.dtype} at the border of the bundle, not float")
    return {"name": name_of(value), "shape": list(shape_of(value)), "dtype": "float32"}


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())
