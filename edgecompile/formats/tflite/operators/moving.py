"""Operators that move values and compute nothing: their tensors share one scale."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from edgecompile.formats.tflite.emission import Emission, Tensor
from edgecompile.formats.tflite.flatbuffer import make_options
from edgecompile.formats.tflite.operators.elementwise import common_order
from edgecompile.formats.tflite.operators.entry import Operator
from edgecompile.graph.hub import constant, name_of, shape_of
from edgecompile.graph.layout import (
    CHANNELS_LAST,
    Order,
    drop_axes,
    mergeable_order,
    plain,
    reshaped_order,
    stored_axis,
    stored_shape,
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
    """Reshape, Flatten, Squeeze, Unsqueeze: a RESHAPE, and a TRANSPOSE only if bytes must move.

    An image that is flattened for matrix products stays as it lies: their weights are permuted.
    """
    x = emission.activation(node, 0)
    shape = shape_of(node.outputs[0])
    order = reshaped_order(x.shape, shape, x.order)
    if order is not None:
        emission.publish(node, emission.reshape(x, shape, order))
        return
    is_flat = len(shape) == 2 and shape[0] == x.shape[0]
    if x.order == CHANNELS_LAST and is_flat and feeds_only_products(node):
        flat = emission.reshape(x, shape, plain(2))
        image = (x.shape[1], x.shape[2], x.shape[3])
        emission.publish(node, Tensor(flat.index, flat.shape, flat.order, flat.params, image))
        return
    # An image that becomes another one stays near its order; the rest is read in the hub's.
    order = plain(len(x.shape))
    if len(shape) >= 4:
        order = mergeable_order(x.shape, shape, x.order)
    x = emission.in_order(x, order)
    order = reshaped_order(x.shape, shape, x.order)
    assert order is not None
    emission.publish(node, emission.reshape(x, shape, order))


def emit_transpose(emission: Emission, node: ir.Node) -> None:
    """Nothing is written: the result is the same tensor, whose axes have other names."""
    x = emission.activation(node, 0)
    perm = list(node.attributes.get_ints("perm", list(reversed(range(len(x.shape))))))
    order = tuple(perm.index(axis) for axis in x.order)
    shape = tuple(x.shape[axis] for axis in perm)
    emission.publish(node, Tensor(x.index, shape, order, x.params))


def emit_slice(emission: Emission, node: ir.Node) -> None:
    """SLICE, or STRIDED_SLICE where a step is not 1."""
    x = emission.activation(node, 0)
    begin, end, stride = slice_bounds(node)
    result = emission.result(node, x.order)
    stored = [[values[axis] for axis in x.order] for values in (begin, end, stride)]
    integers = emission.writer.integers
    if all(step == 1 for step in stride):
        begin_size = integers(stored[0]), integers(result.stored)
        emission.op("SLICE", [x, *begin_size], [result], make_options("SliceOptions"))
    else:
        bounds = [integers(values) for values in stored]
        emission.op("STRIDED_SLICE", [x, *bounds], [result], make_options("StridedSliceOptions"))


def emit_split(emission: Emission, node: ir.Node) -> None:
    """SPLIT_V along one axis."""
    x = emission.activation(node, 0)
    axis = node.attributes.get_int("axis", 0) % len(x.shape)
    results = [
        emission.result(node, x.order, index)
        if output.uses() or output.is_graph_output()
        # Nothing tells the type of a part that nobody reads.
        else emission.like(x, name_of(output), shape_of(output), x.order)
        for index, output in enumerate(node.outputs)
    ]
    sizes = emission.writer.integers([result.shape[axis] for result in results])
    where = emission.writer.integers(stored_axis(axis, x.order))
    options = make_options("SplitVOptions", numSplits=len(results))
    emission.op("SPLIT_V", [x, sizes, where], results, options)


def emit_gather(emission: Emission, node: ir.Node) -> None:
    """GATHER with constant indices along one axis."""
    indices = constant(node.inputs[1])
    assert indices is not None
    x = emission.activation(node, 0)
    axis = node.attributes.get_int("axis", 0) % len(x.shape)
    order: Order = drop_axes(x.order, [axis]) if indices.ndim == 0 else x.order
    result = emission.result(node, order)
    wrapped = np.where(indices < 0, indices + x.shape[axis], indices)
    options = make_options("GatherOptions", axis=stored_axis(axis, x.order), batchDims=0)
    emission.op("GATHER", [x, emission.writer.integers(wrapped)], [result], options)


def emit_concat(emission: Emission, node: ir.Node) -> None:
    """CONCATENATION in the order of the first activation."""
    rank = len(shape_of(node.outputs[0]))
    order = common_order(emission, node, rank)
    parts = [emission.operand(node, index, order, rank) for index in range(len(node.inputs))]
    result = emission.result(node, order)
    axis = stored_axis(node.attributes.get_int("axis", 0), order)
    emission.op("CONCATENATION", parts, [result], make_options("ConcatenationOptions", axis=axis))


def emit_pad(emission: Emission, node: ir.Node) -> None:
    """PAD with zeros: for integers, with the zero point."""
    x = emission.activation(node, 0)
    pads = pads_of(node)
    result = emission.result(node, x.order)
    stored = emission.writer.integers([pads[axis] for axis in x.order])
    emission.op("PAD", [x, stored], [result], make_options("PadOptions"))


def emit_expand(emission: Emission, node: ir.Node) -> None:
    """BROADCAST_TO is missing from many delegates: TILE says the same."""
    x = emission.activation(node, 0)
    shape = shape_of(node.outputs[0])
    missing = len(shape) - len(x.shape)
    if missing:
        order = (*range(missing), *(axis + missing for axis in x.order))
        x = emission.reshape(x, (1,) * missing + x.shape, order)
    result = emission.result(node, x.order)
    repeats = [wanted // size for wanted, size in zip(shape, x.shape, strict=True)]
    multiples = emission.writer.integers(stored_shape(repeats, x.order))
    emission.op("TILE", [x, multiples], [result], make_options("TileOptions"))


def emit_depth_to_space(emission: Emission, node: ir.Node) -> None:
    """DEPTH_TO_SPACE: TFLite's order of channels is ONNX's DCR; for CRD (torch's PixelShuffle)
    the channels are put into that order by a GATHER."""
    x = emission.activation(node, 0, CHANNELS_LAST)
    result = emission.result(node, CHANNELS_LAST)
    block = node.attributes.get_int("blocksize", 0)
    if node.attributes.get_string("mode", "DCR") == "CRD" and result.shape[1] > 1:
        channels = np.arange(x.shape[1]).reshape(result.shape[1], block**2).T.ravel()
        ordered = emission.like(x, f"{node.name}.ordered", x.shape, CHANNELS_LAST)
        gather = make_options("GatherOptions", axis=3, batchDims=0)
        emission.op("GATHER", [x, emission.writer.integers(channels)], [ordered], gather)
        x = ordered
    options = make_options("DepthToSpaceOptions", blockSize=block)
    emission.op("DEPTH_TO_SPACE", [x], [result], options)


OPERATORS = {
    "Reshape": Operator(emit_reshape, wide=True),
    "Flatten": Operator(emit_reshape, wide=True),
    "Squeeze": Operator(emit_reshape, wide=True),
    "Unsqueeze": Operator(emit_reshape, wide=True),
    "Identity": Operator(emit_reshape, wide=True),
    "Transpose": Operator(emit_transpose, wide=True),
    "Slice": Operator(emit_slice, refuse_slice, wide=True),
    "Split": Operator(emit_split),
    "Gather": Operator(emit_gather, refuse_gather),
    "Concat": Operator(emit_concat, wide=True),
    "Pad": Operator(emit_pad, refuse_pad, wide=True),
    "Expand": Operator(emit_expand),
    "DepthToSpace": Operator(emit_depth_to_space),
}
