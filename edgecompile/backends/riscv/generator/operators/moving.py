"""Operators that move values and compute nothing: their tensors share one scale."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx_ir as ir

from edgecompile.backends.riscv.generator.emission import Emission, with_leading_axes
from edgecompile.backends.riscv.generator.movement import (
    fill,
    move,
    part_in_place,
    place,
    strides_of,
    take,
)
from edgecompile.backends.riscv.generator.operators.elementwise import common_order
from edgecompile.backends.riscv.generator.operators.entry import Operator
from edgecompile.backends.riscv.generator.storage import Tensor
from edgecompile.graph.hub import constant, shape_of
from edgecompile.graph.layout import (
    CHANNELS_LAST,
    drop_axes,
    mergeable_order,
    plain,
    reshaped_order,
)
from edgecompile.graph.reading import (
    feeds_only_products,
    pads_of,
    refuse_gather,
    refuse_pad,
    refuse_slice,
    slice_bounds,
)


def emit_reshape(emission: Emission, node: ir.Node) -> None:
    """Reshape, Flatten, Squeeze, Unsqueeze: the same memory, moved only if it must be.

    An image that is flattened for matrix products stays as it lies: their weights are permuted.
    """
    x = emission.activation(node, 0)
    shape = shape_of(node.outputs[0])
    order = reshaped_order(x.shape, shape, x.order)
    if order is None:
        is_flat = len(shape) == 2 and shape[0] == x.shape[0]
        if x.order == CHANNELS_LAST and is_flat and feeds_only_products(node):
            image = (x.shape[1], x.shape[2], x.shape[3])
            flat = replace(x, shape=shape, order=plain(2), flattened=image)
            emission.publish(node, flat)
            return
        # An image that becomes another one stays near its order; the rest is read in the hub's.
        wanted = plain(len(x.shape))
        if len(shape) >= 4:
            wanted = mergeable_order(x.shape, shape, x.order)
        x = emission.in_order(x, wanted)
        order = reshaped_order(x.shape, shape, x.order)
        assert order is not None
    emission.publish(node, replace(x, shape=shape, order=order))


def emit_transpose(emission: Emission, node: ir.Node) -> None:
    """Nothing is moved: the result is the same memory, whose axes have other names."""
    x = emission.activation(node, 0)
    perm = list(node.attributes.get_ints("perm", list(reversed(range(len(x.shape))))))
    order = tuple(perm.index(axis) for axis in x.order)
    emission.publish(node, replace(x, shape=tuple(x.shape[axis] for axis in perm), order=order))


def _publish_part(
    emission: Emission,
    node: ir.Node,
    x: Tensor,
    start: list[int],
    shape: tuple[int, ...],
    output: int = 0,
) -> None:
    """A part whose numbers lie together is read where it is."""
    view = part_in_place(x, start, shape)
    if view is None:
        result = emission.result(node, x.order, output)
        take(emission, x, result, start)
    else:
        emission.publish(node, view, output)


def emit_slice(emission: Emission, node: ir.Node) -> None:
    """A part of a tensor."""
    x = emission.activation(node, 0)
    begin, _, stride = slice_bounds(node)
    if all(step == 1 for step in stride):
        _publish_part(emission, node, x, begin, shape_of(node.outputs[0]))
        return
    take(emission, x, emission.result(node, x.order), begin, stride)


def emit_split(emission: Emission, node: ir.Node) -> None:
    """Parts along one axis."""
    x = emission.activation(node, 0)
    axis = node.attributes.get_int("axis", 0) % len(x.shape)
    start = [0] * len(x.shape)
    for index, output in enumerate(node.outputs):
        shape = shape_of(output)
        if output.uses() or output.is_graph_output():
            _publish_part(emission, node, x, list(start), shape, index)
        start[axis] += shape[axis]


def emit_gather(emission: Emission, node: ir.Node) -> None:
    """Constant indices along one axis, in runs of equal steps."""
    indices = constant(node.inputs[1])
    assert indices is not None
    x = emission.activation(node, 0)
    axis = node.attributes.get_int("axis", 0) % len(x.shape)
    wrapped = [int(i) for i in np.ravel(np.where(indices < 0, indices + x.shape[axis], indices))]
    start = [0] * len(x.shape)
    if indices.ndim == 0:
        start[axis] = wrapped[0]
        one = tuple(1 if a == axis else n for a, n in enumerate(x.shape))
        shape, order = shape_of(node.outputs[0]), drop_axes(x.order, [axis])
        view = part_in_place(x, start, one)
        if view is not None:
            emission.publish(node, replace(view, shape=shape, order=order))
            return
        result = emission.result(node, order)
        take(emission, x, replace(result, shape=one, order=x.order), start)
        return
    result = emission.result(node, x.order)
    at = x.order.index(axis)
    from_step, to_step = strides_of(x.stored)[at], strides_of(result.stored)[at]
    done = 0
    for first, step, count in _progressions(wrapped):
        sizes, source, to = list(x.stored), strides_of(x.stored), strides_of(result.stored)
        sizes[at], source[at] = count, step * from_step
        offsets = first * from_step, done * to_step
        move(emission, x, result, sizes, source, to, *offsets)
        done += count


def _progressions(values: list[int]) -> list[tuple[int, int, int]]:
    """First value, step and length of the fewest runs of equal steps, found greedily."""
    runs: list[tuple[int, int, int]] = []
    for value in values:
        if runs:
            first, step, count = runs[-1]
            if count == 1:
                runs[-1] = (first, value - first, 2)
                continue
            if value == first + step * count:
                runs[-1] = (first, step, count + 1)
                continue
        runs.append((value, 0, 1))
    return runs


def emit_concat(emission: Emission, node: ir.Node) -> None:
    """Each part at its place, in the order of the first activation."""
    shape = shape_of(node.outputs[0])
    order = common_order(emission, node, len(shape))
    parts = [emission.operand(node, index, order, len(shape)) for index in range(len(node.inputs))]
    result = emission.result(node, order)
    axis = node.attributes.get_int("axis", 0) % len(shape)
    start = [0] * len(shape)
    for part in parts:
        place(emission, part, result, start)
        start[axis] += part.shape[axis]


def emit_pad(emission: Emission, node: ir.Node) -> None:
    """Zeros around a tensor: for integers, the zero point."""
    x = emission.activation(node, 0)
    result = emission.result(node, x.order)
    fill(emission, result)
    place(emission, x, result, [int(before) for before, _ in pads_of(node)])


def emit_expand(emission: Emission, node: ir.Node) -> None:
    """Axes of size 1 are repeated."""
    shape = shape_of(node.outputs[0])
    x = with_leading_axes(emission.activation(node, 0), len(shape))
    result = emission.result(node, x.order)
    source = [0 if n == 1 else s for n, s in zip(x.stored, strides_of(x.stored), strict=True)]
    move(emission, x, result, result.stored, source, strides_of(result.stored))


def emit_depth_to_space(emission: Emission, node: ir.Node) -> None:
    """Channels become blocks of pixels: in ONNX's order DCR, or CRD as torch's PixelShuffle."""
    x = emission.activation(node, 0, CHANNELS_LAST)
    result = emission.result(node, CHANNELS_LAST)
    block = node.attributes.get_int("blocksize", 0)
    _, c, height, width = x.shape
    depth = c // block**2
    column_first = node.attributes.get_string("mode", "DCR") == "CRD"
    down, right, deep = (block, 1, block**2) if column_first else (block * depth, depth, 1)
    row = width * block * depth
    move(
        emission,
        x,
        result,
        [height, block, width, block, depth],
        [width * c, down, c, right, deep],
        [block * row, row, block * depth, depth, 1],
    )


OPERATORS = {
    "Reshape": Operator(emit_reshape, wide=True),
    "Flatten": Operator(emit_reshape, wide=True),
    "Squeeze": Operator(emit_reshape, wide=True),
    "Unsqueeze": Operator(emit_reshape, wide=True),
    "Identity": Operator(emit_reshape, wide=True),
    "Transpose": Operator(emit_transpose, wide=True),
    "Slice": Operator(emit_slice, refuse_slice, wide=True),
    "Split": Operator(emit_split, wide=True),
    "Gather": Operator(emit_gather, refuse_gather, wide=True),
    "Concat": Operator(emit_concat, wide=True),
    "Pad": Operator(emit_pad, refuse_pad, wide=True),
    "Expand": Operator(emit_expand, wide=True),
    "DepthToSpace": Operator(emit_depth_to_space, wide=True),
}
