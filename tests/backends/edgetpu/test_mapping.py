"""The predictor against what the vendor's compiler did, and against each rule."""

from __future__ import annotations

import numpy as np
import pytest

from edgecompile.backends.edgetpu.mapping import Status, predict_mapping
from edgecompile.backends.edgetpu.operator_versions import HIGHEST_VERSION
from edgecompile.backends.edgetpu.refusals import COMPILED
from edgecompile.backends.edgetpu.rules import RULES
from edgecompile.formats.tflite.graph import parse_graph
from tests.backends.edgetpu.files import File

PAIRS = (
    "deeplabv3_mnv2_dm05_pascal_quant",
    "keras_lstm_mnist_ptq",
    "mobilenet_v1_0.25_128_quant",
    "posenet_mobilenet_v1_075_353_481_16_quant_decoder",
    "split_concat",
)


def graph_of(file):
    return parse_graph(file.read_bytes(), file.name)


@pytest.mark.parametrize("name", PAIRS)
def test_the_vendors_compiler_left_the_predicted_operators_on_the_cpu(data_folder, name):
    folder = data_folder / "coral_pairs"
    predicted = predict_mapping(graph_of(folder / f"{name}.tflite"), 14)
    compiled = graph_of(folder / f"{name}_edgetpu.tflite").operators
    # What an operator makes keeps its name in the compiled file: each is told apart by it.
    left = [(o.name, o.custom, [t.name for t in o.outputs]) for o in compiled]
    cpu = [p.operator for p in predicted if not p.is_mapped]
    assert [(o.name, o.custom, [t.name for t in o.outputs]) for o in cpu] == [
        operator for operator in left if operator[1] != COMPILED
    ]


def test_the_table_names_operators_that_the_compiler_can_read():
    assert set(RULES) <= set(HIGHEST_VERSION)


IMAGE = (1, 8, 8, 4)


def conv(file, x, **fields):
    weight = file.constant(np.ones((4, 1, 1, 4)))
    bias = file.constant(np.zeros(4), np.int32)
    options = {"strideH": 1, "strideW": 1, "dilationHFactor": 1, "dilationWFactor": 1, **fields}
    return file.op("CONV_2D", [x, weight, bias], IMAGE, "Conv2DOptions", **options)


def dense(file, x, rows, weight=None, **fields):
    weight = file.constant(np.ones((3, 4))) if weight is None else weight
    return file.op("FULLY_CONNECTED", [x, weight, -1], (rows, 3), "FullyConnectedOptions", **fields)


def pool(file, x, **fields):
    return file.op("MAX_POOL_2D", [x], (1, 4, 4, 4), "Pool2DOptions", **fields)


def concat(file, parts, axis=3, **fields):
    shape = (1, 8, 8, 8)
    return file.op("CONCATENATION", parts, shape, "ConcatenationOptions", axis=axis, **fields)


def mean(file, shape, axes, result):
    return file.op("MEAN", [file.x(*shape), file.integers(*axes)], result, "ReducerOptions")


def resize(file, before, after, name="RESIZE_BILINEAR"):
    return file.op(name, [file.x(*before), file.integers(*after[1:3])], after)


def strided(file, steps, **fields):
    bounds = [file.integers(*v) for v in ((0, 0, 0, 0), IMAGE, steps)]
    inputs = [file.x(*IMAGE), *bounds]
    return file.op("STRIDED_SLICE", inputs, IMAGE, "StridedSliceOptions", **fields)


def prelu(file, slopes):
    return file.op("PRELU", [file.x(*IMAGE), file.constant(np.ones(slopes))], IMAGE)


def split(file, axis):
    inputs = [file.constant(axis, np.int32), file.x(*IMAGE)]
    return file.op("SPLIT", inputs, IMAGE, "SplitOptions", numSplits=1)


def pad(file, paddings):
    rows = file.constant(paddings, np.int32)
    return file.op("PAD", [file.x(*IMAGE), rows], (1, 9, 9, 4))


def one(name, shape=IMAGE, result=None):
    return lambda file: file.op(name, [file.x(*shape)], result or shape)


