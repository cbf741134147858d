"""A QuantizeLinear and its DequantizeLinear around a tensor that a rewrite made."""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir


def add_pair(value: ir.Value, parameters: Sequence[ir.Value | None], name: str) -> list[ir.Node]:
    """``value -> QuantizeLinear -> DequantizeLinear`` with the scale and zero point `parameters`.

    The nodes are not inserted yet; the last one's output is `value`, rounded. `name` must be free.
    """
    quantize = ir.node("QuantizeLinear", [value, *parameters], name=f"{name}.quantize")
    integer = quantize.outputs[0]
    dequantize = ir.node("DequantizeLinear", [integer, *parameters], name=f"{name}.dequantize")
    real = dequantize.outputs[0]
    zero = parameters[1]
    assert zero is not None and zero.dtype is not None
    integer.name, integer.type = f"{name}.integer", ir.TensorType(zero.dtype)
    real.name, real.type = f"{name}.real", value.type
    integer.shape = real.shape = value.shape
    return [quantize, dequantize]
