"""Weights that take few different values: a table, and for each weight a number of few bits."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from edgecompile.graph.constants import static_value
from edgecompile.graph.hub import (
    Array,
    add_constant,
    constant,
    remove_unused_constants,
)
from edgecompile.graph.provenance import copy_provenance
from edgecompile.graph.qdq import WEIGHT_INPUT, weight_axis
from edgecompile.graph.rewrite import replace_node

_HALF_MAX = float(np.finfo(np.float16).max)
_MOST_ROUNDS = 300
_BIAS_INPUT = 2


def palettize_weights(hub: ir.Model, bits: int, *, per_channel: bool) -> ir.Model:
    """A copy of a float hub whose weights have at most 2^bits values each, chosen by k-means.

    ``W -> Conv`` becomes ``Gather(table, indices uint8 -> Cast int32) -> Conv``. The table's values
    are such as float16 can say: the devices that look weights up compute in it. A weight that would
    not become smaller than in float16 stays as it is.

    With `per_channel`, ``Conv(x, W, b)`` becomes ``Conv(x, W') * scale + b``: in W' every output
    channel is as large as the largest, so that one table suits them all. (A folded BatchNorm
    leaves channels of very different sizes.) Core ML has no scale behind a table before iOS 26.
    """
    result = ir.from_proto(ir.to_proto(hub))
    graph = result.graph
    for node in list(graph):
        axis = weight_axis(node)
        array = None if axis is None else constant(node.inputs[WEIGHT_INPUT])
        if axis is None or array is None or not _is_worth_it(array, bits):
            continue
        if per_channel and _has_own_channels(node):
            scale = _channel_scale(array, axis)
            real = _look_up(graph, node, array / scale, bits)
            replace_node(graph, node, _scaled_behind(graph, node, real, scale.ravel()))
        else:
            node.replace_input_with(WEIGHT_INPUT, _look_up(graph, node, array, bits))
    remove_unused_constants(graph)
    return result


def _is_worth_it(weight: Array, bits: int) -> bool:
    fits = float(np.abs(weight).max(initial=0)) <= _HALF_MAX
    return fits and weight.size * bits / 8 + 2 * 2**bits < 2 * weight.size


def _has_own_channels(node: ir.Node) -> bool:
    """Is each slice of the weight one output channel?"""
    return node.op_type != "ConvTranspose" or node.attributes.get_int("group", 1) == 1


def _channel_scale(weight: Array, axis: int) -> Array:
    """What makes each channel as large as the largest, at most 1; 1 for one that is all 0."""
    others = tuple(place for place in range(weight.ndim) if place != axis)
    largest = np.abs(weight).max(axis=others, keepdims=True)
    scale: Array = (largest / largest.max()).astype(np.float16).astype(np.float32)
    return np.where(scale > 0, scale, np.float32(1))


def _look_up(graph: ir.Graph, node: ir.Node, weight: Array, bits: int) -> ir.Value:
    """The nodes that stand for a palettized weight, before `node`."""
    table, indices = nearest_values(weight, bits)
    name = f"{node.name}.weight"
    stored = add_constant(graph, f"{name}.indices", indices)
    cast = ir.node("Cast", [stored], {"to": int(ir.DataType.INT32)}, name=f"{name}.widen")
    wide = cast.outputs[0]
    wide.name, wide.type = f"{name}.index", ir.TensorType(ir.DataType.INT32)
    values = add_constant(graph, f"{name}.table", table)
    gather = ir.node("Gather", [values, wide], name=f"{name}.look_up")
    real = gather.outputs[0]
    real.name, real.type = f"{name}.palettized", ir.TensorType(ir.DataType.FLOAT)
    wide.shape = real.shape = ir.Shape(weight.shape)
    graph.insert_before(node, [cast, gather])
    for one in (cast, gather):
        copy_provenance(node, one)
    return real


def _scaled_behind(graph: ir.Graph, node: ir.Node, weight: ir.Value, scale: Array) -> list[ir.Node]:
    """``node(x, weight) * scale + bias`` in place of ``node(x, weight * scale, bias)``."""
    output, bias = node.outputs[0], None
    if len(node.inputs) > _BIAS_INPUT:
        bias = static_value(node.inputs[_BIAS_INPUT])
    is_image = node.op_type in {"Conv", "ConvTranspose"}
    spatial = len(weight.shape or ()) - 2 if is_image else 0
    shape = (-1, *[1] * spatial)
    attributes = list(node.attributes.values())
    made = [ir.Node("", node.op_type, [node.inputs[0], weight], attributes, name=node.name)]
    steps = [("Mul", "scale", scale)] + ([] if bias is None else [("Add", "bias", bias)])
    for kind, what, values in steps:
        factor = add_constant(graph, f"{node.name}.{what}", values.reshape(shape))
        before = made[-1].outputs[0]
        before.name, before.type = f"{node.name}.before_{what}", output.type
        before.shape = output.shape
        made.append(ir.node(kind, [before, factor], name=f"{node.name}.{what}"))
    return made


def nearest_values(weight: Array, bits: int) -> tuple[Array, Array]:
    """2^bits values (float32, ascending) and for each weight the number of its nearest (uint8).

    k-means by Lloyd's rounds. In one dimension a cluster is a piece of the sorted weights: its mean
    comes from running sums, always in the same order. (scikit-learn's sums depend on the number of
    threads, and the same weights must give the same bytes.)
    """
    count = 2**bits
    ordered = np.sort(weight.astype(np.float64), axis=None)
    sums = np.concatenate([[0.0], np.cumsum(ordered)])
    centres = _first_centres(ordered, count)
    for _ in range(_MOST_ROUNDS):
        borders = _borders(ordered, centres)
        sizes = np.diff(borders)
        means = np.diff(sums[borders]) / np.maximum(sizes, 1)
        moved = np.sort(np.where(sizes > 0, means, centres))
        if np.array_equal(moved, centres):
            break
        centres = moved
    table = np.sort(centres.astype(np.float16).astype(np.float32))
    between = (table[1:].astype(np.float64) + table[:-1]) / 2
    indices = np.searchsorted(between, weight.astype(np.float64), side="right")
    return table, indices.astype(np.uint8)


def _first_centres(ordered: Array, count: int) -> Array:
    """As dense as the cube root of the weights' own density, which is best for many values (Panter
    and Dite, Proc. IRE 39(1), 1951): of a step to the next weight, two thirds as a power count."""
    lengths = np.cumsum(np.diff(ordered, prepend=ordered[:1]) ** (2 / 3))
    wanted = (np.arange(count) + 0.5) / count * lengths[-1]
    centres: Array = np.interp(wanted, lengths, ordered)
    return centres


def _borders(ordered: Array, centres: Array) -> Array:
    """Where in the sorted weights each centre's piece begins, and the end of the last."""
    inner = np.searchsorted(ordered, (centres[1:] + centres[:-1]) / 2, side="right")
    return np.concatenate([[0], inner, [len(ordered)]])
