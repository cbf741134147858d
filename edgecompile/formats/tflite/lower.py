"""A hub as the bytes of a .tflite file: borders, then operators in the hub's order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgecompile.errors import ContractError, TargetCannotRun
from edgecompile.formats.tflite.choices import Border, Forms
from edgecompile.formats.tflite.emission import Emission, Tensor
from edgecompile.formats.tflite.flatbuffer import ModelWriter, Quantization, make_options
from edgecompile.formats.tflite.operators import OPERATORS
from edgecompile.graph.hub import name_of, shape_of
from edgecompile.graph.layout import border_order, stored_shape
from edgecompile.graph.qdq import TensorParams, tensor_params

PLAIN = Forms()
_INTEGER_BITS = {name: entry.bits for name, entry in OPERATORS.items()}
_CARRIED = frozenset({"DequantizeLinear", "Constant", "Cast"})
"""Read by the operators behind them: a Cast widens a float16 constant, and does nothing else."""


@dataclass(frozen=True)
class Lowered:
    """A file's bytes; for each of its operators the name of the hub's node that it came from, None
    for one at the file's border."""

    content: bytes
    origins: tuple[str | None, ...]


def lower_hub(hub: ir.Model, border: Border, forms: Forms = PLAIN) -> bytes:
    """The .tflite file of a hub: quantized, half precision or float. 4-D tensors are NHWC.

    `border` is the type of the file's inputs and outputs where the hub quantizes them.

    Raises:
        ContractError: a node that `check` would have refused.
    """
    return lower_with_origins(hub, border, forms).content


def lower_with_origins(hub: ir.Model, border: Border, forms: Forms = PLAIN) -> Lowered:
    """Like `lower_hub`, with where each operator came from."""
    writer = ModelWriter()
    emission = Emission(writer, _INTEGER_BITS, forms)
    inputs = {
        name_of(value): _emit_input(emission, value, border).index for value in hub.graph.inputs
    }
    for _ in _emit_nodes(emission, hub):
        pass
    writer.origin = None
    outputs = {name_of(value): _emit_output(emission, value, border) for value in hub.graph.outputs}
    content = writer.finish(inputs, outputs)
    return Lowered(content, tuple(writer.origins))


def operators_by_node(hub: ir.Model) -> Iterator[tuple[ir.Node, list[str]]]:
    """Each node of a hub with the TFLite operators that it becomes."""
    emission = Emission(ModelWriter(), _INTEGER_BITS, PLAIN)
    for value in hub.graph.inputs:
        _emit_input(emission, value, "int8")
    return _emit_nodes(emission, hub)


def _emit_nodes(emission: Emission, hub: ir.Model) -> Iterator[tuple[ir.Node, list[str]]]:
    for node in hub.graph:
        before = len(emission.writer.operator_names)
        emission.writer.origin = node.name
        if node.op_type in _CARRIED:
            continue
        if node.op_type == "QuantizeLinear":
            emission.quantize(node)
        elif node.op_type in OPERATORS:
            OPERATORS[node.op_type].emit(emission, node)
        else:
            raise ContractError(f"{node.name}: {node.op_type} is not written to TFLite")
        yield node, emission.writer.operator_names[before:]


def _emit_input(emission: Emission, value: ir.Value, border: Border) -> Tensor:
    shape = shape_of(value)
    order = border_order(len(shape))
    readers = [use.node for use in value.uses()]
    quantizers = [node for node in readers if node.op_type == "QuantizeLinear"]
    if border == "float32" or not readers or len(quantizers) != len(readers):
        tensor = emission.new(name_of(value), shape, order, None)
        emission.define(value, tensor)
        return tensor
    params = tensor_params(quantizers[0])
    integer = emission.new(name_of(value), shape, order, params)
    for node in quantizers:
        emission.define(node.outputs[0], integer)
    if border == "int8":
        return integer
    outside = _unsigned(emission, f"{value.name}.uint8", integer)
    emission.op("QUANTIZE", [outside], [integer], make_options("QuantizeOptions"), version=2)
    return outside


def _emit_output(emission: Emission, value: ir.Value, border: Border) -> int:
    tensor = emission.lookup(value)
    if tensor is None:
        raise ContractError(f"the graph output {value.name} was not emitted")
    tensor = emission.in_order(tensor, border_order(len(tensor.shape)))
    if tensor.params is None or border == "int8":
        return tensor.index
    if border == "uint8":
        outside = _unsigned(emission, f"{value.name}.uint8", tensor)
        emission.op("QUANTIZE", [tensor], [outside], make_options("QuantizeOptions"), version=2)
        return outside.index
    return emission.dequantized(tensor).index


def _unsigned(emission: Emission, name: str, tensor: Tensor) -> Tensor:
    """A uint8 tensor that says the same: its zero point is 128 higher."""
    params = tensor.params
    assert params is not None
    if params.bits != 8:
        raise TargetCannotRun(
            f"the model's border has {params.bits} bits, and uint8 has 8",
            remedy="leave the border as the model has it: --set lower.tflite.io=int8, or float32",
        )
    quantization = Quantization(
        np.array(params.scale, np.float32), np.array(params.zero_point + 128)
    )
    stored = stored_shape(tensor.shape, tensor.order)
    index = emission.writer.tensor(name, stored, np.uint8, quantization)
    return Tensor(index, tensor.shape, tensor.order, TensorParams(params.scale, params.zero_point))