MAPPED = {
    "a convolution": lambda f: conv(f, f.x(*IMAGE)),
    "a convolution that dilates": lambda f: conv(
        f, f.x(*IMAGE), dilationHFactor=2, dilationWFactor=2
    ),
    "a product with one row": lambda f: dense(f, f.x(1, 4), 1),
    "a pool": lambda f: pool(f, f.x(*IMAGE)),
    "a pool of the whole image": one("AVERAGE_POOL_2D", (1, 33, 33, 160), (1, 1, 1, 160)),
    "a concatenation": lambda f: concat(f, [f.x(*IMAGE), f.x(*IMAGE)]),
    "zeros joined to one tensor": lambda f: concat(f, [f.x(*IMAGE), f.constant(np.zeros(IMAGE))]),
    "a mean over the image": lambda f: mean(f, IMAGE, (1, 2), (1, 4)),
    "a mean over 4 channels": lambda f: mean(f, IMAGE, (3,), (1, 8, 8, 1)),
    "a mean over 64 x 128": lambda f: mean(f, (1, 64, 128, 3), (1, 2), (1, 3)),
    "a softmax over 16,000 elements": one("SOFTMAX", (1, 16000)),
    "a resize by 2": lambda f: resize(f, (1, 8, 8, 32), (1, 16, 16, 32)),
    "a slice with strides of 1": lambda f: strided(f, (1, 1, 1, 1)),
    "slopes for each channel": lambda f: prelu(f, (1, 1, 4)),
    "a split of channels": lambda f: split(f, 3),
    "a padded image": lambda f: pad(f, [[0, 0], [1, 0], [1, 0], [0, 0]]),
    "a squeeze of leading dimensions": one("SQUEEZE", (1, 1, 6), (6,)),
    "uint8 turned to int8": lambda f: f.op("QUANTIZE", [f.x(*IMAGE, dtype=np.uint8)], IMAGE),
}


@pytest.mark.parametrize("name", MAPPED)
def test_is_mapped(name):
    file = File()
    (placement,) = predict_mapping(file.graph(MAPPED[name](file)), 14)
    assert (placement.status, placement.reason) == (Status.MAPPED, None)


LIMIT = Status.LIMITATION
UNMAPPED = {
    "dilations that differ": (
        lambda f: conv(f, f.x(*IMAGE), dilationHFactor=2), LIMIT, "its dilations differ: 2 and 1"),
    "several rows": (
        lambda f: dense(f, f.x(5, 4), 5), LIMIT, "its result has 5 rows"),
    "computed weights": (
        lambda f: dense(f, f.x(1, 4), 1, f.x(3, 4)), LIMIT, "its weights are not constant"),
    "shuffled weights": (
        lambda f: dense(f, f.x(1, 4), 1, weightsFormat=1), LIMIT, "its weights are shuffled"),
    "a fused pool": (
        lambda f: pool(f, f.x(*IMAGE), fusedActivationFunction=1), LIMIT,
        "it has a fused activation function"),
    "a constant that is not zero": (
        lambda f: concat(f, [f.x(*IMAGE), f.constant(np.ones(IMAGE))]), LIMIT,
        "it joins a constant that is not all zeros"),
    "a constant beside two tensors": (
        lambda f: concat(f, [f.x(*IMAGE), f.x(*IMAGE), f.constant(np.zeros(IMAGE))]), LIMIT,
        "it joins a constant with more than one tensor"),
    "a mean over the batch": (
        lambda f: mean(f, IMAGE, (0,), (8, 8, 4)), LIMIT, "it reduces the batch"),
    "a mean over 6 channels": (
        lambda f: mean(f, (1, 8, 8, 6), (-1,), (1, 8, 8, 1)), LIMIT,
        "it reduces 6 channels, no multiple of 4"),
    "a mean over 256 x 128": (
        lambda f: mean(f, (1, 256, 128, 3), (1, 2), (1, 3)), LIMIT,
        "it takes 32,768 numbers together"),
    "a softmax of rows": (
        one("SOFTMAX", (1, 5, 9)), LIMIT, "it has 5 rows: one is supported"),
    "a long softmax": (
        one("SOFTMAX", (1, 16001)), LIMIT,
        "it has 16,001 elements: at most 16,000 are supported"),
    "a bilinear resize by 33": (
        lambda f: resize(f, (1, 1, 1, 256), (1, 33, 33, 256)), LIMIT,
        "it enlarges 33 times, which 8-bit weights cannot interpolate"),
    "a resize to 8 MiB": (
        lambda f: resize(f, (1, 256, 256, 32), (1, 512, 512, 32), "RESIZE_NEAREST_NEIGHBOR"),
        LIMIT, "its result has 8,388,608 bytes"),
    "a slice with strides": (
        lambda f: strided(f, (1, 2, 2, 1)), LIMIT, "its strides are [1, 2, 2, 1]"),
    "a slice with a new axis": (
        lambda f: strided(f, (1, 1, 1, 1), newAxisMask=1), LIMIT,
        "it has an ellipsis or a new axis"),
    "slopes for each pixel": (
        lambda f: prelu(f, (8, 8, 4)), LIMIT, "its slopes vary beyond the last dimension"),
    "a split of the batch": (lambda f: split(f, 0), LIMIT, "it splits the batch"),
    "a padded batch": (
        lambda f: pad(f, [[1, 0], [0, 0], [0, 0], [0, 0]]), LIMIT, "it pads the batch"),
    "a squeeze that moves": (
        one("SQUEEZE", (1, 6, 1), (6,)), LIMIT,
        "it drops a dimension that is not leading: the layout changes"),
    "a quantize of floats": (
        lambda f: f.op("QUANTIZE", [f.x(*IMAGE, dtype=np.float32)], IMAGE), LIMIT,
        "it reads float32"),
    "a float operator": (
        lambda f: f.op("ADD", [f.x(4, dtype=np.float32)] * 2, (4,), dtype=np.float32),
        Status.TYPE, "it reads or writes float32"),
    "a batch of 2": (
        one("RELU", (2, 8, 8, 4)), Status.RANK, "a tensor of it is [2, 8, 8, 4]"),
    "an operator that it lacks": (
        one("HARD_SWISH"), Status.OPERATION, "the Edge TPU has no such operator"),
    "a mean whose axes are computed": (
        lambda f: f.op("MEAN", [f.x(*IMAGE), f.x(2)], (1, 4)), LIMIT, "input 1 is not constant"),
}  # fmt: skip


