"""Run an engine on each sample of an .npy file -> an .npz with one array per output.

    python3 run_engine.py samples.npy outputs.npz [model.engine [OUTPUT ...]]

Needs the Python package of TensorRT (JetPack's python3-libnvinfer) or of TensorRT for RTX, and the
GPU's driver, which is called through ctypes: no other package.
"""

from __future__ import annotations

import ast
import ctypes
import math
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_HEADER = 64
"""A multiple of so many bytes is what stands before the data of an .npy file."""


class Driver:
    """Memory and a stream of the first GPU, by the CUDA driver API."""

    def __init__(self) -> None:
        self._cuda = ctypes.CDLL("libcuda.so.1")
        device, context = ctypes.c_int(), ctypes.c_void_p()
        self._call("cuInit", 0)
        self._call("cuDeviceGet", ctypes.byref(device), 0)
        self._call("cuDevicePrimaryCtxRetain", ctypes.byref(context), device)
        self._call("cuCtxSetCurrent", context)
        stream = ctypes.c_void_p()
        self._call("cuStreamCreate", ctypes.byref(stream), 0)
        self.stream = int(stream.value or 0)

    def allocate(self, size: int) -> int:
        """So many bytes on the GPU, until the process ends: their address."""
        address = ctypes.c_uint64()
        self._call("cuMemAlloc_v2", ctypes.byref(address), ctypes.c_size_t(size))
        return int(address.value)

    def upload(self, address: int, data: bytes) -> None:
        """Copy to the GPU."""
        self._call("cuMemcpyHtoD_v2", ctypes.c_uint64(address), data, ctypes.c_size_t(len(data)))

    def download(self, address: int, size: int) -> bytes:
        """Copy from the GPU."""
        data = ctypes.create_string_buffer(size)
        self._call("cuMemcpyDtoH_v2", data, ctypes.c_uint64(address), ctypes.c_size_t(size))
        return data.raw

    def wait(self) -> None:
        """Until all that was enqueued is done."""
        self._call("cuStreamSynchronize", ctypes.c_void_p(self.stream))

    def _call(self, name: str, *arguments: Any) -> None:
        code = getattr(self._cuda, name)(*arguments)
        if code:
            raise RuntimeError(f"error: {name} failed (CUDA error {code})")


def run_engine(trt: Any, driver: Any, engine: bytes, samples: Iterator[bytes]) -> list[Any]:
    """Run `engine` on each sample (float32 bytes); returns name, shape and bytes of each output.

    `trt` is the package tensorrt or tensorrt_rtx. One input, float32 at the border.
    """
    logger = trt.Logger(trt.Logger.ERROR)
    # The engine reads the runtime while it lives: all three stay referenced until the end.
    runtime = trt.Runtime(logger)
    loaded = runtime.deserialize_cuda_engine(engine)
    if loaded is None:
        raise RuntimeError("error: TensorRT does not load the engine: built for another GPU?")
    context = loaded.create_execution_context()
    names = [loaded.get_tensor_name(i) for i in range(loaded.num_io_tensors)]
    inputs = [n for n in names if loaded.get_tensor_mode(n) == trt.TensorIOMode.INPUT]
    outputs = [n for n in names if n not in inputs]
    shapes = {n: tuple(loaded.get_tensor_shape(n)) for n in names}
    addresses = {n: driver.allocate(4 * math.prod(shapes[n])) for n in names}
    for name in names:
        if loaded.get_tensor_dtype(name) != trt.float32:
            raise RuntimeError(f"error: {name} is not float32")
        context.set_tensor_address(name, addresses[name])
    results: list[list[bytes]] = [[] for _ in outputs]
    for sample in samples:
        driver.upload(addresses[inputs[0]], sample)
        if not context.execute_async_v3(driver.stream):
            raise RuntimeError("error: TensorRT did not run the engine")
        driver.wait()
        for name, result in zip(outputs, results):  # noqa: B905 - strict= needs Python 3.10
            result.append(driver.download(addresses[name], 4 * math.prod(shapes[name])))
    return [
        (name, (len(result), *shapes[name][1:]), b"".join(result))
        for name, result in zip(outputs, results)  # noqa: B905
    ]


def read_samples(path: Path) -> Iterator[bytes]:
    """The samples of a float32 .npy file of format 1.0, one after another."""
    with path.open("rb") as file:
        magic = file.read(8)
        if magic != b"\x93NUMPY\x01\x00":
            raise RuntimeError(f"error: {path} is no .npy file of format 1.0")
        header = ast.literal_eval(file.read(int.from_bytes(file.read(2), "little")).decode())
        if header["descr"] != "<f4" or header["fortran_order"]:
            raise RuntimeError(f"error: {path} is not float32 in C order")
        size = 4 * math.prod(header["shape"][1:])
        for _ in range(header["shape"][0]):
            yield file.read(size)


def write_outputs(path: Path, outputs: list[Any]) -> None:
    """An .npz with `output0`, `output1` ..., float32, in the model's order."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for index, (_, shape, data) in enumerate(outputs):
            text = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {tuple(shape)!r}, }}"
            padding = -(len(text) + 11) % _HEADER
            header = (text + " " * padding + "\n").encode()
            size = len(header).to_bytes(2, "little")
            entry = zipfile.ZipInfo(f"output{index}.npy", (1980, 1, 1, 0, 0, 0))
            archive.writestr(entry, b"\x93NUMPY\x01\x00" + size + header + data)


def main(samples: str, outputs: str, engine: str = "model.engine", *order: str) -> None:
    """Run all samples of one file into another; `order` names the outputs as the model has them."""
    trt = _package()
    found = run_engine(trt, Driver(), Path(engine).read_bytes(), read_samples(Path(samples)))
    named = {output[0]: output for output in found}
    write_outputs(Path(outputs), [named[name] for name in order] if order else found)


def _package() -> Any:
    try:
        import tensorrt
    except ImportError:
        import tensorrt_rtx as tensorrt
    return tensorrt


if __name__ == "__main__":
    main(*sys.argv[1:])
