"""Pools over windows and reductions over axes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod

import onnx_ir as ir

from edgecompile.backends.riscv.generator.emission import Emission, Result
from edgecompile.backends.riscv.generator.operators.entry import Operator
from edgecompile.backends.riscv.generator.storage import Tensor
from edgecompile.backends.riscv.generator.text import real, structure
from edgecompile.graph.layout import CHANNELS_LAST, drop_axes, stored_axis
from edgecompile.graph.reading import (
    AUTO_PAD,
    adds_a_window,
    auto_pads,
    integers_of,
    rank_of,
    reduced_axes,
    refuse_variable_axes,
    spatial_axes,
)


def emit_pool(emission: Emission, node: ir.Node) -> None:
    """MaxPool and AveragePool."""
    x = emission.activation(node, 0, CHANNELS_LAST)
    result = emission.clamped_result(node, CHANNELS_LAST)
    y = result.tensor
    kernel = integers_of(node, "kernel_shape", [])
    strides = integers_of(node, "strides", [1, 1])
    dilations = integers_of(node, "dilations", [1, 1])
    pads = integers_of(node, "pads", [0, 0, 0, 0])
    window = {
        "height": x.shape[2],
        "width": x.shape[3],
        "channels": x.shape[1],
        "rows": y.shape[2],
        "columns": y.shape[3],
        "kernel_height": kernel[0],
        "kernel_width": kernel[1],
        "stride_y": strides[0],
        "stride_x": strides[1],
        "dilation_y": dilations[0],
        "dilation_x": dilations[1],
        "top": pads[0],
        "left": pads[1],
        "counts_padding": node.attributes.get_int("count_include_pad", 0),
    }
    name = "maximum_pool" if node.op_type == "MaxPool" else "average_pool"
    border = _border(x, result)
    if node.op_type == "AveragePool" and x.params is not None:
        border.append(real(x.params.scale))
    emission.call(f"{name}_{_suffix(x)}", x.read(), y.write(), structure("pool", window), *border)
    emission.publish_clamped(node, y)


def _border(x: Tensor, result: Result) -> list[str]:
    """Zero point and bounds of integers; bounds of floats."""
    if x.params is None:
        return [real(result.low), real(result.high)]
    return [str(x.params.zero_point), str(int(result.low)), str(int(result.high))]


def _suffix(tensor: Tensor) -> str:
    return "f32" if tensor.params is None else f"s{tensor.params.bits}"


def _refuse_pool(node: ir.Node) -> str | None:
    if rank_of(node.inputs[0]) != 4:
        return "only pools over two dimensions are written"
    if auto_pads(node):
        return AUTO_PAD
    if node.attributes.get_int("ceil_mode", 0) and adds_a_window(node):
        return "ceil_mode that adds a window is not written"
    if len(node.outputs) > 1 and node.outputs[1].uses():
        return "the indices of MaxPool are not written"
    return None


def _reduction(
    kernel: str, axes_of: Callable[[ir.Node], list[int]]
) -> Callable[[Emission, ir.Node], None]:
    def emit(emission: Emission, node: ir.Node) -> None:
        x = emission.activation(node, 0)
        axes = sorted(axis % len(x.shape) for axis in axes_of(node))
        keeps = bool(node.attributes.get_int("keepdims", 1))
        result = emission.clamped_result(node, x.order if keeps else drop_axes(x.order, axes))
        _reduce(emission, kernel, x, axes, result, divided=node.op_type != "ReduceSum")
        emission.publish_clamped(node, result.tensor)

    return emit


def _reduce(
    emission: Emission,
    kernel: str,
    x: Tensor,
    axes: Sequence[int],
    result: Result,
    *,
    divided: bool,
) -> None:
    """The reduced axes as one that lies together: else they are moved to the front."""
    places = [p for p in sorted(stored_axis(a, x.order) for a in axes) if x.stored[p] != 1]
    if places and places != list(range(places[0], places[-1] + 1)):
        kept = [axis for axis in x.order if axis not in axes]
        x = emission.in_order(x, (*axes, *kept))
        places = list(range(len(axes)))
    first, last = (places[0], places[-1]) if places else (0, -1)
    outer, count = prod(x.stored[:first]), prod(x.stored[first : last + 1])
    inner = prod(x.stored[last + 1 :])
    y = result.tensor
    fields: dict[str, object] = {"count": count, "inner": inner}
    extra: list[str] = []
    if y.params is None:
        fields |= {"low": float(result.low), "high": float(result.high)}
    else:
        assert x.params is not None
        fields |= {"low": int(result.low), "high": int(result.high)}
        fields |= {"zero_x": x.params.zero_point, "zero": y.params.zero_point}
        fields |= {"scale": y.params.scale}
        if kernel == "mean":
            extra.append(real(x.params.scale))
    if kernel == "mean":
        extra.append(real(float(count) if divided else 1.0))
    shape = "reduction" if y.params is not None else "reduction_f32"
    emission.call(
        f"{kernel}_{_suffix(y)}",
        x.read(steps=[count * inner] if outer > 1 else []),
        y.write(steps=[inner] if outer > 1 else []),
        structure(shape, fields),
        *extra,
        loops=[outer] if outer > 1 else [],
    )


OPERATORS = {
    "MaxPool": Operator(emit_pool, _refuse_pool),
    "AveragePool": Operator(emit_pool, _refuse_pool),
    "GlobalAveragePool": Operator(_reduction("mean", spatial_axes)),
    "GlobalMaxPool": Operator(_reduction("largest", spatial_axes)),
    "ReduceMean": Operator(_reduction("mean", reduced_axes), refuse_variable_axes),
    "ReduceMax": Operator(_reduction("largest", reduced_axes), refuse_variable_axes),
    "ReduceMin": Operator(_reduction("smallest", reduced_axes), refuse_variable_axes),
    "ReduceSum": Operator(_reduction("mean", reduced_axes), refuse_variable_axes),
}
