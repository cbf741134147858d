"""Smaller weights, float arithmetic: half precision, and int8 weights for dynamic range."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from edgecompile.compress.place import place_weights
from edgecompile.compress.rounding import round_for_outputs
from edgecompile.compress.weights import integer_weights
from edgecompile.graph.hub import (
    Array,
    add_constant,
    constant,
    name_of,
    remove_unused_constants,
    require_opset,
)
from edgecompile.graph.provenance import copy_provenance
from edgecompile.graph.qdq import ELEMENTWISE, WEIGHTED, WIDE_QDQ_OPSET
from edgecompile.recipe.schema import Precision

_NARROWED = WEIGHTED | ELEMENTWISE | {"LayerNormalization"}
_HALF_MAX = float(np.finfo(np.float16).max)


def narrow(
    hub: ir.Model, precision: Precision, *, per_channel: bool, calibration: Array | None
) -> ir.Model:
    """A copy of a float hub with small weights and float arithmetic, as `precision` says.

    `calibration` samples (samples, *shape without batch) round weights of 4 bits, which are too
    few to round each by itself.
    """
    from edgecompile.compress.palettize import palettize_weights

    if precision == "fp16":
        return halve_constants(hub)
    if precision.startswith("lut"):
        bits = int(precision.removeprefix("lut"))
        return palettize_weights(hub, bits, per_channel=per_channel)
    if precision == "w4":
        return quantize_weights(hub, per_channel=per_channel, bits=4, calibration=calibration)
    return quantize_weights(hub, per_channel=per_channel)


def halve_constants(hub: ir.Model) -> ir.Model:
    """A copy of a float hub whose constants are float16, widened by a Cast where they are read.

    ``W -> Conv`` becomes ``W(float16) -> Cast(float32) -> Conv``. A single number, and a constant
    beyond the range of float16, stay as they are.
    """
    result = ir.from_proto(ir.to_proto(hub))
    graph = result.graph
    wide: dict[str, ir.Value] = {}
    for node in list(graph):
        if node.op_type not in _NARROWED:
            continue
        for index, value in enumerate(node.inputs):
            array = constant(value)
            if value is None or array is None or not _fits_half(array):
                continue
            name = name_of(value)
            if name not in wide:
                narrow = add_constant(graph, f"{name}.half", array.astype(np.float16))
                cast = ir.node("Cast", [narrow], {"to": int(ir.DataType.FLOAT)})
                cast.name = f"{name}.widen"
                wide[name] = cast.outputs[0]
                wide[name].name, wide[name].type = f"{name}.wide", value.type
                wide[name].shape = ir.Shape(array.shape)
                graph.insert_before(node, cast)
                copy_provenance(node, cast)
            node.replace_input_with(index, wide[name])
    remove_unused_constants(graph)
    return result


def _fits_half(array: Array) -> bool:
    return array.dtype == np.float32 and array.size > 1 and float(np.abs(array).max()) <= _HALF_MAX


def quantize_weights(
    hub: ir.Model, *, per_channel: bool, bits: int = 8, calibration: Array | None = None
) -> ir.Model:
    """A copy of a float hub with integer weights of `bits` (8 or 4) and float activations.

    Symmetric, one scale per output channel or per tensor. Runtimes with dynamic-range kernels
    quantize the activations as they come; others widen the weights. With `calibration` samples
    (samples, *shape without batch) the weights are rounded so that the layers' outputs are near.
    """
    result = ir.from_proto(ir.to_proto(hub))
    weights = integer_weights(result, per_channel=per_channel, bits=bits)
    if calibration is not None:
        weights = round_for_outputs(hub, calibration, weights)
    place_weights(result, weights, frozenset())
    if bits == 4:
        require_opset(result, WIDE_QDQ_OPSET)
    remove_unused_constants(result.graph)
    return result
