"""Execute a context binary on the emulator inside Qualcomm's x86 library."""

from __future__ import annotations

import itertools
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx_ir as ir

from edgecompile.backends.isolation import run_isolated
from edgecompile.backends.qnn.session import OUTPUTS, SAMPLES, emulate
from edgecompile.backends.qnn.wrapper import Wrapper
from edgecompile.errors import ToolchainFailed
from edgecompile.evaluate.outputs import Array, load_outputs
from edgecompile.graph.macs import count_macs
from edgecompile.parallel import cores, quiet_cores

_PAIR = frozenset({"QuantizeLinear", "DequantizeLinear"})

TOOL = "Qualcomm's HTP emulator"
TIME_LIMIT_SECONDS = 1800


def run_context(wrapper: Wrapper, samples: Array) -> list[Array]:
    """Outputs of the binary for float32 samples (samples, *shape without batch).

    One sample at a time, as on the device; the samples are spread over the cores, one process each.

    Raises:
        ToolchainFailed: the emulator crashed, refused or took longer than half an hour.
    """
    workers = max(1, min(cores(), len(samples)))
    parts = np.array_split(np.arange(len(samples)), workers)
    quiet = quiet_cores(workers)

    def run_part(part: Array, core: int) -> list[Array]:
        return _run_part(wrapper, samples[part[0] : part[-1] + 1], core)

    with ThreadPoolExecutor(workers) as pool:
        done = list(pool.map(run_part, parts, itertools.cycle(quiet)))
    return [np.concatenate(columns) for columns in zip(*done, strict=True)]


def _run_part(wrapper: Wrapper, samples: Array, core: int) -> list[Array]:
    with tempfile.TemporaryDirectory(prefix="edgecompile-") as name:
        folder = Path(name)
        np.save(folder / SAMPLES, samples)
        ended = run_isolated(
            emulate,
            str(wrapper.file.resolve()),
            wrapper.soc_model,
            wrapper.is_split,
            core,
            tool=TOOL,
            seconds=TIME_LIMIT_SECONDS,
            folder=folder,
        )
        if not ended.succeeded:
            failure = ended.failure()
            if ended.exit_code is None:
                failure.remedy = "measure fewer samples: --set data.emulated_samples=200"
            raise failure
        if not (folder / OUTPUTS).is_file():
            raise ToolchainFailed(f"{TOOL} ended without outputs")
        return load_outputs(folder / OUTPUTS)


_SECONDS_PER_OPERATOR = 1e-3
_MACS_PER_SECOND = 4e8
"""Measured on one core with onnxruntime-qnn 2.7.0: see docs/backends/qnn.md."""


def seconds_per_sample(hub: ir.Model) -> float:
    """About what the emulator takes for one sample, on one core."""
    operators = sum(node.op_type not in _PAIR for node in hub.graph)
    return _SECONDS_PER_OPERATOR * operators + count_macs(hub) / _MACS_PER_SECOND
