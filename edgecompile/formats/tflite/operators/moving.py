"""Operators that move values and compute nothing: their tensors share one scale."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from edgecompile.formats.tflite.emission import Emission, Tensor
from edgecompile.formats.tflite.flatbuffer import make_options
from edgecompile.formats.tflite.layout import (
    CHANNELS_LAST,
    Order,
    drop_axes,
    mergeable_order,
    plain,
    reshaped_order,
    stored_axis,
    stored_shape,
)
from edgecompile.formats.tflite.operators.elementwise import common_order
from edgecompile.formats.tflite.operators.entry import Operator
from edgecompile.graph.constants import is_static
from edgecompile.graph.hub import Array, constant, name_of, shape_of
from edgecompile.graph.qdq import WEIGHTED
from edgecompile.graph.reading import rank_of


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
    if x.order == CHANNELS_LAST and is_flat and _feeds_only_products(node):
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


def _feeds_only_products(node: ir.Node) -> bool:
    """Do only Gemm and MatMul with constant weights read the result?"""
    consumers = _readers(node.outputs[0])
    return bool(consumers) and all(
        reader.op_type in WEIGHTED
        and reader.op_type in {"Gemm", "MatMul"}
        and is_static(reader.inputs[1])
        and _origin(reader.inputs[0]) is node
        for reader in consumers
    )


def _readers(value: ir.Value) -> list[ir.Node]:
    """The operators that read a tensor, directly or through its QDQ pair."""
    if value.is_graph_output():
        return []
    found = []
    for use in value.uses():
        if use.node.op_type in {"QuantizeLinear", "DequantizeLinear"}:
            behind = _readers(use.node.outputs[0])
            if not behind:
                return []
            found += behind
        else:
            found.append(use.node)
    return found


def _origin(value: ir.Value | None) -> ir.Node | None:
    node = value.producer() if value is not None else None
    while node is not None and node.op_type in {"QuantizeLinear", "DequantizeLinear"}:
        source = node.inputs[0]
        node = source.producer() if source is not None else None
    return node


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
    starts, ends, axes, steps = _slice_operands(node, len(x.shape))
    begin, end, stride = [0] * len(x.shape), list(x.shape), [1] * len(x.shape)
    for start, stop, axis, step in zip(starts, ends, axes, steps, strict=True):
        begin[axis], end[axis], _ = slice(start, stop, step).indices(x.shape[axis])
        stride[axis] = step
    result = emission.result(node, x.order)
    stored = [[values[axis] for axis in x.order] for values in (begin, end, stride)]
    integers = emission.writer.integers
    if all(step == 1 for step in stride):
        begin_size = integers(stored[0]), integers(result.stored)
        emission.op("SLICE", [x, *begin_size], [result], make_options("SliceOptions"))
    else:
        bounds = [integers(values) for values in stored]
        emission.op("STRIDED_SLICE", [x, *bounds], [result], make_options("StridedSliceOptions"))


def _slice_operands(node: ir.Node, rank: int) -> tuple[list[int], list[int], list[int], list[int]]:
    def listed(index: int) -> list[int] | None:
        value = node.inputs[index] if len(node.inputs) > index else None
        array = constant(value)
        return None if array is None else [int(v) for v in np.ravel(array)]

    starts, ends = listed(1) or [], listed(2) or []
    axes = listed(3) or list(range(len(starts)))
    return starts, ends, [axis % rank for axis in axes], listed(4) or [1] * len(starts)


def _refuse_slice(node: ir.Node) -> str | None:
    if not all(is_static(value) for value in node.inputs[1:] if value is not None):
        return "starts, ends, axes and steps of Slice must be constant"
    steps = constant(node.inputs[4]) if len(node.inputs) > 4 else None
    if steps is not None and np.any(steps < 0):
        return "a negative step of Slice is not written"
    return None


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


def _refuse_gather(node: ir.Node) -> str | None:
    if not is_static(node.inputs[1]) or is_static(node.inputs[0]):
        return "Gather is written for an activation and constant indices"
    return None if rank_of(node.inputs[1]) <= 1 else "indices of more than one dimension"


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
    pads = _pads(node, len(x.shape))
    result = emission.result(node, x.order)
    stored = emission.writer.integers([pads[axis] for axis in x.order])
    emission.op("PAD", [x, stored], [result], make_options("PadOptions"))


def _pads(node: ir.Node, rank: int) -> Array:
    """Pads before and after each axis, (rank, 2)."""
    listed, axes = constant(node.inputs[1]), None
    if len(node.inputs) > 3:
        axes = constant(node.inputs[3])
    assert listed is not None
    pads = np.zeros((rank, 2), np.int64)
    pads[range(rank) if axes is None else axes % rank] = listed.reshape(2, -1).T
    return pads


def _refuse_pad(node: ir.Node) -> str | None:
    if not is_static(node.inputs[1]):
        return "the pads of Pad must be constant"
    if node.attributes.get_string("mode", "constant") != "constant":
        return "only constant padding is written"
    listed = constant(node.inputs[1])
    if listed is not None and np.any(listed < 0):
        return "negative pads are not written"
    value = constant(node.inputs[2]) if len(node.inputs) > 2 else None
    return None if value is None or float(value) == 0.0 else "padding with another value than 0"


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
    "Slice": Operator(emit_slice, _refuse_slice, wide=True),
    "Split": Operator(emit_split),
    "Gather": Operator(emit_gather, _refuse_gather),
    "Concat": Operator(emit_concat, wide=True),
    "Pad": Operator(emit_pad, _refuse_pad, wide=True),
    "Expand": Operator(emit_expand),
    "DepthToSpace": Operator(emit_depth_to_space),
}
