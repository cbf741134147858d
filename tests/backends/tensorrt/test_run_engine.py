"""The script that runs an engine on a device, with stand-ins of TensorRT and of CUDA's driver.

No GPU was at hand: the calls are those that NVIDIA documents, and only their order and the data are
tested here.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from edgecompile.backends.tensorrt.device import run_engine as script


class Memory:
    """A stand-in of the driver: addresses are keys, memory is bytes."""

    stream = 7

    def __init__(self) -> None:
        self.held: dict[int, bytes] = {}

    def allocate(self, size: int) -> int:
        self.held[len(self.held) + 1] = bytes(size)
        return len(self.held)

    def upload(self, address: int, data: bytes) -> None:
        assert len(data) == len(self.held[address])
        self.held[address] = data

    def download(self, address: int, size: int) -> bytes:
        assert size == len(self.held[address])
        return self.held[address]

    def wait(self) -> None:
        pass


class Doubler:
    """A stand-in of an engine with the outputs ``2x`` and ``sum(x)``, listed in that order."""

    num_io_tensors = 3
    shapes = {"sum": (1, 1), "x": (1, 4), "twice": (1, 4)}

    def __init__(self, memory: Memory) -> None:
        self.memory = memory
        self.addresses: dict[str, int] = {}

    def get_tensor_name(self, index: int) -> str:
        return list(self.shapes)[index]

    def get_tensor_mode(self, name: str) -> str:
        return "in" if name == "x" else "out"

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return self.shapes[name]

    def get_tensor_dtype(self, name: str) -> str:
        return "float32"

    def create_execution_context(self) -> Any:
        return self

    def set_tensor_address(self, name: str, address: int) -> None:
        self.addresses[name] = address

    def execute_async_v3(self, stream: int) -> bool:
        assert stream == self.memory.stream
        x = np.frombuffer(self.memory.held[self.addresses["x"]], np.float32)
        self.memory.upload(self.addresses["twice"], (2 * x).tobytes())
        self.memory.upload(self.addresses["sum"], x.sum(keepdims=True).tobytes())
        return True


def package(engine: Doubler | None) -> Any:
    class Logger:
        ERROR = "error"

        def __init__(self, severity: str) -> None:
            assert severity == self.ERROR

    return SimpleNamespace(
        Logger=Logger,
        Runtime=lambda logger: SimpleNamespace(deserialize_cuda_engine=lambda data: engine),
        TensorIOMode=SimpleNamespace(INPUT="in"),
        float32="float32",
    )


def test_every_sample_goes_through_the_engine(tmp_path, monkeypatch):
    samples = np.arange(12, dtype=np.float32).reshape(3, 4)
    np.save(tmp_path / "samples.npy", samples)
    (tmp_path / "model.engine").write_bytes(b"engine")
    memory = Memory()
    monkeypatch.setattr(script, "_package", lambda: package(Doubler(memory)))
    monkeypatch.setattr(script, "Driver", lambda: memory)
    monkeypatch.chdir(tmp_path)
    script.main("samples.npy", "outputs.npz", "model.engine", "twice", "sum")
    with np.load("outputs.npz") as found:
        np.testing.assert_array_equal(found["output0"], 2 * samples)
        np.testing.assert_array_equal(found["output1"], samples.sum(1, keepdims=True))


def test_an_engine_of_another_gpu_is_an_error():
    with pytest.raises(RuntimeError, match="built for another GPU"):
        script.run_engine(package(None), Memory(), b"engine", iter([]))


def test_samples_of_another_type_are_refused(tmp_path):
    np.save(tmp_path / "samples.npy", np.zeros((2, 4)))
    with pytest.raises(RuntimeError, match="is not float32"):
        list(script.read_samples(tmp_path / "samples.npy"))
