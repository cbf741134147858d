"""Evidence `device` where a GPU is. None was: nvidia-smi is a stand-in, and no engine ran."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest

from edgecompile.backends.tensorrt import engine as engines
from edgecompile.backends.tensorrt import gpu
from edgecompile.backends.tensorrt import run as graph
from edgecompile.backends.tensorrt.engine_backend import TensorRTEngineBackend
from edgecompile.errors import ToolchainFailed
from edgecompile.evaluate.evidence import Evidence


@pytest.fixture
def cards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A stand-in of nvidia-smi that lists GPUs by their compute capability."""

    def install(*capabilities: str) -> None:
        tool = tmp_path / "nvidia-smi"
        lines = "\n".join(f"echo {c}" for c in capabilities) or "exit 9"
        tool.write_text(f"#!/bin/sh\n{lines}\n")
        tool.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
        gpu.compute_capabilities.cache_clear()

    yield install
    gpu.compute_capabilities.cache_clear()


def test_the_gpus_are_those_that_nvidia_smi_lists(cards):
    cards("8.9", "8.6")
    assert gpu.compute_capabilities() == ("8.9", "8.6")
    assert TensorRTEngineBackend().evidence == Evidence.DEVICE


def test_without_a_gpu_the_evidence_is_the_graph(cards):
    cards()
    assert gpu.compute_capabilities() == ()
    assert TensorRTEngineBackend().evidence == Evidence.GRAPH


@pytest.mark.parametrize(("card", "evidence"), [("8.9", "device"), ("12.0", "graph")])
def test_an_engine_runs_on_its_own_generation_only(card, evidence, cards, monkeypatch):
    cards(card)
    engine = engines.Engine("tensorrt-rtx", "8.9", "float16", "", "", (), (), ())
    monkeypatch.setattr(engines, "read_engine", lambda path: engine)
    monkeypatch.setattr(gpu, "run_on_gpu", lambda path, inputs: [inputs])
    monkeypatch.setattr(graph, "run_graph_of_engine", lambda path, inputs: [inputs])
    ran = TensorRTEngineBackend().run(Path("model.engine"), np.zeros((1, 2), np.float32), {})
    assert str(ran.evidence) == evidence


def test_an_engine_that_cannot_run_is_a_failure_of_the_toolchain(tmp_path):
    engine = tmp_path / "model.engine"
    engine.write_bytes(b"no engine")
    with pytest.raises(ToolchainFailed, match="the engine on the GPU"):
        gpu.run_on_gpu(engine, np.zeros((1, 2), np.float32))


def test_nvidia_smi_that_hangs_is_no_gpu(monkeypatch):
    def hang(*_: object, **__: object) -> None:
        raise subprocess.TimeoutExpired("nvidia-smi", 20)

    monkeypatch.setattr(gpu.subprocess, "run", hang)
    gpu.compute_capabilities.cache_clear()
    assert gpu.compute_capabilities() == ()
    gpu.compute_capabilities.cache_clear()
