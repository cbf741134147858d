"""Convolutions that the Edge TPU lacks, as ones that it has, with zeros among their weights."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from edgecompile.backends.edgetpu.rewrites.chain import Chain, input_params, is_quantized
from edgecompile.graph.constants import dequantized_constant
from edgecompile.graph.hub import shape_of
from edgecompile.graph.qdq import WEIGHT_INPUT


def fill_up_groups(model: ir.Model) -> None:
    """``Conv(group = g)`` becomes a ``Conv`` whose filters have zeros for the channels of the other
    groups, in place. Exact; g times the arithmetic.

    A CONV_2D with groups is of version 6, and the compiler reads up to 5. Depthwise convolutions
    have an operator of their own.
    """
    for node in list(model.graph):
        group = node.attributes.get_int("group", 1)
        stored = dequantized_constant(node.inputs[WEIGHT_INPUT]) if node.op_type == "Conv" else None
        if stored is None or group == 1 or not is_quantized(node) or stored.data.shape[1] == 1:
            continue
        outputs, own, *window = stored.data.shape
        full = np.zeros((outputs, own * group, *window), np.int8)
        for index in range(outputs):
            start = index * group // outputs * own
            full[index, start : start + own] = stored.data[index]
        chain = Chain(model.graph, node)
        weight = chain.weight(full, stored.scale)
        more = [value for value in node.inputs[WEIGHT_INPUT + 1 :] if value is not None]
        attributes = {
            name: list(node.attributes.get_ints(name, []))
            for name in ("dilations", "kernel_shape", "pads", "strides")
            if name in node.attributes
        }
        inputs = [chain.source, weight, *more]
        chain.op("Conv", inputs, shape_of(node.outputs[0]), attributes)
        chain.finish()


def turn_depth_to_space_into_convolution(model: ir.Model) -> None:
    """``DepthToSpace(x, b)`` (PixelShuffle) becomes a ``ConvTranspose`` with windows and strides of
    b whose filters each copy one channel to one place, in place. Exact."""
    for node in list(model.graph):
        if node.op_type != "DepthToSpace" or input_params(node) is None or not is_quantized(node):
            continue
        size = node.attributes.get_int("blocksize", 1)
        chain = Chain(model.graph, node)
        channels = shape_of(chain.source)[1]
        places = np.arange(channels).reshape(size, size, channels // size**2)
        if node.attributes.get_string("mode", "DCR") == "CRD":
            places = np.arange(channels).reshape(channels // size**2, size, size)
            places = places.transpose(1, 2, 0)
        copies = np.zeros((channels, channels // size**2, size, size), np.int8)
        for row, column, channel in np.ndindex(places.shape):
            copies[places[row, column, channel], channel, row, column] = 127
        weight = chain.weight(copies, np.array(1 / 127), axis=1)
        attributes = {"kernel_shape": [size, size], "strides": [size, size]}
        inputs = [chain.source, weight]
        chain.op("ConvTranspose", inputs, shape_of(node.outputs[0]), attributes)
        chain.finish()
