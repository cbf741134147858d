"""What has no form in TFLite is a finding with its place, and never an exception."""

from __future__ import annotations

import pytest

from edgecompile.formats.tflite.check import check_operators, check_scheme
from tests.hubs import hub_of

IMAGE = "float[1,4,6,6] x"
W = "float[4,4,3,3] w"

REFUSED = {
    "Conv over three dimensions": (
        "float[1,2,4,4,4] x", "y = Conv(x, w)", "float[2,2,3,3,3] w",
        "only convolutions over one or two dimensions are written"),
    "Conv with a computed weight": (
        IMAGE, "v = Relu(w) z = Add(x, x) r = Reshape(z, s) y = Conv(x, r)",
        "float[1] w, int64[4] s = {4, 1, 6, 6}",
        "the weight of a convolution must be constant"),
    "Conv with a computed bias": (
        IMAGE, "b = ReduceMax<keepdims=0>(x, a) q = Squeeze(b, z) y = Conv(x, w, q)",
        W + ", int64[2] a = {2, 3}, int64[1] z = {0}",
        "the bias of a convolution must be constant"),
    "Conv with auto_pad": (
        IMAGE, 'y = Conv<auto_pad="SAME_UPPER">(x, w)', W,
        "auto_pad is not written: give explicit pads, as torch exports them"),
    "ConvTranspose over one dimension": (
        "float[1,4,6] x", "y = ConvTranspose(x, w)", "float[4,2,3] w",
        "only transposed convolutions over two dimensions with constant weights are written"),
    "ConvTranspose with groups": (
        IMAGE, "y = ConvTranspose<group=2>(x, w)", "float[4,2,3,3] w",
        "TRANSPOSE_CONV has no groups"),
    "ConvTranspose with dilation": (
        IMAGE, "y = ConvTranspose<dilations=[2,2]>(x, w)", W, "TRANSPOSE_CONV has no dilation"),
    "ConvTranspose with auto_pad": (
        IMAGE, 'y = ConvTranspose<auto_pad="SAME_UPPER", strides=[2,2]>(x, w)', W,
        "auto_pad is not written: give explicit pads, as torch exports them"),
    "ConvTranspose to a given shape": (
        IMAGE, "y = ConvTranspose<strides=[2,2], output_shape=[12,12]>(x, w)", W,
        "output_shape of ConvTranspose is not written: give pads, as torch exports them"),
    "ConvTranspose with a computed bias": (
        IMAGE, "b = ReduceMax<keepdims=0>(x, a) q = Squeeze(b, z) y = ConvTranspose(x, w, q)",
        W + ", int64[2] a = {2, 3}, int64[1] z = {0}",
        "the bias of a convolution must be constant"),
    "Gemm of two activations": (
        "float[4,4] x", "y = Gemm(x, x)", "", "the second matrix of Gemm must be constant"),
    "Gemm with transA": (
        "float[4,4] x", "y = Gemm<transA=1>(x, w)", "float[4,3] w",
        "a transposed first matrix is not written"),
    "Gemm with alpha": (
        "float[1,4] x", "y = Gemm<alpha=2.0>(x, w)", "float[4,3] w",
        "alpha and beta other than 1 are not written"),
    "Gemm with a computed bias": (
        "float[1,4] x", "y = Gemm(x, w, x)", "float[4,4] w", "the bias of Gemm must be constant"),
    "Gemm with a bias per row": (
        "float[3,4] x", "y = Gemm(x, w, b)", "float[4,5] w, float[3,1] b",
        "the bias of Gemm must be one number, or one per column"),
    "MatMul of a constant first": (
        "float[4,4] x", "y = MatMul(w, x)", "float[3,4] w",
        "the first matrix of MatMul must be an activation"),
    "MatMul with a constant of rank 3": (
        "float[2,3,4] x", "y = MatMul(x, w)", "float[2,4,5] w", "a constant matrix must be 2-D"),
    "MatMul of different ranks": (
        "float[2,4,4] x", "s = Slice(x, a, b, a) r = Squeeze(s, a) y = MatMul(x, r)",
        "int64[1] a = {0}, int64[1] b = {1}", "matrices of different rank are not written"),
    "MatMul of vectors": (
        "float[4] x", "y = MatMul(x, w)", "float[4,3] w", "a vector is no matrix here: reshape it"),
    "Max of one": (IMAGE, "y = Max(x)", "", "with one operand it is an identity"),
    "Clip with a computed bound": (
        IMAGE, "m = ReduceMin<keepdims=0>(x) y = Clip(x, m)", "",
        "the bounds of Clip must be constant"),
    "PRelu with computed slopes": (
        IMAGE, "y = PRelu(x, x)", "", "the slopes of PRelu must be constant"),
    "Elu with alpha": (IMAGE, "y = Elu<alpha=0.5>(x)", "", "ELU is written for alpha 1 only"),
    "Softmax of rank 5": (
        "float[1,2,2,2,3] x", "y = Softmax<axis=4>(x)", "",
        "SOFTMAX has at most four dimensions"),
    "MaxPool over one dimension": (
        "float[1,4,6] x", "y = MaxPool<kernel_shape=[2]>(x)", "",
        "only pools over two dimensions are written"),
    "MaxPool that rounds up": (
        IMAGE, "y = MaxPool<kernel_shape=[3,3], strides=[2,2], ceil_mode=1>(x)", "",
        "ceil_mode is not written: TFLite's pools round down"),
    "MaxPool with dilation": (
        IMAGE, "y = MaxPool<kernel_shape=[2,2], dilations=[2,2]>(x)", "",
        "TFLite's pools have no dilation"),
    "MaxPool with auto_pad": (
        IMAGE, 'y = MaxPool<kernel_shape=[3,3], auto_pad="SAME_UPPER">(x)', "",
        "auto_pad is not written: give explicit pads, as torch exports them"),
    "AveragePool that does not count odd pads": (
        IMAGE, "y = AveragePool<kernel_shape=[3,3], pads=[1,1,0,0]>(x)", "",
        "an average that leaves its padding out of the count is written for SAME padding only"),
    "a reduction over computed axes": (
        IMAGE, "a = Shape(x) y = ReduceMean<keepdims=0>(x, a)", "",
        "the axes of a reduction must be constant"),
    "Slice with a negative step": (
        IMAGE, "y = Slice(x, s, e, a, t)",
        "int64[1] s = {-1}, int64[1] e = {-7}, int64[1] a = {3}, int64[1] t = {-1}",
        "a negative step of Slice is not written"),
    "Gather of a table": (
        IMAGE, "y = Gather(x, i)", "int64[2,2] i = {0, 0, 0, 0}",
        "indices of more than one dimension"),
    "Pad that reflects": (
        IMAGE, 'y = Pad<mode="reflect">(x, p)', "int64[8] p = {0,0,1,1,0,0,1,1}",
        "only constant padding is written"),
    "Pad that cuts": (
        IMAGE, "y = Pad(x, p)", "int64[8] p = {0,0,-1,0,0,0,0,0}", "negative pads are not written"),
    "Pad with ones": (
        IMAGE, "y = Pad(x, p, v)", "int64[8] p = {0,0,1,1,0,0,1,1}, float v = {1}",
        "padding with another value than 0"),
    "LogSoftmax over the channels of an image": (
        IMAGE, "y = LogSoftmax<axis=1>(x)", "",
        "LogSoftmax is written over the last axis only"),
    "Resize of a sequence": (
        "float[1,4,6] x",
        'y = Resize<mode="nearest", coordinate_transformation_mode="asymmetric", '
        'nearest_mode="floor">(x, , s)', "float[3] s = {1, 1, 2}",
        "only images (4-D) are resized"),
    "Resize cubic": (
        IMAGE, 'y = Resize<mode="cubic">(x, , s)', "float[4] s = {1, 1, 2, 2}",
        "Resize with mode cubic and coordinates half_pixel has no TFLite operator"),
    "Resize nearest of other rounding": (
        IMAGE, 'y = Resize<mode="nearest", coordinate_transformation_mode="asymmetric">(x, , s)',
        "float[4] s = {1, 1, 2, 2}",
        "nearest resizing is written for nearest_mode floor only, as torch exports it"),
    "Resize of channels": (
        IMAGE, 'y = Resize<mode="linear">(x, , s)', "float[4] s = {1, 2, 2, 2}",
        "only height and width are resized"),
    "Resize by a scale that its size does not say": (
        IMAGE, 'y = Resize<mode="linear">(x, , s)', "float[4] s = {1, 1, 1.4, 1.4}",
        "scales that are not the ratio of the sizes are not written: give the size"),
    "Resize with antialiasing": (
        IMAGE, 'y = Resize<mode="linear", antialias=1>(x, , s)', "float[4] s = {1, 1, 0.5, 0.5}",
        "antialiasing is not written"),
    "LayerNormalization over two axes": (
        "float[1,4,6] x", "y = LayerNormalization<axis=1>(x, w)", "float[4,6] w",
        "LayerNormalization is written over the last axis only"),
    "LayerNormalization with computed weights": (
        "float[1,4] x", "r = Squeeze(x, z) y = LayerNormalization(x, r)", "int64[1] z = {0}",
        "weight and bias of LayerNormalization must be constant"),
    "a cast of an activation": (
        IMAGE, "y = Cast<to=11>(x)", "", "edgecompile writes no TFLite operator for ONNX's Cast"),
    "an unknown operator": (
        IMAGE, "y = Erf(x)", "", "edgecompile writes no TFLite operator for ONNX's Erf"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_a_refused_node_is_a_finding_with_its_place(name):
    inputs, body, constants, message = REFUSED[name]
    outputs = "double[] y" if "to=11" in body else "float[] y"
    hub = hub_of(inputs, body, constants, outputs)
    node = next(n for n in hub.graph if n.outputs[0].name == "y")
    findings = [f for f in check_operators(hub, ()) if f.node == node.name]
    (finding,) = findings
    assert finding.message == message
    assert (finding.level, finding.rule) == ("error", "tflite-operator")
    assert finding.op_type == node.op_type
    assert finding.module == f"net.{node.name}"
    assert finding.source == f"model.py:{list(hub.graph).index(node) + 1}"
    assert finding.remedy is not None


def test_every_refused_node_has_its_own_finding():
    hub = hub_of(IMAGE, "e = Erf(x) r = Relu(e) y = Erf(r)")
    assert [f.node for f in check_operators(hub, ())] == ["erf1", "erf3"]


def test_an_operator_that_the_device_lacks_is_named():
    hub = hub_of(IMAGE, "r = Relu(x) y = LeakyRelu(r)")
    (finding,) = check_operators(hub, ["RELU"])
    assert finding.rule == "tflite-runtime-operator"
    assert finding.message == "the device's runtime has no LEAKY_RELU"
    assert (finding.node, finding.module) == ("leakyrelu2", "net.leakyrelu2")


def test_a_kernel_with_a_zero_point_is_refused_by_the_symmetric_scheme():
    hub = hub_of("float[1,8] x", "s = Sigmoid(x) y = Tanh(s)")
    found = check_scheme(hub, "symmetric")
    assert [(f.op_type, f.source) for f in found] == [
        ("Sigmoid", "model.py:1"),
        ("Tanh", "model.py:2"),
    ]
    assert check_scheme(hub, "affine") == []
