"""Operators that move values and compute nothing."""

from __future__ import annotations

import onnx_ir as ir

from edgecompile.backends.coreml.emission import Emission
from edgecompile.backends.coreml.operators.entry import Operator
from edgecompile.graph.constants import is_static
from edgecompile.graph.hub import constant, shape_of
from edgecompile.graph.reading import integers_in, rank_of


def emit_reshape(emission: Emission, node: ir.Node) -> None:
    """Reshape, Flatten, Squeeze, Unsqueeze: all know their result's shape."""
    shape = list(shape_of(node.outputs[0]))
    emission.op(node, "reshape", x=emission.input(node, 0), shape=shape)


def emit_transpose(emission: Emission, node: ir.Node) -> None:
    """`transpose`; without a permutation ONNX turns the axes round."""
    rank = rank_of(node.inputs[0])
    perm = list(node.attributes.get_ints("perm", list(reversed(range(rank)))))
    emission.op(node, "transpose", x=emission.input(node, 0), perm=perm)


def emit_slice(emission: Emission, node: ir.Node) -> None:
    """`slice_by_index` with every axis spelled out."""
    source = node.inputs[0]
    assert source is not None
    sizes = shape_of(source)
    starts, ends = integers_in(node, 1) or [], integers_in(node, 2) or []
    axes = integers_in(node, 3) or list(range(len(starts)))
    steps = integers_in(node, 4) or [1] * len(starts)
    begin, end, stride = [0] * len(sizes), list(sizes), [1] * len(sizes)
    for start, stop, axis, step in zip(starts, ends, axes, steps, strict=True):
        place = axis % len(sizes)
        begin[place], end[place], _ = slice(start, stop, step).indices(sizes[place])
        stride[place] = step
    x = emission.variable(source)
    emission.op(node, "slice_by_index", x=x, begin=begin, end=end, stride=stride)


def _refuse_slice(node: ir.Node) -> str | None:
    if not all(is_static(value) for value in node.inputs[1:] if value is not None):
        return "starts, ends, axes and steps of Slice must be constant"
    if any(step < 0 for step in integers_in(node, 4) or ()):
        return "a negative step of Slice is not written"
    return None


def emit_split(emission: Emission, node: ir.Node) -> None:
    """`split` along one axis."""
    axis = node.attributes.get_int("axis", 0) % rank_of(node.inputs[0])
    sizes = [shape_of(output)[axis] for output in node.outputs]
    parts = emission.step(node, "split", x=emission.input(node, 0), split_sizes=sizes, axis=axis)
    for output, part in zip(node.outputs, parts, strict=True):
        emission.define(output, part)


def _refuse_split(node: ir.Node) -> str | None:
    return None if len(node.outputs) > 1 else "a Split into one part is an identity"


def emit_gather(emission: Emission, node: ir.Node) -> None:
    """`gather` with constant indices; a slice where one index takes its axis away."""
    indices, source = constant(node.inputs[1]), node.inputs[0]
    assert indices is not None and source is not None
    sizes = shape_of(source)
    axis = node.attributes.get_int("axis", 0) % len(sizes)
    wrapped = indices % sizes[axis]
    x = emission.variable(source)
    if wrapped.ndim:
        emission.op(node, "gather", x=x, indices=wrapped.astype("int32"), axis=axis)
        return
    index = int(wrapped)
    begin, end = [0] * len(sizes), list(sizes)
    begin[axis], end[axis] = index, index + 1
    one = emission.step(node, "slice_by_index", x=x, begin=begin, end=end)
    emission.op(node, "squeeze", x=one, axes=[axis])


def _refuse_gather(node: ir.Node) -> str | None:
    if not is_static(node.inputs[1]) or is_static(node.inputs[0]):
        return "Gather is written for an activation and constant indices"
    return None if rank_of(node.inputs[1]) <= 1 else "indices of more than one dimension"


def emit_concat(emission: Emission, node: ir.Node) -> None:
    """`concat` along one axis."""
    values = [emission.input(node, index) for index in range(len(node.inputs))]
    emission.op(node, "concat", values=values, axis=node.attributes.get_int("axis", 0))


def emit_pad(emission: Emission, node: ir.Node) -> None:
    """`pad` with a constant."""
    listed = integers_in(node, 1) or []
    axes = integers_in(node, 3)
    rank = rank_of(node.inputs[0])
    pads = [0] * 2 * rank
    for place, axis in enumerate(range(rank) if axes is None else axes):
        pads[2 * (axis % rank)] = listed[place]
        pads[2 * (axis % rank) + 1] = listed[place + len(listed) // 2]
    value = constant(node.inputs[2]) if len(node.inputs) > 2 else None
    emission.op(
        node,
        "pad",
        x=emission.input(node, 0),
        pad=pads,
        mode="constant",
        constant_val=emission.floats(0.0 if value is None else float(value)),
    )


def _refuse_pad(node: ir.Node) -> str | None:
    if not is_static(node.inputs[1]):
        return "the pads of Pad must be constant"
    if node.attributes.get_string("mode", "constant") != "constant":
        return "only constant padding is written"
    if any(pad < 0 for pad in integers_in(node, 1) or ()):
        return "negative pads are not written"
    value = node.inputs[2] if len(node.inputs) > 2 else None
    return None if value is None or is_static(value) else "the value of Pad must be constant"


def emit_expand(emission: Emission, node: ir.Node) -> None:
    """`tile`, behind a `reshape` where axes are added in front."""
    source = node.inputs[0]
    assert source is not None
    before, after = shape_of(source), shape_of(node.outputs[0])
    x = emission.variable(source)
    if len(before) < len(after):
        before = (1,) * (len(after) - len(before)) + before
        x = emission.step(node, "reshape", x=x, shape=list(before))
    repeats = [wanted // size for wanted, size in zip(after, before, strict=True)]
    emission.op(node, "tile", x=x, reps=repeats)


def emit_depth_to_space(emission: Emission, node: ir.Node) -> None:
    """`depth_to_space` for ONNX's order DCR, `pixel_shuffle` for CRD (torch's PixelShuffle)."""
    x, block = emission.input(node, 0), node.attributes.get_int("blocksize", 0)
    if node.attributes.get_string("mode", "DCR") == "CRD":
        emission.op(node, "pixel_shuffle", x=x, upscale_factor=block)
    else:
        emission.op(node, "depth_to_space", x=x, block_size=block)


OPERATORS = {
    "Reshape": Operator(emit_reshape),
    "Flatten": Operator(emit_reshape),
    "Squeeze": Operator(emit_reshape),
    "Unsqueeze": Operator(emit_reshape),
    "Transpose": Operator(emit_transpose),
    "Slice": Operator(emit_slice, _refuse_slice),
    "Split": Operator(emit_split, _refuse_split),
    "Gather": Operator(emit_gather, _refuse_gather),
    "Concat": Operator(emit_concat),
    "Pad": Operator(emit_pad, _refuse_pad),
    "Expand": Operator(emit_expand),
    "DepthToSpace": Operator(emit_depth_to_space),
}
