"""Write a decided quantization into the graph: the QDQ pairs of the hub's conventions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import onnx_ir as ir

from edgecompile.compress.groups import fused_clamp
from edgecompile.compress.scheme import QuantScheme, params_of_range
from edgecompile.compress.weights import QuantizedWeight
from edgecompile.graph.clamps import CLAMPS, clamp_bounds
from edgecompile.graph.hub import (
    Array,
    add_constant,
    constant,
    is_float,
    name_of,
    remove_unused_constants,
)
from edgecompile.graph.provenance import copy_provenance
from edgecompile.graph.qdq import (
    ELEMENTWISE,
    INT4,
    VALUES,
    WEIGHT_INPUT,
    TensorParams,
    tensor_params,
    weight_axis,
)


@dataclass(frozen=True)
class Widths:
    """Which operators have which activations: the scheme's, int16 (`wide_nodes`), or float.

    The parameters are by tensor name, those of int16 for the tensors of `wide_nodes` at least.
    """

    of_scheme: Mapping[str, TensorParams]
    of_int16: Mapping[str, TensorParams] = field(default_factory=dict)
    wide_nodes: frozenset[str] = frozenset()
    float_nodes: frozenset[str] = frozenset()

    def is_wide(self, node: ir.Node) -> bool:
        """Does the operator read and write int16 amid others?"""
        return node.name in self.wide_nodes

    def params(self, name: str, *, wide: bool) -> TensorParams:
        """The parameters of a tensor for the operators of one width."""
        return (self.of_int16 if wide else self.of_scheme)[name]


def place_weights(
    model: ir.Model, weights: Mapping[str, QuantizedWeight], float_nodes: frozenset[str]
) -> None:
    """``W -> Conv`` becomes ``W(integers) -> DequantizeLinear(axis) -> Conv``, in place.

    `weights` is by node name. Two nodes that share a float weight get a pair each.
    """
    for node in list(model.graph):
        quantized = weights.get(node.name or "")
        if quantized is None or node.name in float_nodes:
            continue
        value = node.inputs[WEIGHT_INPUT]
        assert value is not None
        # Named by the node: a weight that two nodes share may have two quantizations.
        prefix = f"{node.name}.weight"
        data = quantized.data if quantized.bits == 8 else quantized.data.astype(INT4)
        pair = _dequantize_constant(model.graph, prefix, data, quantized.scale, weight_axis(node))
        model.graph.insert_before(node, pair)
        copy_provenance(node, pair)
        node.replace_input_with(WEIGHT_INPUT, pair.outputs[0])


def place_elementwise_constants(model: ir.Model, scheme: QuantScheme, widths: Widths) -> None:
    """``Add(x, c)`` becomes ``Add(x, DequantizeLinear(c integers))``, per tensor, in place.

    A constant that is one number is exact: it is the largest integer. A constant whose values are
    among those of the result has the result's parameters: what they cannot say, Max and Min never
    choose.
    """
    for node in list(model.graph):
        if node.op_type not in ELEMENTWISE | VALUES or node.name in widths.float_nodes:
            continue
        own = replace(scheme, activation_bits=16) if widths.is_wide(node) else scheme
        for index, value in enumerate(node.inputs):
            array = constant(value)
            if array is None or array.dtype != np.float32:
                continue
            params = params_of_range(float(array.min()), float(array.max()), own)
            if node.op_type in VALUES:
                params = widths.params(name_of(node.outputs[0]), wide=widths.is_wide(node))
            elif array.size == 1:
                most = int(np.iinfo(params.dtype).max)
                scale = max(abs(float(array.ravel()[0])), 1e-8) / most
                params = replace(params, scale=scale, zero_point=0)
            pair = _dequantize_constant(
                model.graph,
                f"{node.name}.constant{index}",
                params.integers(array),
                np.float32(params.scale),
                None,
                params.zero_point,
            )
            model.graph.insert_before(node, pair)
            copy_provenance(node, pair)
            node.replace_input_with(index, pair.outputs[0])


def place_activations(model: ir.Model, widths: Widths) -> None:
    """``x`` becomes ``x -> QuantizeLinear -> DequantizeLinear``, in place.

    One pair per tensor, read by all its consumers; where some of these have another width than its
    producer, ``-> QuantizeLinear -> DequantizeLinear`` again for them. A tensor between an operator
    and its fused clamp, and one that only float operators touch, get none.
    """
    graph = model.graph
    values = [v for v in graph.inputs if is_float(v)]
    values += [
        output
        for node in graph
        if node.op_type not in {"QuantizeLinear", "DequantizeLinear"}
        for output in node.outputs
        if is_float(output) and (output.uses() or output.is_graph_output())
    ]
    for value in values:
        if fused_clamp(value) is None and not _only_float(value, widths.float_nodes):
            _place_pairs(graph, value, widths)


def _only_float(value: ir.Value, float_nodes: frozenset[str]) -> bool:
    producer = value.producer()
    touching = [use.node for use in value.uses()]
    if producer is not None:
        touching.append(producer)
    return all(node.name in float_nodes for node in touching)


def _place_pairs(graph: ir.Graph, value: ir.Value, widths: Widths) -> None:
    name, producer = name_of(value), value.producer()
    readers = [(use.node, use.idx) for use in value.uses()]
    wide = [reader for reader in readers if widths.is_wide(reader[0])]
    if producer is not None and producer.name in widths.float_nodes:
        is_wide = bool(wide) and all(
            widths.is_wide(node) or node.name in widths.float_nodes for node, _ in readers
        )
    else:  # the borders of a file keep the width of the scheme
        is_wide = producer is not None and widths.is_wide(producer)
    real = _insert_pair(graph, value, name, widths.params(name, wide=is_wide))
    for node, index in readers:
        node.replace_input_with(index, real)
    others = [
        reader
        for reader in readers
        if widths.is_wide(reader[0]) != is_wide and reader[0].name not in widths.float_nodes
    ]
    at_border = is_wide and value.is_graph_output()
    if others or at_border:
        other = widths.params(name, wide=not is_wide)
        changed = _insert_pair(graph, real, f"{name}.{np.dtype(other.dtype).name}", other)
        for node, index in others:
            node.replace_input_with(index, changed)
        real = changed if at_border else real
    if value.is_graph_output():
        # The model's output keeps its name: users feed and read tensors by name.
        value.name, real.name = f"{name}.unquantized", name
        for index, output in enumerate(graph.outputs):
            if output is value:
                graph.outputs[index] = real


def _insert_pair(graph: ir.Graph, value: ir.Value, prefix: str, params: TensorParams) -> ir.Value:
    """QuantizeLinear and DequantizeLinear behind a tensor, which nothing reads yet."""
    scale = add_constant(graph, f"{prefix}.scale", np.array(params.scale, np.float32))
    zero = add_constant(graph, f"{prefix}.zero_point", np.array(params.zero_point, params.dtype))
    quantize = ir.node("QuantizeLinear", [value, scale, zero], name=f"{prefix}.quantize")
    dequantize = ir.node(
        "DequantizeLinear", [quantize.outputs[0], scale, zero], name=f"{prefix}.dequantize"
    )
    integer, real = quantize.outputs[0], dequantize.outputs[0]
    dtype = ir.DataType.from_numpy(np.dtype(params.dtype))
    integer.name, integer.type = f"{prefix}.{dtype.name.lower()}", ir.TensorType(dtype)
    real.name, real.type = f"{prefix}.real", value.type
    integer.shape = real.shape = value.shape
    producer = value.producer()
    if producer is None:
        graph.insert_before(graph[0], [quantize, dequantize])
    else:
        for node in (quantize, dequantize):
            copy_provenance(producer, node)
        graph.insert_after(producer, [quantize, dequantize])
    return real


def _dequantize_constant(
    graph: ir.Graph,
    prefix: str,
    data: Array,
    scale: Array | np.float32,
    axis: int | None,
    zero_point: int = 0,
) -> ir.Node:
    scales = np.asarray(scale, np.float32)
    inputs = [
        add_constant(graph, f"{prefix}.{data.dtype.name}", data),
        add_constant(graph, f"{prefix}.scale", scales),
        add_constant(graph, f"{prefix}.zero_point", np.full(scales.shape, zero_point, data.dtype)),
    ]
    attributes = {"axis": axis} if scales.ndim == 1 and axis is not None else {}
    node = ir.node("DequantizeLinear", inputs, attributes, name=f"{prefix}.dequantize")
    node.outputs[0].name = f"{prefix}.real"
    node.outputs[0].type = ir.TensorType(ir.DataType.FLOAT)
    node.outputs[0].shape = ir.Shape(data.shape)
    return node


def absorb_clamps(model: ir.Model) -> None:
    """``Conv -> Relu -> QuantizeLinear`` becomes ``Conv -> QuantizeLinear`` where the integers'
    own limits clamp the same way (a zero point of -128 has no negative values), in place."""
    for node in list(model.graph):
        if node.op_type not in CLAMPS:
            continue
        consumers = [use.node for use in node.outputs[0].uses()]
        if len(consumers) != 1 or consumers[0].op_type != "QuantizeLinear":
            continue
        params = tensor_params(consumers[0])
        low, high = clamp_bounds(node)
        half_step = params.scale / 2
        if params.lowest < low - half_step or params.highest > high + half_step:
            continue
        source = node.inputs[0]
        assert source is not None
        consumers[0].replace_input_with(0, source)
        model.graph.remove(node, safe=True)
    remove_unused_constants(model.graph)
