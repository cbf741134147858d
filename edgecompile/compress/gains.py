"""Scales of results that are almost always zero.

A layer that a Relu silences over all calibration samples (pruned, or dead) has a range of nothing,
and the ratio of its operands' scale to its own grows without bound. XNNPACK creates no operator for
a ratio of 256, and its runtime then refuses the file; LiteRT's ADD aborts the process at 2**19. By
then one step of an operand is more than the whole range of the result: a coarser scale loses
nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import replace

import numpy as np
import onnx_ir as ir

from edgecompile.compress.groups import quantized_name
from edgecompile.compress.weights import QuantizedWeight
from edgecompile.graph.constants import static_value
from edgecompile.graph.hub import name_of
from edgecompile.graph.qdq import WEIGHT_INPUT, WEIGHTED, TensorParams

LARGEST_GAIN = 100.0
"""Steps of a result per step of its operands. XNNPACK's limits are 2**8 (convolutions,
products, sums) and 2**7 (QUANTIZE), measured with LiteRT 2.3."""

_PRODUCTS = WEIGHTED | {"Mul"}
_LINEAR = frozenset(
    {
        *("Add", "Sub", "Relu", "Clip", "LeakyRelu", "PRelu", "Abs", "Neg", "HardSwish"),
        *("ReduceMean", "GlobalAveragePool"),
    }
)


def limit_gains(
    hub: ir.Model,
    weights: Mapping[str, QuantizedWeight],
    params: Mapping[str, TensorParams],
    groups: Mapping[str, str],
    fixed: Set[str],
) -> dict[str, TensorParams]:
    """`params` by tensor name, with the scale of results raised that are too fine for their kernel.

    From the first operator to the last, since a raised result is an operand of the next. A whole
    group of tensors with equal parameters is raised together, but for groups in `fixed`.
    """
    result = dict(params)
    for node in hub.graph:
        if node.op_type not in _PRODUCTS | _LINEAR:
            continue
        out = quantized_name(node)
        least = float(np.float32(_step(node, weights, result) / LARGEST_GAIN))
        if groups[out] in fixed or result[out].scale >= least:
            continue
        for name in [n for n in result if groups[n] == groups[out]]:
            result[name] = replace(result[name], scale=least)
    return result


def _step(
    node: ir.Node, weights: Mapping[str, QuantizedWeight], params: Mapping[str, TensorParams]
) -> float:
    """What one step of the operands comes to in the result."""
    scales = []
    for index, value in enumerate(node.inputs[:2]):
        array = static_value(value)
        weight = weights.get(node.name or "") if index == WEIGHT_INPUT else None
        if weight is not None:
            scales.append(float(weight.scale.max()))
        elif array is not None:
            scales.append(float(np.abs(array).max()) / 127)
        elif value is not None and name_of(value) in params:
            scales.append(params[name_of(value)].scale)
    if node.op_type in _PRODUCTS:
        return float(np.prod(scales))
    return max(scales) if node.op_type in {"Add", "Sub"} else scales[0]
