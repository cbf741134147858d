"""Pools over windows and reductions over axes."""

from __future__ import annotations

from collections.abc import Callable

import onnx_ir as ir

from edgecompile.backends.coreml.emission import Emission
from edgecompile.backends.coreml.operators.entry import (
    AUTO_PAD,
    Operator,
    auto_pads,
    integers_in,
    integers_of,
    paired,
    rank_of,
)
from edgecompile.graph.constants import is_static
from edgecompile.graph.hub import shape_of


def _pool(kind: str) -> Callable[[Emission, ir.Node], None]:
    def emit(emission: Emission, node: ir.Node) -> None:
        kernel = integers_of(node, "kernel_shape", [])
        counts = bool(node.attributes.get_int("count_include_pad", 0))
        more = {"exclude_padding_from_average": not counts} if kind == "avg_pool" else {}
        emission.op(
            node,
            kind,
            x=emission.input(node, 0),
            kernel_sizes=kernel,
            strides=integers_of(node, "strides", [1] * len(kernel)),
            pad_type="custom",
            pad=paired(integers_of(node, "pads", [0] * 2 * len(kernel))),
            **more,
        )

    return emit


def _refuse_pool(node: ir.Node) -> str | None:
    if rank_of(node.inputs[0]) not in {3, 4}:
        return "only pools over one or two dimensions are written"
    if auto_pads(node):
        return AUTO_PAD
    kernel = integers_of(node, "kernel_shape", [])
    if node.attributes.get_int("ceil_mode", 0) and _rounds_up(node):
        return "ceil_mode is not written where it adds a window"
    if any(d != 1 for d in integers_of(node, "dilations", [1] * len(kernel))):
        return "MIL's pools have no dilation"
    if len(node.outputs) > 1 and node.outputs[1].uses():
        return "the indices of MaxPool are not written"
    return None


def _rounds_up(node: ir.Node) -> bool:
    """Does ceil_mode matter for this input's size?"""
    source = node.inputs[0]
    assert source is not None
    sizes, kernel = shape_of(source)[2:], integers_of(node, "kernel_shape", [])
    count = len(sizes)
    strides = integers_of(node, "strides", [1] * count)
    pads = integers_of(node, "pads", [0] * 2 * count)
    return any(
        (sizes[i] + pads[i] + pads[i + count] - kernel[i]) % strides[i] for i in range(count)
    )


def _reduction(
    kind: str, axes_of: Callable[[ir.Node], list[int]]
) -> Callable[[Emission, ir.Node], None]:
    def emit(emission: Emission, node: ir.Node) -> None:
        keeps = bool(node.attributes.get_int("keepdims", 1))
        x = emission.input(node, 0)
        axes = axes_of(node)
        if axes:
            emission.op(node, kind, x=x, axes=axes, keep_dims=keeps)
        else:
            emission.op(node, "identity", x=x)

    return emit


def _reduced_axes(node: ir.Node) -> list[int]:
    listed = integers_in(node, 1) or integers_of(node, "axes", [])
    reduces_all = not listed and not node.attributes.get_int("noop_with_empty_axes", 0)
    return list(range(rank_of(node.inputs[0]))) if reduces_all else listed


def _spatial_axes(node: ir.Node) -> list[int]:
    return list(range(2, rank_of(node.inputs[0])))


def _refuse_reduction(node: ir.Node) -> str | None:
    if len(node.inputs) > 1 and node.inputs[1] is not None and not is_static(node.inputs[1]):
        return "the axes of a reduction must be constant"
    return None


OPERATORS = {
    "MaxPool": Operator(_pool("max_pool"), _refuse_pool),
    "AveragePool": Operator(_pool("avg_pool"), _refuse_pool),
    "GlobalAveragePool": Operator(_reduction("reduce_mean", _spatial_axes)),
    "GlobalMaxPool": Operator(_reduction("reduce_max", _spatial_axes)),
    "ReduceMean": Operator(_reduction("reduce_mean", _reduced_axes), _refuse_reduction),
    "ReduceMax": Operator(_reduction("reduce_max", _reduced_axes), _refuse_reduction),
    "ReduceMin": Operator(_reduction("reduce_min", _reduced_axes), _refuse_reduction),
    "ReduceSum": Operator(_reduction("reduce_sum", _reduced_axes), _refuse_reduction),
}
