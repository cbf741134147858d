"""Execute a .tflite file with LiteRT, the runtime that ships on the devices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgecompile.errors import ToolchainFailed, UserError
from edgecompile.evaluate.outputs import Array
from edgecompile.evaluate.session import run_each
from edgecompile.formats.tflite.choices import Kernels

_TO_CHANNELS_LAST = (0, 2, 3, 1)
_TO_CHANNELS_FIRST = (0, 3, 1, 2)


def run_tflite(file: Path, samples: Array, kernels: Kernels) -> list[Array]:
    """Outputs of `file` for float32 samples (samples, *shape without batch), in the model's layout.

    The samples are quantized as the file's input says, the outputs dequantized; images are turned
    to NHWC and back. One sample at a time, as on the device.

    Raises:
        UserError: the file's input has another shape than the samples.
        ToolchainFailed: LiteRT refuses the file.
    """
    content = file.read_bytes()
    return run_each(lambda: _runner(content, file.name, samples.shape[1:], kernels), samples)


def _runner(
    content: bytes, name: str, sample_shape: tuple[int, ...], kernels: Kernels
) -> Callable[[Array], Sequence[Array]]:
    interpreter = new_interpreter(content, name, kernels)
    source, *others = interpreter.get_input_details()
    if others:
        raise UserError(f"{name} takes {1 + len(others)} tensors; one is supported")
    results = interpreter.get_output_details()
    order = _input_order(name, (1, *sample_shape), tuple(int(n) for n in source["shape"]))

    def run_one(sample: Array) -> list[Array]:
        interpreter.set_tensor(source["index"], _to_file(sample[None].transpose(order), source))
        interpreter.invoke()
        return [
            _to_model(interpreter.get_tensor(result["index"]), result, order) for result in results
        ]

    return run_one


def new_interpreter(content: bytes, name: str, kernels: Kernels) -> Any:
    """A LiteRT interpreter with one thread, its tensors allocated.

    Raises:
        ToolchainFailed: LiteRT refuses the file.
    """
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    resolvers = {
        "xnnpack": OpResolverType.AUTO,
        "builtin": OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        "reference": OpResolverType.BUILTIN_REF,
    }
    try:
        interpreter = Interpreter(
            model_content=content,
            num_threads=1,
            experimental_op_resolver_type=resolvers[kernels],
        )
        interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        said = " ".join(str(error).split())
        raise ToolchainFailed(f"LiteRT refuses {name}: {said}") from error
    return interpreter


def _input_order(name: str, wanted: tuple[int, ...], found: tuple[int, ...]) -> tuple[int, ...]:
    """The axes of a model input in the order of the file. Images are NHWC, TFLite's own layout,
    unless only NCHW fits."""
    if len(wanted) == 4 and tuple(wanted[axis] for axis in _TO_CHANNELS_LAST) == found:
        return _TO_CHANNELS_LAST
    if wanted == found:
        return tuple(range(len(wanted)))
    raise UserError(
        f"{name} takes an input of shape {list(found)}, the samples have {list(wanted)}",
        remedy="is this the artifact of another model?",
    )


def _to_file(values: Array, details: Any) -> Array:
    dtype = np.dtype(details["dtype"])
    if dtype.kind == "f":
        return np.ascontiguousarray(values, dtype)
    scale, zero = details["quantization"]
    limits = np.iinfo(dtype)
    steps = np.rint(values / np.float32(scale)) + zero
    integers: Array = np.clip(steps, limits.min, limits.max).astype(dtype)
    return integers


def _to_model(values: Array, details: Any, input_order: tuple[int, ...]) -> Array:
    if np.dtype(details["dtype"]).kind != "f":
        scale, zero = details["quantization"]
        values = (values.astype(np.float32) - zero) * np.float32(scale)
    keeps_layout = len(input_order) == 4 and input_order != _TO_CHANNELS_LAST
    return values if values.ndim != 4 or keeps_layout else values.transpose(_TO_CHANNELS_FIRST)