@pytest.mark.parametrize("name", UNMAPPED)
def test_is_left_to_the_cpu(name):
    make, status, reason = UNMAPPED[name]
    file = File()
    (placement,) = predict_mapping(file.graph(make(file)), 14)
    assert (placement.status, placement.reason) == (status, reason)


def test_an_old_runtime_knows_fewer_operators():
    file = File()
    graph = file.graph(one("RSQRT")(file))
    assert predict_mapping(graph, 14)[0].is_mapped
    assert predict_mapping(graph, 13)[0].status is Status.VERSION


def statuses(graph):
    return [placement.status for placement in predict_mapping(graph, 14)]


def test_what_comes_behind_the_first_unmapped_operator_runs_on_the_cpu():
    file = File()
    a = file.op("RELU", [file.x(*IMAGE)], IMAGE)
    b = file.op("HARD_SWISH", [a], IMAGE)
    c = file.op("RELU", [b], IMAGE)
    assert statuses(file.graph(c)) == [Status.MAPPED, Status.OPERATION, Status.SUBGRAPH]


def test_a_branch_beside_the_unmapped_operator_is_mapped():
    file = File()
    x = file.x(*IMAGE)
    unmapped = file.op("HARD_SWISH", [x], IMAGE)
    beside = file.op("RELU", [x], IMAGE)
    behind = file.op("RELU", [beside], IMAGE)
    joined = file.op("ADD", [unmapped, behind], IMAGE)
    # The first operator decides which set is filled first: the CPU's. Then all the rest is ready.
    graph = file.graph(joined)
    assert statuses(graph) == [Status.OPERATION, Status.MAPPED, Status.MAPPED, Status.MAPPED]


def test_a_float_border_leaves_the_integers_between_to_the_edge_tpu():
    file = File()
    a = file.op("QUANTIZE", [file.x(*IMAGE, dtype=np.float32)], IMAGE)
    b = file.op("RELU", [a], IMAGE)
    c = file.op("DEQUANTIZE", [b], IMAGE, dtype=np.float32)
    assert statuses(file.graph(c)) == [Status.LIMITATION, Status.MAPPED, Status.TYPE]


def test_the_reason_of_what_comes_behind_names_the_culprit():
    file = File()
    b = file.op("HARD_SWISH", [file.op("RELU", [file.x(*IMAGE)], IMAGE)], IMAGE)
    graph = file.graph(file.op("RELU", [b], IMAGE))
    reason = predict_mapping(graph, 14)[2].reason
    assert reason == "it comes behind what the CPU runs: HARD_SWISH (1)"
