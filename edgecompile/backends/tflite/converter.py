"""TensorFlow's converter, for float models with operators that our emitter does not write.

onnxsim turns the hub into a tf.function, TFLiteConverter that into a file: ten seconds and a
gigabyte where the emitter needs a moment, so only what the emitter refuses comes here. TensorFlow
runs in a fresh process: it prints, it keeps its memory, and its converter can crash.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Literal

import onnx_ir as ir

from edgecompile.backends.isolation import run_isolated
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
        done = run_isolated(
            _convert,
            str(source),
            str(result),
            precision,
            tool="TensorFlow's converter",
            seconds=TIME_LIMIT_SECONDS,
            folder=Path(name),
        )
        if not done.succeeded or not result.is_file():
            raise done.failure()
        return result.read_bytes()


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


def _convert(source: str, result: str, precision: FloatPrecision) -> None:
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
    Path(result).write_bytes(content)
