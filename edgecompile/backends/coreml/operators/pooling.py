"""Pools over windows and reductions over axes."""

from __future__ import annotations

from collections.abc import Callable

import onnx_ir as ir

from edgecompile.backends.coreml.emission import Emission
from edgecompile.backends.coreml.operators.entry import Operator, paired
from edgecompile.graph.reading import (
    AUTO_PAD,
    adds_a_window,
    auto_pads,
    integers_of,
    rank_of,
    reduced_axes,
    refuse_variable_axes,
    spatial_axes,
)


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
    if node.attributes.get_int("ceil_mode", 0) and adds_a_window(node):
        return "ceil_mode is not written where it adds a window"
    if any(d != 1 for d in integers_of(node, "dilations", [1] * len(kernel))):
        return "MIL's pools have no dilation"
    if len(node.outputs) > 1 and node.outputs[1].uses():
        return "the indices of MaxPool are not written"
    return None


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


OPERATORS = {
    "MaxPool": Operator(_pool("max_pool"), _refuse_pool),
    "AveragePool": Operator(_pool("avg_pool"), _refuse_pool),
    "GlobalAveragePool": Operator(_reduction("reduce_mean", spatial_axes)),
    "GlobalMaxPool": Operator(_reduction("reduce_max", spatial_axes)),
    "ReduceMean": Operator(_reduction("reduce_mean", reduced_axes), refuse_variable_axes),
    "ReduceMax": Operator(_reduction("reduce_max", reduced_axes), refuse_variable_axes),
    "ReduceMin": Operator(_reduction("reduce_min", reduced_axes), refuse_variable_axes),
    "ReduceSum": Operator(_reduction("reduce_sum", reduced_axes), refuse_variable_axes),
}
