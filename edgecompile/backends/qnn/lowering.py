"""The hub in the form that Qualcomm's execution provider maps to its integer operators."""

from __future__ import annotations

import onnx_ir as ir

from edgecompile.backends.qnn.pairs import add_pair
from edgecompile.backends.qnn.products import convolve_wide_products
from edgecompile.graph.clamps import CLAMPS
from edgecompile.graph.constants import half_constant
from edgecompile.graph.hub import add_constant, name_of, remove_unused_constants
from edgecompile.graph.unsigned import to_unsigned


def lower_hub(hub: ir.Model) -> ir.Model:
    """A copy of `hub` with unsigned activations and plain float constants.

    The tensor processor's activations are unsigned, its weights signed. A float hub it computes in
    half precision, float16 constants included: they are handed over as the float32 numbers that
    they stand for.
    """
    result = to_unsigned(hub, weights=False)
    separate_clamps(result)
    convolve_wide_products(result)
    widen_half_constants(result)
    for node in result.graph.all_nodes():
        node.metadata_props.clear()
        node.doc_string = None
    return result


def separate_clamps(hub: ir.Model) -> None:
    """``Conv -> Relu -> Q`` becomes ``Conv -> Q -> DQ -> Relu -> Q``, in place, all of one scale.

    The provider makes an integer operator of a node between DequantizeLinear and QuantizeLinear
    only. The result is the same: rounding keeps the order of numbers, so that it does not matter
    whether they are clamped before or after.
    """
    graph = hub.graph
    for clamp in list(graph):
        source = clamp.inputs[0] if clamp.op_type in CLAMPS else None
        producer = None if source is None else source.producer()
        readers = [use.node for use in clamp.outputs[0].uses()]
        if source is None or producer is None or producer.op_type == "DequantizeLinear":
            continue
        if [node.op_type for node in readers] != ["QuantizeLinear"]:
            continue
        pair = add_pair(source, readers[0].inputs[1:], f"{clamp.name}.unclamped")
        graph.insert_before(clamp, pair)
        clamp.replace_input_with(0, pair[-1].outputs[0])


def widen_half_constants(hub: ir.Model) -> None:
    """``W(float16) -> Cast`` becomes ``W(float32)``, in place: the same numbers."""
    graph = hub.graph
    for node in list(graph):
        value = node.outputs[0]
        half = half_constant(value)
        if half is None:
            continue
        wide = add_constant(graph, f"{name_of(value)}.float", half.astype("float32"))
        ir.convenience.replace_all_uses_with(value, wide)
        graph.remove(node, safe=True)
    remove_unused_constants(graph)
