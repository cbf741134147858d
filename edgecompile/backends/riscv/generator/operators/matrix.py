"""Gemm and MatMul: with constant weights a convolution of one pixel, else of two activations."""

from __future__ import annotations

from dataclasses import replace
from math import prod

import numpy as np
import onnx_ir as ir

from edgecompile.backends.riscv.generator.emission import Emission
from edgecompile.backends.riscv.generator.movement import strides_of
from edgecompile.backends.riscv.generator.operators.entry import Operator
from edgecompile.backends.riscv.generator.products import Product, Window, emit_product
from edgecompile.backends.riscv.generator.requantization import sums_of
from edgecompile.backends.riscv.generator.storage import Tensor
from edgecompile.backends.riscv.generator.text import structure
from edgecompile.graph.constants import is_static
from edgecompile.graph.hub import Array, shape_of
from edgecompile.graph.layout import CHANNELS_LAST, plain
from edgecompile.graph.qdq import WEIGHT_INPUT
from edgecompile.graph.reading import refuse_gemm, refuse_matmul
from edgecompile.graph.written import Weight

_PIXEL = Window((1, 1), (1, 1), (1, 1), (0, 0, 0, 0))


def emit_gemm(emission: Emission, node: ir.Node) -> None:
    """``x @ W.T + b``."""
    weight = emission.weight(node, WEIGHT_INPUT)
    if not node.attributes.get_int("transB", 0):
        weight = _transposed(weight)
    bias = None
    if len(node.inputs) > 2 and node.inputs[2] is not None:
        bias = emission.real_constant(node, 2)
    _times_constant(emission, node, weight, bias)


def emit_matmul(emission: Emission, node: ir.Node) -> None:
    """``x @ W`` or ``x @ y``."""
    if is_static(node.inputs[1]):
        _times_constant(emission, node, _transposed(emission.weight(node, WEIGHT_INPUT)), None)
    else:
        _times_activation(emission, node)


def _transposed(weight: Weight) -> Weight:
    axis = None if weight.axis is None else 1 - weight.axis
    return Weight(weight.data.T, weight.scale, axis)


def _times_constant(emission: Emission, node: ir.Node, weight: Weight, bias: Array | None) -> None:
    """`weight` is (outputs, inputs)."""
    x = emission.activation(node, 0)
    outputs, inputs = weight.data.shape
    data = weight.data
    if x.flattened is not None:
        data = data.reshape(outputs, *x.flattened).transpose(0, 2, 3, 1).reshape(outputs, inputs)
    else:
        x = emission.in_order(x, plain(len(x.shape)))
    rows = prod(x.shape[:-1])
    image = replace(x, shape=(1, inputs, 1, rows), order=CHANNELS_LAST, flattened=None)
    shape = shape_of(node.outputs[0])
    result = emission.clamped_result(node, CHANNELS_LAST, (1, outputs, 1, rows))
    real_bias = np.zeros(outputs, np.float32) if bias is None else bias.reshape(-1)
    real_bias = np.broadcast_to(real_bias, outputs)
    sums = sums_of(x.params, result.tensor.params, replace(weight, data=data), real_bias)
    product = Product(node.name or "matmul", data[:, :, None, None], sums, _PIXEL)
    emit_product(emission, image, result, product)
    emission.publish_clamped(node, replace(result.tensor, shape=shape, order=plain(len(shape))))


def _times_activation(emission: Emission, node: ir.Node) -> None:
    """Both matrices as they lie: the second one may be stored with its last two axes swapped."""
    shape = shape_of(node.outputs[0])
    rank = len(shape)
    swapped = (*plain(rank)[:-2], rank - 1, rank - 2)
    b = emission.activation(node, 1)
    b = emission.in_order(b, swapped if b.order == swapped else plain(rank))
    a = emission.activation(node, 0)
    a = emission.in_order(a, swapped if a.order == swapped else plain(rank))
    result = emission.clamped_result(node, plain(rank))
    y = result.tensor
    a_step, b_step = _matrix_steps(a), _matrix_steps(b)
    fields: dict[str, object] = {
        "rows": shape[-2],
        "inner": a.shape[-1],
        "columns": shape[-1],
        "a_row": a_step[0],
        "a_column": a_step[1],
        "b_row": b_step[0],
        "b_column": b_step[1],
    }
    loops, strides = shape[:-2], [_batch_strides(t, shape[:-2]) for t in (a, b)]
    out = strides_of(y.stored)[:-2]
    arguments = [a.read(steps=strides[0]), b.read(steps=strides[1]), y.write(steps=out)]
    if y.params is None:
        fields |= {"low": float(result.low), "high": float(result.high)}
        kernel = "matmul_f32"
    else:
        assert a.params is not None
        assert b.params is not None
        scale = np.float32(a.params.scale) * np.float32(b.params.scale) / np.float32(y.params.scale)
        fields |= {"zero_a": a.params.zero_point, "zero_b": b.params.zero_point}
        fields |= {"zero": y.params.zero_point, "scale": float(scale)}
        fields |= {"low": int(result.low), "high": int(result.high)}
        kernel = "matmul_s8"
    emission.call(kernel, *arguments, structure(kernel, fields), loops=loops)
    emission.publish_clamped(node, y)


def _matrix_steps(tensor: Tensor) -> tuple[int, int]:
    """Elements between the rows and between the columns of its matrices."""
    strides = dict(zip(tensor.order, strides_of(tensor.stored), strict=True))
    rank = len(tensor.shape)
    return strides[rank - 2], strides[rank - 1]


def _batch_strides(tensor: Tensor, batches: tuple[int, ...]) -> list[int]:
    """Elements between neighbours along each batch axis of the result; 0 where it is repeated."""
    strides = dict(zip(tensor.order, strides_of(tensor.stored), strict=True))
    return [0 if tensor.shape[axis] == 1 else strides[axis] for axis in range(len(batches))]


OPERATORS = {
    "Gemm": Operator(emit_gemm, refuse_gemm),
    "MatMul": Operator(emit_matmul, refuse_matmul),
}
