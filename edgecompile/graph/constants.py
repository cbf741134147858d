"""Tensors that are known before the model runs, however the hub holds them.

A constant is float32; or int8 behind a DequantizeLinear (quantized); or float16 behind a Cast
(half precision); or a table behind a Gather (palettized). These three forms are the hub's
conventions for small weights.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgecompile.graph.hub import Array, constant
from edgecompile.graph.palette import palettized_constant


@dataclass(frozen=True)
class QuantizedConstant:
    """real = (data - zero_point) * scale; `scale` is one number, or one per slice of `axis`."""

    data: Array
    scale: Array
    zero_point: Array
    axis: int | None

    @property
    def real(self) -> Array:
        """The values that the integers stand for, float32."""
        shape = [1] * self.data.ndim
        if self.axis is not None:
            shape[self.axis] = -1
        scale, zero = self.scale.reshape(shape), self.zero_point.reshape(shape)
        return ((self.data.astype(np.float64) - zero) * scale).astype(np.float32)


def dequantized_constant(value: ir.Value | None) -> QuantizedConstant | None:
    """The integers behind a DequantizeLinear of a constant; None for any other tensor."""
    node = None if value is None else value.producer()
    if node is None or node.op_type != "DequantizeLinear":
        return None
    data, scale, zero = (constant(node.inputs[i]) for i in range(3))
    if data is None or scale is None or zero is None:
        return None
    axis = node.attributes.get_int("axis", 1) if scale.ndim == 1 else None
    return QuantizedConstant(data, scale, zero, axis)


def half_constant(value: ir.Value | None) -> Array | None:
    """The float16 values behind a Cast of a constant; None for any other tensor."""
    node = None if value is None else value.producer()
    if node is None or node.op_type != "Cast":
        return None
    data = constant(node.inputs[0])
    return data if data is not None and data.dtype == np.float16 else None


def static_value(value: ir.Value | None) -> Array | None:
    """The values of a constant in any of its forms (quantized ones as float32); None for an
    activation."""
    plain = constant(value)
    if plain is not None:
        return plain
    for small in (dequantized_constant(value), palettized_constant(value)):
        if small is not None:
            return small.real
    return half_constant(value)


def is_static(value: ir.Value | None) -> bool:
    """Is the tensor known before the model runs?"""
    node = None if value is None else value.producer()
    if node is not None and node.op_type in {"DequantizeLinear", "Cast"}:
        value = node.inputs[0]
    return constant(value) is not None or palettized_constant(value) is not None
