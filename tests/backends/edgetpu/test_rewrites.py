"""Each rewrite computes what the hub computes, in operators that are mapped."""

from __future__ import annotations

import numpy as np
import pytest

from edgecompile.backends.edgetpu.lowering import lower_for_edgetpu
from edgecompile.backends.edgetpu.mapping import predict_mapping
from edgecompile.backends.edgetpu.refusals import find_refusals
from edgecompile.backends.edgetpu.rewrites import rewritten
from edgecompile.compress.draft import draft
from edgecompile.conformance.cases import CASES
from edgecompile.formats.tflite.graph import parse_graph
from edgecompile.formats.tflite.operators import OPERATORS
from edgecompile.formats.tflite.run import run_tflite
from edgecompile.graph.qdq import output_scales, require_qdq
from tests.formats.tflite.compare import by_onnx_runtime, lsb_differences
from tests.hubs import AFFINE, hub_of, quickly_quantized, samples_for

IMAGE = "float[1,6,8,8] x"
POOL = "kernel_shape=[3,3],strides=[2,2],pads=[1,1,1,1]"

# By name: inputs, body, constants, the most LSB that the result may be off, the file's operators.
REWRITES = {
    "Gelu": (IMAGE, "y = Gelu(x)", "", 3, ["MUL", "LOGISTIC", "MUL"]),
    "HardSwish": (IMAGE, "y = HardSwish(x)", "", 1, ["MUL", "ADD", "MUL"]),
    "HardSigmoid": (
        IMAGE, "y = HardSigmoid<alpha=0.1667,beta=0.5>(x)", "", 1, ["MUL", "ADD", "MUL"]),
    "LeakyRelu": (IMAGE, "y = LeakyRelu<alpha=0.1>(x)", "", 1, ["PRELU"]),
    "Neg": (IMAGE, "y = Neg(x)", "", 0, ["MUL"]),
    "Abs": (IMAGE, "y = Abs(x)", "", 1, ["MUL", "MUL", "MAXIMUM"]),
    "Pow": (IMAGE, "y = Pow(x, two)", "float two = {2}", 1, ["MUL"]),
    "Split": (
        IMAGE, "a, b = Split<axis=1>(x, s) y = Concat<axis=1>(b, a)", "int64[2] s = {2, 4}", 0,
        ["SLICE", "SLICE", "CONCATENATION"]),
    "Gather of a number": (
        IMAGE, "y = Gather<axis=2>(x, i)", "int64 i = {3}", 0,
        ["SLICE", "RESHAPE", "TRANSPOSE"]),
    "Gather of a list": (
        IMAGE, "y = Gather<axis=2>(x, i)", "int64[1] i = {-1}", 0, ["SLICE"]),
    "Slice with steps": (
        IMAGE, "y = Slice(x, s, e, a, t)",
        "int64[2] s = {1, 0}, int64[2] e = {8, 9}, int64[2] a = {2, 3}, int64[2] t = {2, 3}", 0,
        ["SLICE", "MAX_POOL_2D"]),
    "ReduceMean of channels": (
        IMAGE, "y = ReduceMean<keepdims=1>(x, a)", "int64[1] a = {1}", 1, ["CONV_2D"]),
    "ReduceMean of channels, dropped": (
        IMAGE, "y = ReduceMean<keepdims=0>(x, a)", "int64[1] a = {1}", 1, ["CONV_2D", "RESHAPE"]),
    "ReduceSum": (
        IMAGE, "y = ReduceSum<keepdims=0>(x, a)", "int64[2] a = {2, 3}", 1, ["MEAN", "MUL"]),
    "MaxPool with padding": (
        IMAGE, f"y = MaxPool<{POOL}>(x)", "", 0, ["MAX_POOL_2D", "MAX_POOL_2D"]),
    "MaxPool with padding behind Relu": (
        IMAGE, f"r = Relu(x) y = MaxPool<{POOL}>(r)", "", 1, ["QUANTIZE", "PAD", "MAX_POOL_2D"]),
    "MaxPool with a clamp": (
        IMAGE, "p = MaxPool<kernel_shape=[2,2],strides=[2,2]>(x) y = Relu(p)", "", 1,
        ["MAX_POOL_2D", "QUANTIZE"]),
    "Conv with groups": (
        IMAGE, "y = Conv<group=3,pads=[1,1,1,1]>(x, w)", "float[9,2,3,3] w", 1, ["CONV_2D"]),
    "Conv over one dimension, dilated": (
        "float[1,4,9] x", "y = Conv<dilations=[2]>(x, w)", "float[5,4,3] w", 1,
        ["TRANSPOSE", "RESHAPE", "CONV_2D", "RESHAPE", "TRANSPOSE"]),
    "DepthToSpace": (
        "float[1,8,3,4] x", "y = DepthToSpace<blocksize=2>(x)", "", 0, ["TRANSPOSE_CONV"]),
    "PixelShuffle": (
        "float[1,8,3,4] x", 'y = DepthToSpace<blocksize=2,mode="CRD">(x)', "", 0,
        ["TRANSPOSE_CONV"]),
    "Gemm": (
        "float[1,3,4,5] x", "f = Flatten(x) y = Gemm<transB=1>(f, w)", "float[7,60] w", 1,
        ["RESHAPE", "CONV_2D", "RESHAPE"]),
    "Gemm behind Gemm": (
        "float[1,8] x", "a = Gemm<transB=1>(x, v) r = Relu(a) y = Gemm<transB=1>(r, w)",
        "float[9,8] v, float[7,9] w", 2, ["RESHAPE", "CONV_2D", "CONV_2D", "RESHAPE"]),
    "MatMul of several rows": (
        "float[1,5,6] x", "y = MatMul(x, w)", "float[6,4] w", 1,
        ["RESHAPE", "CONV_2D", "RESHAPE"]),
}  # fmt: skip


