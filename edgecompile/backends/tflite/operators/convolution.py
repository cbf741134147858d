"""Conv and ConvTranspose: CONV_2D, DEPTHWISE_CONV_2D, TRANSPOSE_CONV."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from edgecompile.backends.tflite.emission import Emission, Tensor, Weight
from edgecompile.backends.tflite.flatbuffer import (
    SAME,
    VALID,
    Quantization,
    activation_code,
    make_options,
)
from edgecompile.backends.tflite.layout import CHANNELS_LAST
from edgecompile.backends.tflite.operators.entry import Operator, is_constant, rank_of
from edgecompile.graph.hub import Array, name_of, shape_of
from edgecompile.graph.qdq import WEIGHT_INPUT

_INT32 = np.iinfo(np.int32)


def _refuse_conv(node: ir.Node) -> str | None:
    if rank_of(node.inputs[0]) == 3:
        return None
    if rank_of(node.inputs[0]) != 4:
        return "only convolutions over one or two dimensions are written"
    if not is_constant(node.inputs[WEIGHT_INPUT]):
        return "the weight of a convolution must be constant"
    if node.attributes.get_string("auto_pad", "NOTSET") != "NOTSET":
        return "auto_pad is not written; torch exports explicit pads"
    return None


def _refuse_transposed(node: ir.Node) -> str | None:
    if rank_of(node.inputs[0]) != 4 or not is_constant(node.inputs[WEIGHT_INPUT]):
        return "only transposed convolutions over two dimensions with constant weights are written"
    if node.attributes.get_int("group", 1) != 1:
        return "TRANSPOSE_CONV has no groups"
    if any(d != 1 for d in _ints(node, "dilations", [1, 1])):
        return "TRANSPOSE_CONV has no dilation"
    return None


def _ints(node: ir.Node, name: str, default: Sequence[int]) -> list[int]:
    return list(node.attributes.get_ints(name, default))


def emit_conv(emission: Emission, node: ir.Node) -> None:
    """One CONV_2D or DEPTHWISE_CONV_2D, behind a PAD where ONNX's pads are neither of TFLite's.

    A convolution over one dimension is one over two of which one has size 1; one with groups is a
    CONV_2D whose filters see their part of the channels.
    """
    one_dimensional = rank_of(node.inputs[0]) == 3
    x = emission.activation(node, 0)
    weight = emission.weight(node, WEIGHT_INPUT)
    if one_dimensional:
        x = emission.reshape(
            emission.in_order(x, (0, 2, 1)), (*x.shape[:2], 1, x.shape[2]), CHANNELS_LAST
        )
        weight = Weight(weight.data[:, :, None, :], weight.scale, weight.axis)
    x = emission.in_order(x, CHANNELS_LAST)
    strides, dilations, pads = _geometry(node, one_dimensional)
    group = node.attributes.get_int("group", 1)
    kernel = weight.data.shape[2:]
    x, padding = _padded(emission, x, kernel, strides, dilations, pads)
    bias = bias_of(emission, node, x, weight)
    y, y4, activation = _conv_result(emission, node, one_dimensional)
    fields = {
        "padding": padding,
        "strideH": strides[0],
        "strideW": strides[1],
        "dilationHFactor": dilations[0],
        "dilationWFactor": dilations[1],
        "fusedActivationFunction": activation_code(activation),
    }
    name = f"{node.name}.weight"
    # A single group over a single channel is a depthwise convolution as well: CONV_2D is faster.
    if group > 1 and weight.data.shape[1] == 1:
        data = weight.data[:, 0].transpose(1, 2, 0)[None]
        w = weight_tensor(emission, name, data, weight, axis=3)
        multiplier = weight.data.shape[0] // group
        options = make_options("DepthwiseConv2DOptions", depthMultiplier=multiplier, **fields)
        version = _version(emission, weight, {"int8": 3, "dynamic": 6, "float": 2})
        emission.op("DEPTHWISE_CONV_2D", [x, w, bias], [y4], options, version)
    else:
        data = weight.data.transpose(0, 2, 3, 1)
        w = weight_tensor(emission, name, data, weight, axis=0)
        options = make_options("Conv2DOptions", **fields)
        grouped = 6 if group > 1 else 1
        version = _version(emission, weight, {"int8": 3, "dynamic": 5, "float": 1})
        emission.op("CONV_2D", [x, w, bias], [y4], options, max(version, grouped))
    if one_dimensional:
        emission.publish(node, emission.reshape(y4, y, (0, 2, 1)))


def _geometry(node: ir.Node, one_dimensional: bool) -> tuple[list[int], list[int], list[int]]:
    """Strides, dilations and pads (top, left, bottom, right) over two dimensions."""
    if one_dimensional:
        strides, dilations = _ints(node, "strides", [1]), _ints(node, "dilations", [1])
        left, right = _ints(node, "pads", [0, 0])
        return [1, *strides], [1, *dilations], [0, left, 0, right]
    return (
        _ints(node, "strides", [1, 1]),
        _ints(node, "dilations", [1, 1]),
        _ints(node, "pads", [0, 0, 0, 0]),
    )


def _conv_result(
    emission: Emission, node: ir.Node, one_dimensional: bool
) -> tuple[tuple[int, ...], Tensor, str]:
    shape = shape_of(node.outputs[0])
    if not one_dimensional:
        tensor, activation = emission.result(node, CHANNELS_LAST)
        return shape, tensor, activation
    named, activation = emission.result(node, (0, 2, 1))
    wide = emission.like(named, f"{node.name}.2d", (*shape[:2], 1, shape[2]), CHANNELS_LAST)
    return shape, wide, activation


def _padded(
    emission: Emission,
    x: Tensor,
    kernel: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
    pads: Sequence[int],
) -> tuple[Tensor, int]:
    """`x`, behind a PAD if needed, and the padding of the convolution that reads it."""
    if not any(pads):
        return x, VALID
    if all(
        _is_same(x.shape[2 + i], kernel[i], strides[i], dilations[i], pads[i], pads[2 + i])
        for i in range(2)
    ):
        return x, SAME
    return pad_spatially(emission, x, pads), VALID


def _is_same(size: int, kernel: int, stride: int, dilation: int, before: int, after: int) -> bool:
    """Are these pads those of TensorFlow's SAME? (tensorflow/lite/kernels/padding.h)"""
    total = max((-(-size // stride) - 1) * stride + (kernel - 1) * dilation + 1 - size, 0)
    return (before, after) == (total // 2, total - total // 2)


def pad_spatially(emission: Emission, x: Tensor, pads: Sequence[int]) -> Tensor:
    """PAD with zeros (the zero point) above, left, below, right of an NHWC tensor."""
    top, left, bottom, right = pads
    n, c, h, w = x.shape
    shape = (n, c, h + top + bottom, w + left + right)
    padded = emission.like(x, f"{x.index}.padded", shape, CHANNELS_LAST)
    paddings = emission.writer.integers([[0, 0], [top, bottom], [left, right], [0, 0]])
    emission.op("PAD", [x, paddings], [padded], make_options("PadOptions"))
    return padded


def bias_of(emission: Emission, node: ir.Node, x: Tensor, weight: Weight) -> int:
    """The bias tensor: int32 at scale s_x * s_w for an integer operator, else float; zeros if the
    node has none."""
    outputs = weight.data.shape[_output_axis(node)]
    real = np.zeros(outputs, np.float32)
    if len(node.inputs) > 2 and node.inputs[2] is not None:
        real = emission.real_constant(node, 2).reshape(-1)
    return bias_tensor(emission, f"{node.name}.bias", real, x, weight)


def bias_tensor(emission: Emission, name: str, real: Array, x: Tensor, weight: Weight) -> int:
    """A bias of the given real values. Raises ContractError if it does not fit int32."""
    if weight.scale is None or x.params is None:
        return emission.writer.tensor(name, real.shape, np.float32, data=real)
    scale = np.float64(np.float32(x.params.scale)) * weight.scale.astype(np.float64)
    steps = np.rint(real.astype(np.float64) / scale)
    fitting = np.clip(steps, _INT32.min, _INT32.max)
    quantization = Quantization(scale, np.zeros(np.size(scale), np.int64))
    return emission.writer.tensor(name, real.shape, np.int32, quantization, fitting)


def _output_axis(node: ir.Node) -> int:
    return 1 if node.op_type == "ConvTranspose" else 0


def weight_tensor(emission: Emission, name: str, data: Array, weight: Weight, axis: int) -> int:
    """A weight in TFLite's layout; `axis` counts its output channels."""
    if weight.scale is None:
        if emission.weight_dtype == "int8":
            return _dynamic_weight(emission, name, data, axis)
        return emission.float_constant(name, data)
    zeros = np.zeros(np.size(weight.scale), np.int64)
    quantization = Quantization(weight.scale, zeros, axis if weight.scale.ndim else 0)
    return emission.writer.tensor(name, data.shape, np.int8, quantization, data)


def _dynamic_weight(emission: Emission, name: str, data: Array, axis: int) -> int:
    """int8 weights of a float operator: the runtime quantizes its activations as they come."""
    others = tuple(i for i in range(data.ndim) if i != axis)
    scale = np.maximum(np.abs(data).max(axis=others), 1e-9) / 127
    shape = [1] * data.ndim
    shape[axis] = -1
    steps = np.clip(np.rint(data / scale.reshape(shape)), -127, 127)
    quantization = Quantization(scale.astype(np.float32), np.zeros(len(scale), np.int64), axis)
    return emission.writer.tensor(name, data.shape, np.int8, quantization, steps)


def _version(emission: Emission, weight: Weight, versions: dict[str, int]) -> int:
    if weight.scale is not None:
        return versions["int8"]
    return versions["dynamic" if emission.weight_dtype == "int8" else "float"]


def emit_conv_transpose(emission: Emission, node: ir.Node) -> None:
    """TRANSPOSE_CONV without padding, cut to ONNX's pads by a SLICE where there are any."""
    x = emission.activation(node, 0, CHANNELS_LAST)
    weight = emission.weight(node, WEIGHT_INPUT)
    strides = _ints(node, "strides", [1, 1])
    pads = _ints(node, "pads", [0, 0, 0, 0])
    extra = _ints(node, "output_padding", [0, 0])
    shape = shape_of(node.outputs[0])
    y, activation = emission.result(node, CHANNELS_LAST)
    full_shape = (
        *shape[:2],
        *((x.shape[2 + i] - 1) * strides[i] + weight.data.shape[2 + i] + extra[i] for i in (0, 1)),
    )
    cut = any(pads)
    full = emission.like(y, f"{node.name}.full", full_shape, CHANNELS_LAST) if cut else y
    w = weight_tensor(
        emission, f"{node.name}.weight", weight.data.transpose(1, 2, 3, 0), weight, axis=0
    )
    options = make_options(
        "TransposeConvOptions",
        padding=VALID,
        strideH=strides[0],
        strideW=strides[1],
        fusedActivationFunction=activation_code(activation),
    )
    wanted = emission.writer.integers(full.stored)
    version = 4 if activation != "NONE" else 3
    emission.op(
        "TRANSPOSE_CONV",
        [wanted, w, x, bias_of(emission, node, x, weight)],
        [full],
        options,
        version,
    )
    if cut:
        begin = emission.writer.integers([0, pads[0], pads[1], 0])
        size = emission.writer.integers(y.stored)
        emission.op("SLICE", [full, begin, size], [y], make_options("SliceOptions"))


OPERATORS = {
    "Conv": Operator(emit_conv, _refuse_conv),
    "ConvTranspose": Operator(emit_conv_transpose, _refuse_transposed),
}

__all__ = ["OPERATORS", "bias_tensor", "name_of", "pad_spatially", "weight_tensor"]
