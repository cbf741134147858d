"""Conv and ConvTranspose."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx_ir as ir

from edgecompile.backends.riscv.generator.emission import Emission
from edgecompile.backends.riscv.generator.movement import fill, place
from edgecompile.backends.riscv.generator.operators.entry import Operator
from edgecompile.backends.riscv.generator.products import Product, Window, emit_product
from edgecompile.backends.riscv.generator.requantization import sums_of
from edgecompile.backends.riscv.generator.storage import Tensor
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

_LINE = (0, 2, 1)
"""Channels last of a convolution over one dimension: an image of one row."""


def _window(node: ir.Node, kernel: tuple[int, ...]) -> Window:
    """A node's attributes; one dimension counts as two of which the first has size 1."""
    count = len(kernel)
    strides = integers_of(node, "strides", [1] * count)
    dilations = integers_of(node, "dilations", [1] * count)
    pads = integers_of(node, "pads", [0] * 2 * count)
    if count == 1:
        kernel, strides, dilations = (1, *kernel), [1, *strides], [1, *dilations]
        pads = [0, pads[0], 0, pads[1]]
    return Window(
        (kernel[0], kernel[1]),
        (strides[0], strides[1]),
        (dilations[0], dilations[1]),
        (pads[0], pads[1], pads[2], pads[3]),
    )


def _image(emission: Emission, node: ir.Node) -> Tensor:
    if rank_of(node.inputs[0]) == 4:
        return emission.activation(node, 0, CHANNELS_LAST)
    line = emission.activation(node, 0, _LINE)
    n, c, length = line.shape
    return replace(line, shape=(n, c, 1, length), order=CHANNELS_LAST)


def _bias(emission: Emission, node: ir.Node, outputs: int) -> Array:
    if len(node.inputs) > 2 and node.inputs[2] is not None:
        return emission.real_constant(node, 2).reshape(-1)
    return np.zeros(outputs, np.float32)


def emit_conv(emission: Emission, node: ir.Node) -> None:
    """A window over an image; one dimension is an image of one row."""
    x, weight = _image(emission, node), emission.weight(node, WEIGHT_INPUT)
    window = _window(node, weight.data.shape[2:])
    data = weight.data if weight.data.ndim == 4 else weight.data[:, :, None, :]
    shape = shape_of(node.outputs[0])
    image_shape = shape if len(shape) == 4 else (*shape[:2], 1, shape[2])
    result = emission.clamped_result(node, CHANNELS_LAST, image_shape)
    bias = _bias(emission, node, shape[1])
    sums = sums_of(x.params, result.tensor.params, replace(weight, data=data), bias)
    group = node.attributes.get_int("group", 1)
    product = Product(node.name or "conv", data, sums, window, group)
    emit_product(emission, x, result, product)
    y = result.tensor
    if len(shape) == 3:
        y = replace(y, shape=shape, order=_LINE)
    emission.publish_clamped(node, y)


def emit_conv_transpose(emission: Emission, node: ir.Node) -> None:
    """A convolution of an image whose pixels stand `strides` apart, with the kernel turned round.

    ONNX's pads cut the result; a window that is `kernel - 1 - pad` beyond the image on each side
    makes no more than is left. What an output_padding adds lies at the end.
    """
    x, weight = _image(emission, node), emission.weight(node, WEIGHT_INPUT)
    strides = integers_of(node, "strides", [1, 1])
    pads = integers_of(node, "pads", [0, 0, 0, 0])
    result = emission.clamped_result(node, CHANNELS_LAST)
    y, kernel = result.tensor, weight.data.shape[2:]
    spread, start = list(x.shape), [0, 0, 0, 0]
    window_pads = [0, 0, 0, 0]
    for i in (0, 1):
        before = kernel[i] - 1 - pads[i]
        # Rows that the result cuts off beyond the window's own reach are never made.
        span = (x.shape[2 + i] - 1) * strides[i] + 1
        after = y.shape[2 + i] + kernel[i] - 1 - before - span
        start[2 + i] = max(before, 0)
        spread[2 + i] = span + max(before, 0) + max(after, 0)
        window_pads[i], window_pads[i + 2] = min(before, 0), min(after, 0)
    apart = emission.new(f"{node.name}.apart", spread, CHANNELS_LAST, x.params)
    fill(emission, apart)
    place(emission, x, apart, start, [1, 1, *strides])
    if any(window_pads):
        apart = _cut(emission, node, apart, window_pads)
    data = weight.data.transpose(1, 0, 2, 3)[:, :, ::-1, ::-1]
    turned = Weight(np.ascontiguousarray(data), weight.scale, 0)
    bias = _bias(emission, node, y.shape[1])
    sums = sums_of(x.params, y.params, turned, bias)
    window = Window((kernel[0], kernel[1]), (1, 1), (1, 1), (0, 0, 0, 0))
    product = Product(node.name or "conv", turned.data, sums, window)
    emit_product(emission, apart, result, product)
    emission.publish_clamped(node, y)


def _cut(emission: Emission, node: ir.Node, image: Tensor, pads: list[int]) -> Tensor:
    """An image without the rows and columns that negative pads take away."""
    from edgecompile.backends.riscv.generator.movement import take

    shape = [
        *image.shape[:2],
        image.shape[2] + pads[0] + pads[2],
        image.shape[3] + pads[1] + pads[3],
    ]
    cut = emission.new(f"{node.name}.cut", shape, image.order, image.params)
    take(emission, image, cut, [0, 0, -pads[0], -pads[1]])
    return cut


def _refuse_transposed(node: ir.Node) -> str | None:
    if rank_of(node.inputs[0]) != 4 or not is_static(node.inputs[WEIGHT_INPUT]):
        return "only transposed convolutions over two dimensions with constant weights are written"
    if node.attributes.get_int("group", 1) != 1:
        return "transposed convolutions with groups are not written"
    if any(d != 1 for d in integers_of(node, "dilations", [1, 1])):
        return "transposed convolutions with dilation are not written"
    if "output_shape" in node.attributes:
        return "output_shape of ConvTranspose is not written: give pads, as torch exports them"
    return AUTO_PAD if auto_pads(node) else refuse_bias(node)


OPERATORS = {
    "Conv": Operator(emit_conv, refuse_conv),
    "ConvTranspose": Operator(emit_conv_transpose, _refuse_transposed),
}
