"""Pools over windows and reductions over axes."""

from __future__ import annotations

from collections.abc import Callable

import onnx_ir as ir

from edgecompile.formats.tflite.emission import Emission
from edgecompile.formats.tflite.flatbuffer import SAME, VALID, activation_code, make_options
from edgecompile.formats.tflite.operators.entry import Operator
from edgecompile.formats.tflite.operators.padding import pad_image, padding_of
from edgecompile.graph.hub import shape_of
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


def _pool(name: str) -> Callable[[Emission, ir.Node], None]:
    is_average = name == "AVERAGE_POOL_2D"

    def emit(emission: Emission, node: ir.Node) -> None:
        x = emission.activation(node, 0, CHANNELS_LAST)
        kernel = integers_of(node, "kernel_shape", [])
        strides = integers_of(node, "strides", [1, 1])
        pads = integers_of(node, "pads", [0, 0, 0, 0])
        padding = padding_of(x.shape[2:], kernel, strides, [1, 1], pads)
        # TFLite's average leaves SAME padding out of its count, as ONNX does unless told.
        if padding is None or (any(pads) and is_average and _counts_padding(node)):
            x, padding = pad_image(emission, x, pads, lowest=not is_average), VALID
        if emission.forms.fused_pools:
            result, activation = emission.fusing_result(node, CHANNELS_LAST)
        else:
            result, activation = emission.result(node, CHANNELS_LAST), "NONE"
        options = make_options(
            "Pool2DOptions",
            padding=padding,
            strideH=strides[0],
            strideW=strides[1],
            filterHeight=kernel[0],
            filterWidth=kernel[1],
            fusedActivationFunction=activation_code(activation),
        )
        emission.op(name, [x], [result], options)

    return emit


def _counts_padding(node: ir.Node) -> bool:
    return bool(node.attributes.get_int("count_include_pad", 0))


def _refuse_pool(node: ir.Node) -> str | None:
    if rank_of(node.inputs[0]) != 4:
        return "only pools over two dimensions are written"
    if auto_pads(node):
        return AUTO_PAD
    if node.attributes.get_int("ceil_mode", 0) and adds_a_window(node):
        return "ceil_mode is not written: TFLite's pools round down"
    if any(d != 1 for d in integers_of(node, "dilations", [1, 1])):
        return "TFLite's pools have no dilation"
    if len(node.outputs) > 1 and node.outputs[1].uses():
        return "the indices of MaxPool are not written"
    return None


def _refuse_average(node: ir.Node) -> str | None:
    reason = _refuse_pool(node)
    pads = integers_of(node, "pads", [0, 0, 0, 0])
    if reason is not None or not any(pads) or _counts_padding(node):
        return reason
    source = node.inputs[0]
    assert source is not None
    kernel, strides = integers_of(node, "kernel_shape", []), integers_of(node, "strides", [1, 1])
    if padding_of(shape_of(source)[2:], kernel, strides, [1, 1], pads) != SAME:
        return (
            "an average that leaves its padding out of the count is written for SAME padding only"
        )
    return None


def _reduction(
    name: str, axes_of: Callable[[ir.Node], list[int]]
) -> Callable[[Emission, ir.Node], None]:
    def emit(emission: Emission, node: ir.Node) -> None:
        x = emission.activation(node, 0)
        axes = [axis % len(x.shape) for axis in axes_of(node)]
        keeps = bool(node.attributes.get_int("keepdims", 1))
        result = emission.result(node, x.order if keeps else drop_axes(x.order, axes))
        stored = emission.writer.integers(sorted(stored_axis(axis, x.order) for axis in axes))
        options = make_options("ReducerOptions", keepDims=keeps)
        emission.op(name, [x, stored], [result], options)

    return emit


OPERATORS = {
    "MaxPool": Operator(_pool("MAX_POOL_2D"), _refuse_pool, wide=True),
    "AveragePool": Operator(_pool("AVERAGE_POOL_2D"), _refuse_average, wide=True),
    "GlobalAveragePool": Operator(_reduction("MEAN", spatial_axes), wide=True),
    "GlobalMaxPool": Operator(_reduction("REDUCE_MAX", spatial_axes)),
    "ReduceMean": Operator(_reduction("MEAN", reduced_axes), refuse_variable_axes, wide=True),
    "ReduceMax": Operator(_reduction("REDUCE_MAX", reduced_axes), refuse_variable_axes),
    "ReduceMin": Operator(_reduction("REDUCE_MIN", reduced_axes), refuse_variable_axes),
    # The reference kernel of int8 SUM is wrong (toolchain notes, measured): float.
    "ReduceSum": Operator(_reduction("SUM", reduced_axes), refuse_variable_axes, integer=False),
}
