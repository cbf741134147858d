"""Conv and ConvTranspose: CONV_2D, DEPTHWISE_CONV_2D, TRANSPOSE_CONV."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir

from edgecompile.formats.tflite.emission import Emission, Tensor
from edgecompile.formats.tflite.flatbuffer import VALID, activation_code, make_options
from edgecompile.formats.tflite.operators.entry import Operator
from edgecompile.formats.tflite.operators.padding import pad_image, padding_of
from edgecompile.formats.tflite.operators.weights import bias_tensor, kernel_kind, weight_tensor
from edgecompile.graph.constants import is_static
from edgecompile.graph.hub import Array, shape_of
from edgecompile.graph.layout import CHANNELS_LAST
from edgecompile.graph.qdq import WEIGHT_INPUT
from edgecompile.graph.reading import (
    AUTO_PAD,
    auto_pads,
    integers_of,
    rank_of,
    refuse_bias,
    refuse_conv,
)
from edgecompile.graph.written import Weight

CHANNELS_LAST_1D = (0, 2, 1)


@dataclass(frozen=True)
class Geometry:
    """A convolution's window over two dimensions; `pads` are top, left, bottom, right."""

    strides: list[int]
    dilations: list[int]
    pads: list[int]

    @classmethod
    def of(cls, node: ir.Node) -> Geometry:
        """A node's attributes; one dimension counts as two of which the first has size 1."""
        if rank_of(node.inputs[0]) == 4:
            return cls(
                integers_of(node, "strides", [1, 1]),
                integers_of(node, "dilations", [1, 1]),
                integers_of(node, "pads", [0, 0, 0, 0]),
            )
        left, right = integers_of(node, "pads", [0, 0])
        return cls(
            [1, *integers_of(node, "strides", [1])],
            [1, *integers_of(node, "dilations", [1])],
            [0, left, 0, right],
        )


def emit_conv(emission: Emission, node: ir.Node) -> None:
    """One CONV_2D or DEPTHWISE_CONV_2D, behind a PAD where ONNX's pads are neither of TFLite's.

    A convolution over one dimension is one over two of which one has size 1; one with groups is a
    CONV_2D whose filters see their part of the channels.
    """
    x, weight = _image_and_weight(emission, node)
    geometry = Geometry.of(node)
    strides, dilations = geometry.strides, geometry.dilations
    # Over one pixel a dilation says nothing: then it is the other one's, which some chips demand.
    window = weight.data.shape[2:]
    padding = padding_of(x.shape[2:], window, strides, dilations, geometry.pads)
    if padding is None:
        x, padding = pad_image(emission, x, geometry.pads), VALID
    bias = _bias(emission, node, x, weight)
    shape = shape_of(node.outputs[0])
    y = emission.draft(node, (*shape[:2], *([1, *shape[2:]])[-2:]), CHANNELS_LAST)
    activation = emission.activation_behind(node)
    _emit_window(
        emission,
        node,
        [x, bias, y],
        weight,
        {
            "padding": padding,
            "strideH": strides[0],
            "strideW": strides[1],
            "dilationHFactor": dilations[0] if window[0] > 1 else dilations[1],
            "dilationWFactor": dilations[1] if window[1] > 1 else dilations[0],
            "fusedActivationFunction": activation_code(activation),
        },
    )
    if len(shape) == 3:
        y = emission.reshape(y, shape, CHANNELS_LAST_1D)
    emission.publish(node, y, activation)


def _image_and_weight(emission: Emission, node: ir.Node) -> tuple[Tensor, Weight]:
    group = node.attributes.get_int("group", 1)
    depthwise = _is_depthwise(node, shape_of(node.inputs[WEIGHT_INPUT]))  # type: ignore[arg-type]
    # The dynamic-range kernels know no groups but those of a depthwise convolution.
    weight = emission.weight(node, WEIGHT_INPUT, hybrid=group == 1 or depthwise)
    if rank_of(node.inputs[0]) == 4:
        return emission.activation(node, 0, CHANNELS_LAST), weight
    line = emission.activation(node, 0, CHANNELS_LAST_1D)
    n, c, length = line.shape
    image = emission.reshape(line, (n, c, 1, length), CHANNELS_LAST)
    return image, Weight(weight.data[:, :, None, :], weight.scale, weight.axis)


def _is_depthwise(node: ir.Node, weight_shape: tuple[int, ...]) -> bool:
    """One input channel per group. A single channel in all is served faster by CONV_2D."""
    return node.attributes.get_int("group", 1) > 1 and weight_shape[1] == 1


