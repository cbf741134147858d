"""Run an ONNX file on every sample with ONNX Runtime, one sample at a time.

The devices run one sample at a time, and so do we; the samples are spread over the cores. Each
session computes with one thread, so that the sums of a float model do not depend on the machine.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from edgecompile.errors import ToolchainFailed
from edgecompile.evaluate.fold import fold_constants
from edgecompile.evaluate.outputs import Array, save_outputs
from edgecompile.graph.hub import load, serialize
from edgecompile.graph.two_roundings import keep_two_roundings
from edgecompile.graph.unsigned import to_unsigned
from edgecompile.parallel import cores


def run_onnx(model: bytes, samples: Array, *, optimized: bool = False) -> list[Array]:
    """Outputs of `model` for float32 samples (samples, *shape without batch).

    `optimized` chooses ONNX Runtime's default fusions and integer kernels; without, every node is
    executed as the graph says, those that read only constants once.

    Raises:
        ToolchainFailed: ONNX Runtime refuses the model.
    """
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    levels = ort.GraphOptimizationLevel
    options.graph_optimization_level = (
        levels.ORT_ENABLE_ALL if optimized else levels.ORT_DISABLE_ALL
    )
    try:
        if not optimized:
            model = fold_constants(model)
        session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's errors have no common base but Exception
        first_line = str(error).strip().splitlines()[0]
        raise ToolchainFailed(f"ONNX Runtime cannot load the model: {first_line}") from error
    name = session.get_inputs()[0].name

    def run_one(sample: Array) -> Sequence[Array]:
        try:
            outputs: Sequence[Array] = session.run(None, {name: sample[None]})
        except Exception as error:
            first_line = str(error).strip().splitlines()[0]
            raise ToolchainFailed(f"ONNX Runtime cannot run the model: {first_line}") from error
        return outputs

    return run_each(lambda: run_one, samples)


def run_each(
    new_runner: Callable[[], Callable[[Array], Sequence[Array]]], samples: Array
) -> list[Array]:
    """Call a runner on each sample, on all cores; stack its outputs (batch axis dropped).

    `new_runner` is called once per thread, for runtimes whose instances hold state.
    """
    workers = max(1, min(cores(), len(samples)))
    bounds = np.linspace(0, len(samples), workers + 1).astype(int)

    def run_part(start: int, stop: int) -> list[Array]:
        run_one = new_runner()
        stacked: list[Array] = []
        for index in range(start, stop):
            outputs = run_one(np.ascontiguousarray(samples[index]))
            if not stacked:
                stacked = [np.empty((stop - start, *o.shape[1:]), np.float32) for o in outputs]
            for part, output in zip(stacked, outputs, strict=True):
                part[index - start] = output[0]
        return stacked

    with ThreadPoolExecutor(workers) as pool:
        parts = list(pool.map(run_part, bounds[:-1], bounds[1:]))
    return [np.concatenate(columns) for columns in zip(*parts, strict=True)]


def run_hub(
    inputs: Mapping[str, Path], parameters: Mapping[str, Any], folder: Path
) -> dict[str, Any]:
    """Step: outputs of an ONNX hub on every evaluation sample, as its graph says -> outputs.npz."""
    samples = np.load(inputs["samples"], mmap_mode="r")
    save_outputs(folder / "outputs.npz", run_onnx(inputs["model"].read_bytes(), samples))
    return {"samples": len(samples)}


def run_integer_kernels(
    inputs: Mapping[str, Path], parameters: Mapping[str, Any], folder: Path
) -> dict[str, Any]:
    """Step: outputs of a quantized hub by ONNX Runtime's integer kernels -> outputs.npz.

    With unsigned integers: for signed ones ONNX Runtime on x86 leaves the operators around a
    residual in float, since its conversion of int8 to uint8 gives up where a tensor is read twice.
    """
    samples = np.load(inputs["samples"], mmap_mode="r")
    unsigned = to_unsigned(load(inputs["model"]))
    keep_two_roundings(unsigned)
    outputs = run_onnx(serialize(unsigned), samples, optimized=True)
    save_outputs(folder / "outputs.npz", outputs)
    return {"samples": len(samples)}
