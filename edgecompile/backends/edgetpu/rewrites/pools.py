"""Pools and means in the forms that the Edge TPU maps."""

from __future__ import annotations

from math import prod

import numpy as np
import onnx_ir as ir

from edgecompile.backends.edgetpu.rewrites.chain import (
    Chain,
    input_params,
    is_quantized,
    output_params,
    scaled,
)
from edgecompile.graph.hub import constant, shape_of

_DEPTH_STEP = 4
"""A reduction of channels needs a multiple of so many of them (`rules`)."""


def part_padding_from_stride(model: ir.Model) -> None:
    """``MaxPool(k, stride s, padding (k-1)/2)`` becomes that pool with a stride of 1, then one with
    a window of one pixel and the stride, in place. Exact.

    At a stride of 1 the padding is SAME, which pads with nothing; at another it would be a PADV2
    with the least value, which is not mapped. Not needed where the zero point is the least value:
    a PAD does then.
    """
    for node in list(model.graph):
        params = input_params(node)
        if node.op_type != "MaxPool" or params is None or not is_quantized(node):
            continue
        kernel = list(node.attributes.get_ints("kernel_shape", []))
        strides = list(node.attributes.get_ints("strides", [1, 1]))
        pads = list(node.attributes.get_ints("pads", [0, 0, 0, 0]))
        centred = [(size - 1) // 2 for size in kernel] * 2
        if len(kernel) != 2 or pads != centred or not any(pads) or params.zero_point == -128:
            continue
        if any(size % 2 == 0 for size in kernel) or strides == [1, 1]:
            continue
        chain = Chain(model.graph, node)
        shape = shape_of(chain.source)
        everywhere = chain.op(
            "MaxPool", [chain.source], shape, {"kernel_shape": kernel, "pads": pads}
        )
        everywhere = chain.quantized(everywhere, params)
        attributes = {"kernel_shape": [1, 1], "strides": strides}
        chain.op("MaxPool", [everywhere], shape_of(node.outputs[0]), attributes)
        chain.finish()


def turn_channel_means_into_convolutions(model: ir.Model) -> None:
    """``ReduceMean(x, channels)`` of an image becomes a ``Conv`` with one filter of one pixel whose
    weights are all 1/C, in place. Exact but for rounding. Only where C is no multiple of 4."""
    for node in list(model.graph):
        if node.op_type != "ReduceMean" or not is_quantized(node):
            continue
        chain = Chain(model.graph, node)
        shape = shape_of(chain.source)
        if len(shape) != 4 or _axes(node) != [1] or shape[1] % _DEPTH_STEP == 0:
            continue
        result = output_params(node)
        assert result is not None
        n, c, h, w = shape
        weight = chain.weight(np.full((1, c, 1, 1), 127), np.array(1 / c / 127))
        mean = chain.op("Conv", [chain.source, weight], (n, 1, h, w))
        if not node.attributes.get_int("keepdims", 1):
            mean = chain.quantized(mean, result)
            chain.op("Squeeze", [mean, chain.integers([1])], shape_of(node.outputs[0]))
        chain.finish()


def turn_sums_into_means(model: ir.Model) -> None:
    """``ReduceSum(x)`` becomes ``N * ReduceMean(x)``, in place. Exact but for rounding.

    The mean has the sum's integers; the product only reads them as N times the numbers. TFLite's
    int8 SUM is wrong in its reference kernel, and the emitter writes it in float.
    """
    for node in list(model.graph):
        params, axes = output_params(node), _axes(node) if node.op_type == "ReduceSum" else None
        if axes is None or params is None or not is_quantized(node):
            continue
        chain, shape = Chain(model.graph, node), shape_of(node.outputs[0])
        count = prod(shape_of(chain.source)[axis] for axis in axes)
        keeps = {"keepdims": node.attributes.get_int("keepdims", 1)}
        mean = chain.op("ReduceMean", [chain.source, chain.integers(axes)], shape, keeps)
        mean = chain.quantized(mean, scaled(params, 1 / count))
        chain.op("Mul", [mean, chain.number(float(count))], shape)
        chain.finish()


def _axes(node: ir.Node) -> list[int] | None:
    """The reduced axes from the front; None if they are not listed as constants."""
    listed = constant(node.inputs[1]) if len(node.inputs) > 1 else None
    source = node.inputs[0]
    if listed is None or listed.size == 0 or source is None:
        return None
    return [int(axis) % len(shape_of(source)) for axis in np.ravel(listed)]
