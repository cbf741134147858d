"""TensorFlow's converter, for float models with operators that our emitter does not write.

onnxsim turns the hub into a tf.function, TFLiteConverter that into a file: ten seconds and a
gigabyte where the emitter needs a moment, so only what the emitter refuses comes here. TensorFlow
runs in a fresh process: it prints, it keeps its memory, and its converter can crash.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path
from typing import Literal

import onnx_ir as ir

from edgecompile.errors import ToolchainFailed
from edgecompile.graph.constants import half_constant, is_static, static_value
from edgecompile.graph.hub import add_constant, constant, name_of, remove_unused_constants, save

FloatPrecision = Literal["fp32", "fp16", "dynamic"]

TIME_LIMIT_SECONDS = 600

_WITHOUT_BUILTIN = frozenset({"Atan", "Erf"})
"""Exported to TensorFlow, whose converter then finds no TFLite operator for them."""


def can_convert(hub: ir.Model) -> bool:
    """Does onnxsim's exporter to TensorFlow know every operator of the hub?"""
    from onnxsim.tflite_export import SUPPORTED_ONNX_OPS

    known = set(SUPPORTED_ONNX_OPS) - _WITHOUT_BUILTIN
    return all(node.op_type in known for node in hub.graph)


def convert_hub(hub: ir.Model) -> bytes:
    """The .tflite file of a float, half precision or weight-quantized hub; images are NHWC.

    Raises:
        ToolchainFailed: TensorFlow crashed, refused or took longer than ten minutes.
    """
    with tempfile.TemporaryDirectory(prefix="edgecompile-") as name:
        source, result = Path(name, "hub.onnx"), Path(name, "model.tflite")
        precision = _precision_of(hub)
        save(_widened(hub), source)
        command = [sys.executable, "-m", __name__, str(source), str(result), precision]
        try:
            done = subprocess.run(  # noqa: S603 - our own module, arguments of our own
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                timeout=TIME_LIMIT_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise ToolchainFailed(
                f"TensorFlow's converter took longer than {TIME_LIMIT_SECONDS} s"
            ) from None
        if done.returncode != 0 or not result.is_file():
            raise ToolchainFailed(
                f"TensorFlow's converter failed (exit {done.returncode}); "
                f"it said: {_complaint(done.stderr.decode(errors='replace'))}"
            )
        return result.read_bytes()


def _complaint(log: str) -> str:
    """What went wrong, out of hundreds of lines: the first error, or the last words."""
    found = re.search(r"\berror: (.+)", log)
    words = found[1] if found else (log.strip().splitlines() or ["nothing"])[-1]
    return textwrap.shorten(words, 300)


def _precision_of(hub: ir.Model) -> FloatPrecision:
    for node in hub.graph:
        if node.op_type == "Cast" and half_constant(node.outputs[0]) is not None:
            return "fp16"
        if node.op_type == "DequantizeLinear" and constant(node.inputs[0]) is not None:
            return "dynamic"
    return "fp32"


def _widened(hub: ir.Model) -> ir.Model:
    """The hub with its small constants as float32: TensorFlow narrows them again, to the same
    numbers (rounding a rounded number changes nothing)."""
    result = ir.from_proto(ir.to_proto(hub))
    for node in list(result.graph):
        if node.op_type not in {"Cast", "DequantizeLinear"} or not is_static(node.inputs[0]):
            continue
        value = node.outputs[0]
        real = static_value(value)
        if real is None:
            continue
        wide = add_constant(result.graph, f"{name_of(value)}.float", real.astype("float32"))
        ir.convenience.replace_all_uses_with(value, wide)
        result.graph.remove(node, safe=True)
    remove_unused_constants(result.graph)
    return result


def _convert(source: Path, result: Path, precision: FloatPrecision) -> None:
    """In the child: read ONNX, write TFLite."""
    import onnx
    import tensorflow as tf
    from onnxsim.tflite_export import convert_to_tflite

    if precision == "fp16":
        # onnxsim passes on which optimizations to make, not which type they may use.
        original = tf.lite.TFLiteConverter.from_concrete_functions

        def with_half(*arguments: object, **keywords: object) -> object:
            converter = original(*arguments, **keywords)
            converter.target_spec.supported_types = [tf.float16]
            return converter

        tf.lite.TFLiteConverter.from_concrete_functions = with_half
    optimizations = None if precision == "fp32" else ["DEFAULT"]
    content = convert_to_tflite(onnx.load(source), io_layout="nhwc", optimizations=optimizations)
    result.write_bytes(content)


if __name__ == "__main__":
    _convert(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])  # type: ignore[arg-type]
