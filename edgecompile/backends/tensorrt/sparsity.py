"""Which weights of a hub are pruned 2:4, as NVIDIA's sparse tensor cores read them."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from edgecompile.graph.constants import static_value
from edgecompile.graph.hub import Array
from edgecompile.graph.qdq import WEIGHT_INPUT, weight_axis

_FOUR = 4


def sparse_operators(model: ir.Model) -> list[str]:
    """Names of the Conv, Gemm and MatMul whose weights have the pattern.

    In each group of four consecutive input channels at least two are 0, for every output channel
    and every place of the kernel (NVIDIA, TensorRT documentation, "Sparsity").
    """
    return [
        node.name or ""
        for node in model.graph
        if node.op_type in {"Conv", "Gemm", "MatMul"} and _is_sparse(node)
    ]


def _is_sparse(node: ir.Node) -> bool:
    weight, axis = static_value(node.inputs[WEIGHT_INPUT]), weight_axis(node)
    if weight is None or axis is None or weight.ndim < 2 or not np.any(weight):
        return False
    rows: Array = np.moveaxis(weight, axis, 0)
    # Conv's other axes are (inputs, *kernel); the last axis of a matrix is its inputs.
    rows = np.moveaxis(rows, 1 if node.op_type == "Conv" else -1, -1)
    channels = rows.shape[-1]
    if channels < _FOUR or channels % _FOUR:
        return False
    groups = rows.reshape(-1, _FOUR)
    return bool((np.count_nonzero(groups, axis=1) <= 2).all())
