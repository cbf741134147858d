"""Cross-layer equalization: channels of one range, by moving factors from one layer into the next.

``A -> Relu -> B`` computes the same when A's output channel i is divided by s_i > 0 and B's input
channel i multiplied by it. (Nagel et al., Data-Free Quantization Through Weight Equalization and
Bias Correction, ICCV 2019, equation 8; with ranges of activations in place of weights it is
SmoothQuant's, Xiao et al., ICML 2023, equation 4 at alpha 1/2.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgecompile.graph.hub import Array, add_constant, constant, name_of, remove_unused_constants
from edgecompile.graph.qdq import WEIGHT_INPUT, weight_axis

_KEEPS_CHANNELS = frozenset(
    {"Relu", "LeakyRelu", "MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool"}
)
"""Operators that commute with a positive factor per channel (ReduceMean over space as well)."""

_MOST = 1e4
"""Factors beyond this say that a channel is dead: it stays as it is."""

ChannelRanges = Mapping[str, Array]
"""Largest absolute value of each channel (axis 1) of an activation, by tensor name."""


@dataclass(frozen=True)
class Pair:
    """Two layers between which factors can move; `between` are the tensors on the way."""

    first: ir.Node
    second: ir.Node
    between: tuple[str, ...]


def equalize(hub: ir.Model, observe: Callable[[ir.Model], ChannelRanges] | None) -> ir.Model:
    """A copy of a float hub that computes the same, its layers equalized pair by pair.

    With `observe` (the channel ranges of a hub's activations over calibration data), the ranges
    of activations are balanced against the weights that read them: right for weights with one
    scale per output channel. Without, weights against weights: right for one scale per tensor.
    """
    result = ir.from_proto(ir.to_proto(hub))
    # One pass balances each pair; the second, what the neighbours have changed since.
    for _ in range(2):
        ranges = observe(result) if observe is not None else None
        for pair in equalizable_pairs(result):
            _move_factors(result.graph, pair, None if ranges is None else ranges)
    remove_unused_constants(result.graph)
    return result


def equalizable_pairs(hub: ir.Model) -> Iterator[Pair]:
    """Conv, Gemm or LayerNormalization whose result only one Conv or Gemm reads, through operators
    that keep channels apart and commute with a positive factor."""
    for node in hub.graph:
        if not _has_output_channels(node):
            continue
        value, between = node.outputs[0], [name_of(node.outputs[0])]
        while not value.is_graph_output():
            readers = [use.node for use in value.uses()]
            if len(readers) != 1:
                break
            reader = readers[0]
            if reader.op_type in _KEEPS_CHANNELS or _is_spatial_mean(reader):
                value = reader.outputs[0]
                between.append(name_of(value))
                continue
            if _has_input_channels(reader) and reader.inputs[0] is value:
                yield Pair(node, reader, tuple(between))
            break


def _has_output_channels(node: ir.Node) -> bool:
    if node.op_type == "LayerNormalization":
        return constant(node.inputs[1]) is not None
    return _has_constant_weight(node)


def _has_input_channels(node: ir.Node) -> bool:
    return _has_constant_weight(node)


def _has_constant_weight(node: ir.Node) -> bool:
    return node.op_type in {"Conv", "Gemm"} and constant(node.inputs[WEIGHT_INPUT]) is not None


def _is_spatial_mean(node: ir.Node) -> bool:
    if node.op_type != "ReduceMean" or len(node.inputs) < 2:
        return False
    axes = constant(node.inputs[1])
    return axes is not None and sorted(int(axis) for axis in np.ravel(axes)) == [2, 3]


def _move_factors(graph: ir.Graph, pair: Pair, ranges: ChannelRanges | None) -> None:
    reads = _largest(_by_input_channel(pair.second))
    writes = (
        _largest(_by_output_channel(pair.first))
        if ranges is None
        else np.max([ranges[name] for name in pair.between if name in ranges], axis=0)
    )
    if writes.shape != reads.shape:
        return
    alive = (writes > 0) & (reads > 0)
    factors = np.ones(len(writes))
    factors[alive] = np.sqrt(writes[alive] / reads[alive])
    # Only the ratios matter: the middle channel keeps its range, and int8 its place in float32.
    factors[alive] /= np.median(factors[alive]) if alive.any() else 1.0
    factors[(factors > _MOST) | (factors < 1 / _MOST)] = 1.0
    _scale_outputs(graph, pair.first, 1 / factors)
    _scale_inputs(graph, pair.second, factors)


def _by_output_channel(node: ir.Node) -> Array:
    """The weight as (output channels, rest)."""
    weight = _constant(node, WEIGHT_INPUT)
    if node.op_type == "LayerNormalization":
        return weight.reshape(-1, 1)
    axis = weight_axis(node)
    assert axis is not None
    return np.moveaxis(weight, axis, 0).reshape(weight.shape[axis], -1)


def _by_input_channel(node: ir.Node) -> Array:
    """The weight as (input channels, rest)."""
    weight = _constant(node, WEIGHT_INPUT)
    if node.op_type == "Gemm":
        return weight.T if node.attributes.get_int("transB", 0) else weight
    group = node.attributes.get_int("group", 1)
    grouped = weight.reshape(group, weight.shape[0] // group, weight.shape[1], -1)
    return grouped.transpose(0, 2, 1, 3).reshape(group * weight.shape[1], -1)


def _largest(by_channel: Array) -> Array:
    largest: Array = np.abs(by_channel.astype(np.float64)).max(axis=1)
    return largest


def _scale_outputs(graph: ir.Graph, node: ir.Node, factors: Array) -> None:
    weight = _constant(node, WEIGHT_INPUT)
    if node.op_type == "LayerNormalization":
        _replace(graph, node, WEIGHT_INPUT, weight * factors)
    else:
        axis = weight_axis(node)
        assert axis is not None
        shape = [1] * weight.ndim
        shape[axis] = -1
        _replace(graph, node, WEIGHT_INPUT, weight * factors.reshape(shape))
    if len(node.inputs) > 2 and node.inputs[2] is not None:
        _replace(graph, node, 2, _constant(node, 2) * factors)


def _scale_inputs(graph: ir.Graph, node: ir.Node, factors: Array) -> None:
    weight = _constant(node, WEIGHT_INPUT)
    if node.op_type == "Gemm":
        transposed = node.attributes.get_int("transB", 0)
        scaled = weight * (factors[None] if transposed else factors[:, None])
    else:
        group = node.attributes.get_int("group", 1)
        per_output = factors.reshape(group, 1, weight.shape[1])
        repeated = np.repeat(per_output, weight.shape[0] // group, axis=1)
        scaled = weight * repeated.reshape(*weight.shape[:2], *[1] * (weight.ndim - 2))
    _replace(graph, node, WEIGHT_INPUT, scaled)


def _constant(node: ir.Node, index: int) -> Array:
    array = constant(node.inputs[index])
    assert array is not None
    return array


def _replace(graph: ir.Graph, node: ir.Node, index: int, array: Array) -> None:
    """Give a node a constant of its own: another node may share the old one."""
    base, number = f"{node.name}.equalized{index}", 0
    while f"{base}.{number}" in graph.initializers:
        number += 1
    value = add_constant(graph, f"{base}.{number}", array.astype(np.float32))
    node.replace_input_with(index, value)
