"""NVIDIA's GPUs of this machine, and an engine on the first of them."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from edgecompile.backends.isolation import run_isolated

if TYPE_CHECKING:
    from edgecompile.evaluate.outputs import Array

TIME_LIMIT_SECONDS = 900


@cache
def compute_capabilities() -> tuple[str, ...]:
    """That of each GPU (``8.9``), in CUDA's order; empty where there is none, or no driver."""
    command = ["nvidia-smi", "--query-gpu=compute_cap", "--format=csv,noheader"]
    try:
        done = subprocess.run(  # noqa: S603 - our own words; the driver's tool is on the PATH
            command, capture_output=True, text=True, timeout=20, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ()
    return tuple(done.stdout.split()) if done.returncode == 0 else ()


def run_on_gpu(engine: Path, inputs: Array) -> Sequence[Array]:
    """Outputs of the engine for float32 samples (samples, *shape without batch).

    Raises:
        ToolchainFailed: TensorRT does not load or run it, or took too long.
    """
    import numpy as np

    from edgecompile.backends.tensorrt.device.run_engine import main
    from edgecompile.evaluate.outputs import load_outputs

    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        np.save(work / "samples.npy", np.ascontiguousarray(inputs, np.float32))
        done = run_isolated(
            main,
            "samples.npy",
            "outputs.npz",
            str(engine.resolve()),
            tool="the engine on the GPU",
            seconds=TIME_LIMIT_SECONDS,
            folder=work,
        )
        if not done.succeeded:
            raise done.failure()
        return load_outputs(work / "outputs.npz")
