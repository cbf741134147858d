"""Cuts that the Edge TPU lacks, from those that it has."""

from __future__ import annotations

from itertools import accumulate

import numpy as np
import onnx_ir as ir

from edgecompile.backends.edgetpu.rewrites.chain import Chain, input_params, is_quantized
from edgecompile.graph.hub import constant, shape_of
from edgecompile.graph.provenance import copy_provenance


def turn_splits_into_slices(model: ir.Model) -> None:
    """``a, b = Split(x)`` becomes ``a = Slice(x)``, ``b = Slice(x)``, in place. Exact.

    TFLite's operator for unequal parts, SPLIT_V, is not mapped; SLICE is.
    """
    graph = model.graph
    for node in list(graph):
        source = node.inputs[0] if node.inputs else None
        if node.op_type != "Split" or source is None or input_params(node) is None:
            continue
        axis = node.attributes.get_int("axis", 0) % len(shape_of(source))
        ends = list(accumulate(shape_of(value)[axis] for value in node.outputs))
        for index, old in enumerate(node.outputs):
            part = ir.node("Split", [source], name=f"{node.name}.{index}")
            start = ends[index] - shape_of(old)[axis]
            chain = Chain(graph, part)
            bounds = [chain.integers([start]), chain.integers([ends[index]])]
            cut = ir.node("Slice", [source, *bounds, chain.integers([axis])], name=part.name)
            cut.outputs[0].type, cut.outputs[0].shape = old.type, old.shape
            copy_provenance(node, cut)
            graph.insert_before(node, cut)
            ir.convenience.replace_all_uses_with(old, cut.outputs[0], replace_graph_outputs=True)
            cut.outputs[0].name, old.name = old.name, None
        graph.remove(node, safe=True)


def turn_gathers_into_slices(model: ir.Model) -> None:
    """``Gather(x, i)`` of one constant index becomes ``Slice(x, i : i + 1)``, in place. Exact.

    Where the index is a number and no list, a Squeeze then drops the axis.
    """
    for node in list(model.graph):
        params = input_params(node)
        indices = constant(node.inputs[1]) if node.op_type == "Gather" else None
        if indices is None or indices.size != 1 or params is None or not is_quantized(node):
            continue
        chain = Chain(model.graph, node)
        shape = list(shape_of(chain.source))
        axis = node.attributes.get_int("axis", 0) % len(shape)
        start = int(indices.ravel()[0]) % shape[axis]
        shape[axis] = 1
        operands = [chain.integers([value]) for value in (start, start + 1, axis)]
        cut = chain.op("Slice", [chain.source, *operands], shape)
        if indices.ndim == 0:
            cut = chain.quantized(cut, params)
            chain.op("Squeeze", [cut, chain.integers([axis])], shape_of(node.outputs[0]))
        chain.finish()


def turn_strides_into_pools(model: ir.Model) -> None:
    """``Slice(x)[::n]`` over height and width becomes ``MaxPool(Slice(x)[:])`` with a window of one
    pixel and a stride of n, in place. Exact.

    STRIDED_SLICE is mapped with strides of 1 only.
    """
    for node in list(model.graph):
        params = input_params(node)
        if node.op_type != "Slice" or params is None or not is_quantized(node):
            continue
        bounds = _bounds(node)
        if bounds is None:
            continue
        starts, ends, axes, steps = bounds
        rank = len(shape_of(_source(node)))
        axes = [axis % rank for axis in axes]
        if rank != 4 or all(step == 1 for step in steps) or min(steps) < 1:
            continue
        if any(step != 1 and axis < 2 for axis, step in zip(axes, steps, strict=True)):
            continue
        chain, shape = Chain(model.graph, node), list(shape_of(_source(node)))
        for start, end, axis in zip(starts, ends, axes, strict=True):
            low, high, _ = slice(start, end).indices(shape[axis])
            shape[axis] = high - low
        operands = [chain.integers(values) for values in (starts, ends, axes)]
        window = chain.quantized(chain.op("Slice", [chain.source, *operands], shape), params)
        strides = [1, 1]
        for axis, step in zip(axes, steps, strict=True):
            if axis >= 2:
                strides[axis - 2] = step
        attributes = {"kernel_shape": [1, 1], "strides": strides}
        chain.op("MaxPool", [window], shape_of(node.outputs[0]), attributes)
        chain.finish()


def _source(node: ir.Node) -> ir.Value:
    value = node.inputs[0]
    assert value is not None
    return value


def _bounds(node: ir.Node) -> tuple[list[int], list[int], list[int], list[int]] | None:
    """Starts, ends, axes and steps; None where one is not constant."""
    listed = []
    for index in range(1, 5):
        value = node.inputs[index] if index < len(node.inputs) else None
        array = constant(value)
        if value is not None and array is None:
            return None
        listed.append(None if array is None else [int(n) for n in np.ravel(array)])
    starts, ends, axes, steps = listed
    if starts is None or ends is None:
        return None
    return starts, ends, axes or list(range(len(starts))), steps or [1] * len(starts)
