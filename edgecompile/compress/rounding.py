"""Weights rounded so that the layer's *output* is near, not each weight by itself.

The error of a weight is made good by those that are rounded after it, as the inputs' second moments
allow (Frantar et al., GPTQ, ICLR 2023, algorithm 1, which solves what AdaRound, Nagel et al., ICML
2020, searches for).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import onnx_ir as ir

from edgecompile.compress.observe import observe
from edgecompile.compress.weights import QuantizedWeight, largest
from edgecompile.graph.hub import Array, constant, name_of
from edgecompile.graph.qdq import WEIGHT_INPUT

_DAMPING = 0.01
"""Part of the mean curvature that is added to every weight's: the paper's choice."""

_POSITIONS = 64
"""Windows of one image that are looked at."""


def round_for_outputs(
    hub: ir.Model, samples: Array, weights: Mapping[str, QuantizedWeight]
) -> dict[str, QuantizedWeight]:
    """`weights` by node name, with new integers at the same scales for Conv (of one group) and
    Gemm of the float `hub`; the others as they are."""
    nodes = [
        n for n in hub.graph if n.name in weights and _is_one_product(n) and n.inputs[0] is not None
    ]
    sources = {name_of(node.inputs[0]) for node in nodes if node.inputs[0] is not None}
    moments: dict[str, Array] = {}
    for tensors in observe(hub, samples, sources.__contains__):
        for node in nodes:
            source = node.inputs[0]
            assert source is not None
            rows = _rows(node, tensors[name_of(source)]).astype(np.float64)
            name = node.name or ""
            moments[name] = moments.get(name, 0) + rows.T @ rows
    result = dict(weights)
    for node in nodes:
        name = node.name or ""
        result[name] = _rounded(node, weights[name], moments[name])
    return result


def _is_one_product(node: ir.Node) -> bool:
    if node.op_type == "Conv":
        return node.attributes.get_int("group", 1) == 1
    return node.op_type == "Gemm"


def _rows(node: ir.Node, tensor: Array) -> Array:
    """The inputs of a layer's dot products, one a row, in the order of `_as_matrix`."""
    if node.op_type == "Gemm":
        return tensor.reshape(-1, tensor.shape[-1])
    rank = tensor.ndim - 2
    weight = constant(node.inputs[WEIGHT_INPUT])
    assert weight is not None
    strides = node.attributes.get_ints("strides", [1] * rank)
    dilations = node.attributes.get_ints("dilations", [1] * rank)
    pads = list(node.attributes.get_ints("pads", [0] * 2 * rank))
    padded = np.pad(tensor[0], [(0, 0), *zip(pads[:rank], pads[rank:], strict=True)])
    reach = [(k - 1) * d + 1 for k, d in zip(weight.shape[2:], dilations, strict=True)]
    windows = np.lib.stride_tricks.sliding_window_view(
        padded, reach, axis=tuple(range(1, rank + 1))
    )
    windows = windows[(slice(None), *_every(strides), *_every(dilations))]
    positions = windows.reshape(len(padded), -1, int(np.prod(weight.shape[2:])))
    rows = positions.transpose(1, 0, 2).reshape(positions.shape[1], -1)
    return rows[:: max(1, len(rows) // _POSITIONS)]


def _every(steps: Sequence[int]) -> Iterator[slice]:
    return (slice(None, None, step) for step in steps)


def _rounded(node: ir.Node, weight: QuantizedWeight, moment: Array) -> QuantizedWeight:
    real = constant(node.inputs[WEIGHT_INPUT])
    assert real is not None
    transposed = node.op_type == "Gemm" and not node.attributes.get_int("transB", 0)
    matrix = (real.T if transposed else real.reshape(len(real), -1)).astype(np.float64)
    scale = np.broadcast_to(weight.scale.reshape(-1), len(matrix)).astype(np.float64)
    steps = _compensated(matrix, scale, moment, largest(weight.bits)).astype(np.int8)
    data = steps.T if transposed else steps.reshape(real.shape)
    return QuantizedWeight(np.ascontiguousarray(data), weight.scale, weight.bits)


def _compensated(matrix: Array, scale: Array, moment: Array, most: int) -> Array:
    """Integers up to `most` of `matrix` (outputs, inputs) for inputs of second moment `moment`."""
    damping = _DAMPING * float(np.mean(np.diag(moment))) + 1e-12
    inverse = np.linalg.inv(moment + damping * np.eye(len(moment)))
    upper = np.linalg.cholesky((inverse + inverse.T) / 2).T
    left = matrix.copy()
    steps = np.zeros_like(matrix)
    for column in range(matrix.shape[1]):
        steps[:, column] = np.clip(np.rint(left[:, column] / scale), -most, most)
        error = (left[:, column] - steps[:, column] * scale) / upper[column, column]
        left[:, column + 1 :] -= np.outer(error, upper[column, column + 1 :])
    return steps
