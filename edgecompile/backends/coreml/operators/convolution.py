"""Conv and ConvTranspose."""

from __future__ import annotations

from typing import Any

import onnx_ir as ir

from edgecompile.backends.coreml.emission import Emission
from edgecompile.backends.coreml.operators.entry import Operator, paired
from edgecompile.graph.constants import is_static
from edgecompile.graph.qdq import WEIGHT_INPUT
from edgecompile.graph.reading import AUTO_PAD, auto_pads, integers_of, rank_of


def _window(emission: Emission, node: ir.Node) -> dict[str, Any]:
    spatial = rank_of(node.inputs[0]) - 2
    pads = integers_of(node, "pads", [0] * 2 * spatial)
    bias = emission.real(node, 2)
    return {
        "x": emission.input(node, 0),
        "weight": emission.weight(node, WEIGHT_INPUT),
        "strides": integers_of(node, "strides", [1] * spatial),
        "dilations": integers_of(node, "dilations", [1] * spatial),
        "groups": node.attributes.get_int("group", 1),
        **({"pad_type": "custom", "pad": paired(pads)} if any(pads) else {"pad_type": "valid"}),
        **({} if bias is None else {"bias": emission.floats(bias)}),
    }


def emit_conv(emission: Emission, node: ir.Node) -> None:
    """`conv` over one or two dimensions."""
    emission.op(node, "conv", **_window(emission, node))


def emit_conv_transpose(emission: Emission, node: ir.Node) -> None:
    """`conv_transpose`; MIL's weights lie as ONNX's: inputs, outputs per group, kernel."""
    emission.op(node, "conv_transpose", **_window(emission, node))


def _refuse_conv(node: ir.Node) -> str | None:
    if rank_of(node.inputs[0]) not in {3, 4}:
        return "only convolutions over one or two dimensions are written"
    if not is_static(node.inputs[WEIGHT_INPUT]):
        return "the weight of a convolution must be constant"
    if len(node.inputs) > 2 and node.inputs[2] is not None and not is_static(node.inputs[2]):
        return "the bias of a convolution must be constant"
    return AUTO_PAD if auto_pads(node) else None


def _refuse_conv_transpose(node: ir.Node) -> str | None:
    if any(integers_of(node, "output_padding", [])):
        return "output_padding of a transposed convolution is not written"
    return _refuse_conv(node)


OPERATORS = {
    "Conv": Operator(emit_conv, _refuse_conv),
    "ConvTranspose": Operator(emit_conv_transpose, _refuse_conv_transpose),
}
