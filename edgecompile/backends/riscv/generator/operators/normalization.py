"""LayerNormalization over the last axis."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from edgecompile.backends.riscv.generator.emission import Emission
from edgecompile.backends.riscv.generator.operators.entry import Operator
from edgecompile.backends.riscv.generator.text import structure
from edgecompile.graph.reading import refuse_layer_normalization


def emit_layer_normalization(emission: Emission, node: ir.Node) -> None:
    """``(x - mean) * rsqrt(mean((x - mean)^2) + epsilon) * weight + bias``."""
    x = emission.activation(node, 0)
    rank = len(x.shape)
    if x.order[-1] != rank - 1:
        x = emission.in_order(x, tuple(range(rank)))
    count = x.shape[-1]
    result = emission.clamped_result(node, x.order)
    y = result.tensor
    bias = np.zeros(count, np.float32)
    if len(node.inputs) > 2 and node.inputs[2] is not None:
        bias = emission.real_constant(node, 2)
    weight = emission.real_constant(node, 1)
    epsilon = node.attributes.get_float("epsilon", 1e-5)
    fields: dict[str, object] = {"rows": x.size // count, "count": count, "epsilon": epsilon}
    kernel = "layer_norm_f32"
    if x.params is not None and y.params is not None:
        kernel = "layer_norm_s8"
        fields |= {"scale_x": x.params.scale, "zero": y.params.zero_point}
        fields |= {"scale": y.params.scale, "low": int(result.low), "high": int(result.high)}
    else:
        fields |= {"low": float(result.low), "high": float(result.high)}
    shape = "normalization" if kernel == "layer_norm_s8" else "normalization_f32"
    emission.call(
        kernel,
        x.read(),
        y.write(),
        emission.constant_pointer(f"{node.name}_weight", np.broadcast_to(weight, count)),
        emission.constant_pointer(f"{node.name}_bias", np.broadcast_to(bias, count)),
        structure(shape, fields),
        in_place=[(x, y)],
    )
    emission.publish_clamped(node, y)


OPERATORS = {"LayerNormalization": Operator(emit_layer_normalization, refuse_layer_normalization)}
