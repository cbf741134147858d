"""Weight scales that leave room for the bias.

An integer kernel adds the bias as int32 at scale s_x * s_w. A channel whose weights are almost
zero (BatchNorm folded into a dead channel) has so small an s_w that its bias would overflow, and
runtimes wrap or clip it without a word.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx_ir as ir

from edgecompile.compress.weights import QuantizedWeight, round_to
from edgecompile.graph.hub import Array, constant, name_of
from edgecompile.graph.qdq import WEIGHT_INPUT, TensorParams, weight_axis

LARGEST_BIAS = 2**30
"""Half of int32: the other half is for the sum of products that is added to it."""


def make_room_for_biases(
    hub: ir.Model,
    weights: Mapping[str, QuantizedWeight],
    params: Mapping[str, TensorParams],
) -> dict[str, QuantizedWeight]:
    """`weights` by node name, with the scale raised in channels whose bias would overflow.

    Such a channel is quantized again from its float weights: they were below a step of the
    output already, and the bias is what the channel says.
    """
    result = dict(weights)
    for node in hub.graph:
        weight = weights.get(node.name or "")
        bias = constant(node.inputs[2]) if len(node.inputs) > 2 else None
        source = node.inputs[0] if node.inputs else None  # a Constant has none
        if weight is None or bias is None or source is None or name_of(source) not in params:
            continue
        least = np.abs(bias.ravel()) / (params[name_of(source)].scale * LARGEST_BIAS)
        if weight.scale.ndim == 0:
            least = least.max()
        raised = np.maximum(weight.scale, least).astype(np.float32)
        if np.array_equal(raised, weight.scale):
            continue
        result[node.name or ""] = _requantize(node, raised, weight.bits)
    return result


def _requantize(node: ir.Node, scale: Array, bits: int) -> QuantizedWeight:
    real, axis = constant(node.inputs[WEIGHT_INPUT]), weight_axis(node)
    assert real is not None and axis is not None
    return round_to(real, scale, axis, bits)
