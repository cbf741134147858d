"""Pools over windows and reductions over axes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import onnx_ir as ir

from edgecompile.backends.tflite.emission import Emission, Tensor
from edgecompile.backends.tflite.flatbuffer import VALID, activation_code, make_options
from edgecompile.backends.tflite.layout import CHANNELS_LAST, drop_axes, stored_axis
from edgecompile.backends.tflite.operators.convolution import (
    SAME_PADDING,
    pad_spatially,
    padding_of,
)
from edgecompile.backends.tflite.operators.entry import Operator, is_constant, rank_of
from edgecompile.graph.hub import constant


def _ints(node: ir.Node, name: str, default: Sequence[int]) -> list[int]:
    return list(node.attributes.get_ints(name, default))


def _refuse_pool(node: ir.Node) -> str | None:
    if rank_of(node.inputs[0]) != 4:
        return "only pools over two dimensions are written"
    if node.attributes.get_int("ceil_mode", 0):
        return "ceil_mode is not written: TFLite's pools round down"
    if any(d != 1 for d in _ints(node, "dilations", [1, 1])):
        return "TFLite's pools have no dilation"
    if len(node.outputs) > 1 and node.outputs[1].uses():
        return "the indices of MaxPool are not written"
    return None


def _refuse_average(node: ir.Node) -> str | None:
    reason = _refuse_pool(node)
    if reason is not None:
        return reason
    padded = any(_ints(node, "pads", [0, 0, 0, 0]))
    if padded and not node.attributes.get_int("count_include_pad", 0):
        pads, kernel = _ints(node, "pads", []), _ints(node, "kernel_shape", [])
        strides = _ints(node, "strides", [1, 1])
        shape = node.inputs[0].shape.numpy() if node.inputs[0] and node.inputs[0].shape else ()
        if padding_of(tuple(shape), kernel, strides, [1, 1], pads) != SAME_PADDING:
            return "an average that leaves out its padding is only written for SAME padding"
    return None


def _pool(name: str) -> Callable[[Emission, ir.Node], None]:
    def emit(emission: Emission, node: ir.Node) -> None:
        x = emission.activation(node, 0, CHANNELS_LAST)
        kernel, strides = _ints(node, "kernel_shape", []), _ints(node, "strides", [1, 1])
        pads = _ints(node, "pads", [0, 0, 0, 0])
        padding = padding_of(x.shape, kernel, strides, [1, 1], pads)
        counts_padding = bool(node.attributes.get_int("count_include_pad", 0))
        if any(pads) and (padding is None or (name == "AVERAGE_POOL_2D" and counts_padding)):
            x = _padded_for(emission, x, pads, name)
            padding = VALID
        result, activation = emission.result(node, CHANNELS_LAST)
        options = make_options(
            "Pool2DOptions",
            padding=VALID if padding is None else padding,
            strideH=strides[0],
            strideW=strides[1],
            filterHeight=kernel[0],
            filterWidth=kernel[1],
            fusedActivationFunction=activation_code(activation),
        )
        emission.op(name, [x], [result], options)

    return emit


def _padded_for(emission: Emission, x: Tensor, pads: Sequence[int], name: str) -> Tensor:
    """Padding that the pool does not see: zeros for an average, the least value for a maximum."""
    if name == "AVERAGE_POOL_2D":
        return pad_spatially(emission, x, pads)
    return pad_spatially(emission, x, pads, lowest=True)


def _reduction(
    name: str, axes_of: Callable[[ir.Node], list[int]]
) -> Callable[[Emission, ir.Node], None]:
    def emit(emission: Emission, node: ir.Node) -> None:
        x = emission.activation(node, 0)
        axes = [axis % len(x.shape) for axis in axes_of(node)]
        keeps = bool(node.attributes.get_int("keepdims", 1))
        order = x.order if keeps else drop_axes(x.order, axes)
        result, activation = emission.result(node, order)
        stored = sorted(stored_axis(axis, x.order) for axis in axes)
        options = make_options("ReducerOptions", keepDims=keeps)
        target = result
        if activation != "NONE":
            target = emission.like(result, f"{node.name}.unclamped", result.shape, order)
        emission.op(name, [x, emission.writer.integers(stored)], [target], options)
        if activation != "NONE":
            emission.op(activation, [target], [result])

    return emit


def _reduced_axes(node: ir.Node) -> list[int]:
    if len(node.inputs) > 1 and node.inputs[1] is not None:
        axes = constant(node.inputs[1])
        assert axes is not None
        return [int(axis) for axis in np.ravel(axes)]
    listed = _ints(node, "axes", [])
    return listed or list(range(rank_of(node.inputs[0])))


def _spatial_axes(node: ir.Node) -> list[int]:
    return list(range(2, rank_of(node.inputs[0])))


def _refuse_reduction(node: ir.Node) -> str | None:
    if len(node.inputs) > 1 and not is_constant(node.inputs[1]):
        return "the axes of a reduction must be constant"
    return None


OPERATORS = {
    "MaxPool": Operator(_pool("MAX_POOL_2D"), _refuse_pool),
    "AveragePool": Operator(_pool("AVERAGE_POOL_2D"), _refuse_average),
    "GlobalAveragePool": Operator(_reduction("MEAN", _spatial_axes)),
    "GlobalMaxPool": Operator(_reduction("REDUCE_MAX", _spatial_axes)),
    "ReduceMean": Operator(_reduction("MEAN", _reduced_axes), _refuse_reduction),
    "ReduceMax": Operator(_reduction("REDUCE_MAX", _reduced_axes), _refuse_reduction),
    "ReduceMin": Operator(_reduction("REDUCE_MIN", _reduced_axes), _refuse_reduction),
    "ReduceSum": Operator(_reduction("SUM", _reduced_axes), _refuse_reduction),
}
