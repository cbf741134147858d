"""Scales of sums that no runtime can round differently.

An integer kernel computes ``q_out = q_a * s_a/s_out + q_b * s_b/s_out`` and rounds. XNNPACK does so
with multipliers of 21 bits, ONNX Runtime in float32, others in fixed point of their own: where the
exact value lies within their errors of a rounding tie they differ by 1, and a deep residual network
amplifies each such difference. With ratios ``p / D``, D odd, the exact value is a multiple of 1/D
and never a tie: the nearest tie is 1/(2 D) away, farther than any of these errors. Measured on
cifar_resnet20: 98.3 % of the outputs of LiteRT and ONNX Runtime are equal without, all with.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Set
from dataclasses import replace

import numpy as np
import onnx_ir as ir

from edgecompile.compress.groups import quantized_name
from edgecompile.graph.constants import is_static
from edgecompile.graph.hub import name_of
from edgecompile.graph.qdq import TensorParams

DENOMINATOR = 511
"""XNNPACK's error is at most 2 * 255 * 2**(e - 21) for a larger ratio below 2**(e + 1)
(xnn_init_qs8_add_minmax_params): less than 1 / (2 * 511) for ratios below 4. A scale rises by at
most 1 / (511 * ratio) of itself: 0.4 % at a ratio of 1/2."""

LARGEST_RATIO = 4.0


def separate_from_ties(
    hub: ir.Model,
    params: Mapping[str, TensorParams],
    groups: Mapping[str, str],
    fixed: Set[str],
) -> dict[str, TensorParams]:
    """`params` by tensor name, with the scales of operands of Add and Sub raised a little.

    From the last sum to the first, since an operand of one is the result of another. A whole group
    of tensors with equal parameters is raised together. Left as they are: groups in `fixed`, those
    that hold the sum's own result, and those that several sums read.
    """
    result = dict(params)
    members: dict[str, list[str]] = {}
    for name, group in groups.items():
        members.setdefault(group, []).append(name)
    readers = Counter(group for node in _sums(hub) for group in _operand_groups(node, groups))
    for node in reversed(list(_sums(hub))):
        out = quantized_name(node)
        step = result[out].scale / DENOMINATOR
        for group in _operand_groups(node, groups) - {groups[out]} - fixed:
            scale = result[members[group][0]].scale
            if readers[group] > 1 or scale >= LARGEST_RATIO * result[out].scale:
                continue
            # A scale that is a multiple already must not rise by the rounding of float32.
            raised = float(np.float32(math.ceil(scale / step - 1e-4) * step))
            for member in members[group]:
                result[member] = replace(result[member], scale=raised)
    return result


def _sums(hub: ir.Model) -> Iterator[ir.Node]:
    for node in hub.graph:
        if node.op_type in {"Add", "Sub"} and not any(is_static(value) for value in node.inputs):
            yield node


def _operand_groups(node: ir.Node, groups: Mapping[str, str]) -> set[str]:
    return {groups[name_of(value)] for value in node.inputs if value is not None}
