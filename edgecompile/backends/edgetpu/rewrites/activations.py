"""Activations that the Edge TPU has no operator for, from LOGISTIC, ADD and MUL, which it has.

Each starts by a MUL whose result has the input's scale times the factor: the integers stay what
they are, and the next operator reads them as larger or smaller numbers.
"""

from __future__ import annotations

import onnx_ir as ir

from edgecompile.backends.edgetpu.rewrites.chain import (
    Chain,
    input_params,
    is_quantized,
    output_params,
    scaled,
)
from edgecompile.graph.constants import static_value
from edgecompile.graph.hub import shape_of
from edgecompile.graph.qdq import FIXED_OUTPUT, TensorParams

UNIT = TensorParams(1 / 255, -128)
"""Covers [0, 1] and nothing else: int8's own limits clamp to it."""

GELU_SLOPE = 1.702
"""Hendrycks, Gimpel: Gaussian Error Linear Units (arXiv 1606.08415), section 2: x * sigmoid(1.702x)
differs from GELU by at most 0.0203 (near |x| = 2.3)."""


def approximate_gelu(model: ir.Model) -> None:
    """``Gelu(x)`` becomes ``x * Sigmoid(1.702 * x)``. An approximation, in place."""
    for node in list(model.graph):
        params = input_params(node)
        if node.op_type != "Gelu" or params is None or not is_quantized(node):
            continue
        chain, shape = Chain(model.graph, node), shape_of(node.outputs[0])
        steep = chain.op("Mul", [chain.source, chain.number(GELU_SLOPE)], shape)
        steep = chain.quantized(steep, scaled(params, GELU_SLOPE))
        gate = chain.op("Sigmoid", [steep], shape)
        gate = chain.quantized(gate, FIXED_OUTPUT["affine"]["Sigmoid"])
        chain.op("Mul", [chain.source, gate], shape)
        chain.finish()


def write_out_hard_swish(model: ir.Model) -> None:
    """``HardSwish(x)`` becomes ``x * clip(x / 6 + 1/2, 0, 1)``, in place.

    The clip is int8's own: the gate is rounded to 1/255, so the result may differ by |x| / 510.
    """
    for node in list(model.graph):
        params = input_params(node)
        if node.op_type != "HardSwish" or params is None or not is_quantized(node):
            continue
        chain, shape = Chain(model.graph, node), shape_of(node.outputs[0])
        flat = chain.op("Mul", [chain.source, chain.number(1 / 6)], shape)
        flat = chain.quantized(flat, scaled(params, 1 / 6))
        gate = chain.quantized(chain.op("Add", [flat, chain.number(0.5)], shape), UNIT)
        chain.op("Mul", [chain.source, gate], shape)
        chain.finish()


def write_out_hard_sigmoid(model: ir.Model) -> None:
    """``HardSigmoid(x)`` becomes ``Add(alpha * x, beta)`` between [0, 1], in place.

    The clip is int8's own; then a MUL by 1 takes it to the parameters that the hub decided.
    """
    for node in list(model.graph):
        params = input_params(node)
        if node.op_type != "HardSigmoid" or params is None or not is_quantized(node):
            continue
        alpha = node.attributes.get_float("alpha", 0.2)
        beta = node.attributes.get_float("beta", 0.5)
        chain, shape = Chain(model.graph, node), shape_of(node.outputs[0])
        flat = chain.op("Mul", [chain.source, chain.number(alpha)], shape)
        flat = chain.quantized(flat, scaled(params, alpha))
        gate = chain.op("Add", [flat, chain.number(beta)], shape)
        if output_params(node) != UNIT:
            gate = chain.quantized(gate, UNIT)
            chain.op("Mul", [gate, chain.number(1.0)], shape)
        chain.finish()


def turn_leaky_relu_into_prelu(model: ir.Model) -> None:
    """``LeakyRelu(x)`` becomes ``PRelu(x, slope)``, in place. Exact but for rounding."""
    for node in list(model.graph):
        if node.op_type == "LeakyRelu" and is_quantized(node):
            chain, shape = Chain(model.graph, node), shape_of(node.outputs[0])
            slope = chain.number(node.attributes.get_float("alpha", 0.01))
            chain.op("PRelu", [chain.source, slope], shape)
            chain.finish()


def turn_negation_into_product(model: ir.Model) -> None:
    """``Neg(x)`` becomes ``x * -1``, in place. Exact."""
    for node in list(model.graph):
        if node.op_type == "Neg" and is_quantized(node):
            chain = Chain(model.graph, node)
            chain.op("Mul", [chain.source, chain.number(-1.0)], shape_of(node.outputs[0]))
            chain.finish()


def write_out_absolute_value(model: ir.Model) -> None:
    """``Abs(x)`` becomes ``Max(x * 1, x * -1)``, both with the result's parameters, in place.

    Exact but for rounding: int8's own limits cut off the negative part of each product.
    """
    for node in list(model.graph):
        result = output_params(node)
        if node.op_type != "Abs" or result is None or not is_quantized(node):
            continue
        chain, shape = Chain(model.graph, node), shape_of(node.outputs[0])
        signs = [chain.op("Mul", [chain.source, chain.number(s)], shape) for s in (1.0, -1.0)]
        chain.op("Max", [chain.quantized(part, result) for part in signs], shape)
        chain.finish()


def turn_square_into_product(model: ir.Model) -> None:
    """``Pow(x, 2)`` becomes ``x * x``, in place. Exact."""
    for node in list(model.graph):
        if node.op_type != "Pow" or not is_quantized(node):
            continue
        exponent = static_value(node.inputs[1])
        if exponent is not None and exponent.size == 1 and float(exponent.ravel()[0]) == 2.0:
            chain = Chain(model.graph, node)
            chain.op("Mul", [chain.source, chain.source], shape_of(node.outputs[0]))
            chain.finish()