def _emit_window(
    emission: Emission,
    node: ir.Node,
    tensors: list[Any],
    weight: Weight,
    fields: dict[str, Any],
) -> None:
    x, bias, y = tensors
    group = node.attributes.get_int("group", 1)
    name = f"{node.name}.weight"
    kind = kernel_kind(x, weight)
    if _is_depthwise(node, weight.data.shape):
        if kind == "hybrid" and weight.scale is not None and weight.scale.ndim == 0:
            # Its kernel reads a scale per channel, behind the end of a list of one as well
            # (tensorflow/lite/kernels/depthwise_conv.cc, EvalHybridPerChannel).
            scales = np.full(len(weight.data), weight.scale, np.float32)
            weight = Weight(weight.data, scales, axis=0)
        w = weight_tensor(emission, name, weight.data[:, 0].transpose(1, 2, 0)[None], weight, 3)
        multiplier = weight.data.shape[0] // group
        options = make_options("DepthwiseConv2DOptions", depthMultiplier=multiplier, **fields)
        version = {"integer": 3, "wide": 5, "hybrid": 6, "float": 2}[kind]
        emission.op("DEPTHWISE_CONV_2D", [x, w, bias], [y], options, version)
        return
    w = weight_tensor(emission, name, weight.data.transpose(0, 2, 3, 1), weight, 0)
    version = {"integer": 3, "wide": 4, "hybrid": 5, "float": 1}[kind]
    version = max(version, 6) if group > 1 else version
    emission.op("CONV_2D", [x, w, bias], [y], make_options("Conv2DOptions", **fields), version)


def _bias(emission: Emission, node: ir.Node, x: Tensor, weight: Weight) -> int:
    channels = shape_of(node.outputs[0])[1]
    real: Array = np.zeros(channels, np.float32)
    if len(node.inputs) > 2 and node.inputs[2] is not None:
        real = emission.real_constant(node, 2).reshape(-1)
    return bias_tensor(emission, f"{node.name}.bias", real, x, weight)


def emit_conv_transpose(emission: Emission, node: ir.Node) -> None:
    """TRANSPOSE_CONV; without padding and cut by a SLICE where ONNX's pads are not SAME."""
    x = emission.activation(node, 0, CHANNELS_LAST)
    weight = emission.weight(node, WEIGHT_INPUT, hybrid=False)
    strides = integers_of(node, "strides", [1, 1])
    pads = integers_of(node, "pads", [0, 0, 0, 0])
    extra = integers_of(node, "output_padding", [0, 0])
    shape, kernel = shape_of(node.outputs[0]), weight.data.shape[2:]
    padding = padding_of(shape[2:], kernel, strides, [1, 1], pads)
    is_whole = padding is not None and not (any(pads) and any(extra))
    y, activation = emission.fusing_result(node, CHANNELS_LAST)
    full = y
    if not is_whole:
        spatial = [(x.shape[2 + i] - 1) * strides[i] + kernel[i] + extra[i] for i in (0, 1)]
        full = emission.like(y, f"{node.name}.full", (*shape[:2], *spatial), CHANNELS_LAST)
    data = weight.data.transpose(1, 2, 3, 0)
    w = weight_tensor(emission, f"{node.name}.weight", data, weight, axis=0)
    options = make_options(
        "TransposeConvOptions",
        padding=padding if is_whole else VALID,
        strideH=strides[0],
        strideW=strides[1],
        fusedActivationFunction=activation_code(activation),
    )
    wanted, bias = emission.writer.integers(full.stored), _bias(emission, node, x, weight)
    # A bias is read from version 3 on, an activation from version 4 on.
    version = 3 if activation == "NONE" else 4
    emission.op("TRANSPOSE_CONV", [wanted, w, x, bias], [full], options, version)
    if not is_whole:
        begin = emission.writer.integers([0, pads[0], pads[1], 0])
        size = emission.writer.integers(y.stored)
        emission.op("SLICE", [full, begin, size], [y], make_options("SliceOptions"))


def _refuse_transposed(node: ir.Node) -> str | None:
    if rank_of(node.inputs[0]) != 4 or not is_static(node.inputs[WEIGHT_INPUT]):
        return "only transposed convolutions over two dimensions with constant weights are written"
    if node.attributes.get_int("group", 1) != 1:
        return "TRANSPOSE_CONV has no groups"
    if any(d != 1 for d in integers_of(node, "dilations", [1, 1])):
        return "TRANSPOSE_CONV has no dilation"
    if "output_shape" in node.attributes:
        return "output_shape of ConvTranspose is not written: give pads, as torch exports them"
    return AUTO_PAD if auto_pads(node) else refuse_bias(node)


OPERATORS = {
    "Conv": Operator(emit_conv, refuse_conv, wide=True),
    "ConvTranspose": Operator(emit_conv_transpose, _refuse_transposed, wide=True),
}
