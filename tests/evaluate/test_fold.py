"""What depends on constants alone is computed once, to the same numbers."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime as ort
from onnx.reference import ReferenceEvaluator

from edgecompile.evaluate.fold import fold_constants
from edgecompile.evaluate.session import run_onnx

ROUNDED_WEIGHTS = """
<ir_version: 10, opset_import: ["" : 21]>
net (float[1, 4] x) => (float[1, 2] y)
<float[4, 2] w = {0.11, -0.2, 0.3, 0.4, -0.52, 0.6, 0.7, 0.84},
 float[2] scale = {0.01, 0.007}, int8[2] zero = {0, 0},
 float step = {0.02}, uint8 middle = {128}>
{
    rounded = QuantizeLinear<axis = 1>(w, scale, zero)
    weights = DequantizeLinear<axis = 1>(rounded, scale, zero)
    steps = QuantizeLinear(x, step, middle)
    data = DequantizeLinear(steps, step, middle)
    y = MatMul(data, weights)
}
"""


def test_weights_are_rounded_once_and_activations_at_every_sample():
    model = onnx.parser.parse_model(ROUNDED_WEIGHTS).SerializeToString()
    folded = onnx.load_from_string(fold_constants(model))
    assert [node.op_type for node in folded.graph.node] == [
        "QuantizeLinear",
        "DequantizeLinear",
        "MatMul",
    ]
    samples = np.random.default_rng(0).standard_normal((20, 4), np.float32)
    (outputs,) = run_onnx(model, samples)
    for sample, output in zip(samples, outputs, strict=True):
        (said,) = ReferenceEvaluator(onnx.load_from_string(model)).run(None, {"x": sample[None]})
        np.testing.assert_allclose(output, said[0], rtol=1e-6, atol=1e-7)


def test_an_output_that_is_constant_is_still_given():
    text = """
    <ir_version: 10, opset_import: ["" : 21]>
    net (float[1, 2] x) => (float[1, 2] y, float[1, 2] z)
    <float[1, 2] a = {1, 2}>
    { y = Add(x, a)
      z = Neg(a) }
    """
    model = fold_constants(onnx.parser.parse_model(text).SerializeToString())
    session = ort.InferenceSession(model, providers=["CPUExecutionProvider"])
    y, z = session.run(["y", "z"], {"x": np.ones((1, 2), np.float32)})
    assert (y.tolist(), z.tolist()) == ([[2, 3]], [[-1, -2]])


def test_a_model_without_such_nodes_keeps_its_bytes():
    text = """
    <ir_version: 10, opset_import: ["" : 21]>
    net (float[1, 2] x) => (float[1, 2] y) { y = Relu(x) }
    """
    model = onnx.parser.parse_model(text).SerializeToString()
    assert fold_constants(model) == model
