"""LayerNormalization, which TFLite has not: a float island of small operators."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from edgecompile.formats.tflite.emission import Emission, Tensor
from edgecompile.formats.tflite.flatbuffer import make_options
from edgecompile.formats.tflite.operators.entry import Operator
from edgecompile.graph.layout import plain
from edgecompile.graph.reading import rank_of, refuse_layer_normalization


def emit_layer_normalization(emission: Emission, node: ir.Node) -> None:
    """``(x - mean) * rsqrt(mean((x - mean)^2) + epsilon) * weight + bias`` in float32.

    Over the last axis. The square has a range that int8 cannot hold, so integers end here and
    begin again behind it.
    """
    rank = rank_of(node.inputs[0])
    x = emission.activation(node, 0, plain(rank))
    reduced = (*x.shape[:-1], 1)
    axes = emission.writer.integers([rank - 1])
    keep = make_options("ReducerOptions", keepDims=True)

    def new(part: str, shape: tuple[int, ...]) -> Tensor:
        return emission.new(f"{node.name}.{part}", shape, plain(rank), None)

    mean, centred, squared = new("mean", reduced), new("centred", x.shape), new("squared", x.shape)
    variance, stable, inverse = (new(p, reduced) for p in ("variance", "stable", "inverse"))
    scaled = new("scaled", x.shape)
    epsilon = np.array([node.attributes.get_float("epsilon", 1e-5)], np.float32)
    emission.op("MEAN", [x, axes], [mean], keep)
    emission.op("SUB", [x, mean], [centred], make_options("SubOptions"))
    emission.op("MUL", [centred, centred], [squared], make_options("MulOptions"))
    emission.op("MEAN", [squared, axes], [variance], keep)
    offset = emission.constant(f"{node.name}.epsilon", epsilon, None)
    emission.op("ADD", [variance, offset], [stable], make_options("AddOptions"))
    emission.op("RSQRT", [stable], [inverse])
    emission.op("MUL", [centred, inverse], [scaled], make_options("MulOptions"))
    result = emission.result(node, plain(rank))
    weight = emission.constant(f"{node.name}.weight", emission.real_constant(node, 1), None)
    if len(node.inputs) < 3 or node.inputs[2] is None:
        emission.op("MUL", [scaled, weight], [result], make_options("MulOptions"))
        return
    weighted = new("weighted", x.shape)
    bias = emission.constant(f"{node.name}.bias", emission.real_constant(node, 2), None)
    emission.op("MUL", [scaled, weight], [weighted], make_options("MulOptions"))
    emission.op("ADD", [weighted, bias], [result], make_options("AddOptions"))


OPERATORS = {
    "LayerNormalization": Operator(
        emit_layer_normalization, refuse_layer_normalization, integer=False
    )
}