def run(content, samples, tmp_path, kernels="xnnpack"):
    file = tmp_path / "model.tflite"
    file.write_bytes(content)
    return run_tflite(file, samples, kernels)


@pytest.mark.parametrize("name", REWRITES)
def test_a_rewrite_is_mapped_and_computes_the_same(name, tmp_path):
    inputs, body, constants, most, operators = REWRITES[name]
    hub = hub_of(inputs, body, constants)
    samples = samples_for(hub, spread=2.0)
    hub = quickly_quantized(hub, samples)
    expected = by_onnx_runtime(hub, samples)
    assert len(np.unique(np.rint(expected[0] / output_scales(hub)[0]))) > 20
    prepared = rewritten(hub)
    require_qdq(prepared, "affine")
    assert lsb_differences(hub, expected, by_onnx_runtime(prepared, samples)).max() <= most
    content = lower_for_edgetpu(prepared, "int8").content
    placements = predict_mapping(parse_graph(content, name), 14)
    assert [p.operator.name for p in placements] == operators
    assert [p.reason for p in placements if not p.is_mapped] == []
    assert find_refusals(parse_graph(content, name)) == []
    found = run(content, samples, tmp_path)
    assert lsb_differences(hub, expected, found).max() <= most


APPROXIMATE = {"Gelu": 3}
"""LSB beyond a case's own."""


@pytest.mark.parametrize("case", [c for c in CASES if c.op in OPERATORS], ids=str)
def test_every_operator_of_tflite_computes_the_same_in_the_edge_tpus_forms(case, tmp_path):
    hub = case.hub()
    samples = case.samples()
    quantized = quickly_quantized(hub, samples)
    prepared = rewritten(quantized)
    require_qdq(prepared, "affine")
    lowered = lower_for_edgetpu(prepared, "int8")
    graph = parse_graph(lowered.content, str(case))
    assert len(lowered.origins) == len(graph.operators) == len(predict_mapping(graph, 14))
    found = run(lowered.content, samples, tmp_path)
    differences = lsb_differences(quantized, by_onnx_runtime(quantized, samples), found)
    assert differences.max() <= case.lsb + APPROXIMATE.get(case.op, 0)


@pytest.mark.parametrize("name", ["Gelu", "Split", "Gemm", "Conv with groups", "PixelShuffle"])
def test_a_draft_has_the_operators_of_the_quantized_hub(name):
    inputs, body, constants, _, operators = REWRITES[name]
    drafted = rewritten(draft(hub_of(inputs, body, constants), AFFINE))
    graph = parse_graph(lower_for_edgetpu(drafted, "int8").content, name)
    assert [operator.name for operator in graph.operators] == operators


def test_a_rewrite_leaves_the_hub_as_it_was():
    hub = hub_of(IMAGE, "y = Gelu(x)")
    quantized = quickly_quantized(hub, samples_for(hub))
    rewritten(quantized)
    assert "Gelu" in {node.op_type for node in quantized.graph}


def test_an_operator_in_float_is_not_rewritten():
    hub = hub_of(IMAGE, "r = Relu(x) y = Gelu(r)")
    quantized = quickly_quantized(hub, samples_for(hub), float_nodes=frozenset({"gelu2"}))
    assert "Gelu" in {node.op_type for node in rewritten(quantized).graph}
