"""A second set, written after the rules had learned from the first, and before it was looked at."""

from __future__ import annotations

from tests.backends.tensorrt.probes import Probe, one

_SCALE = "float s = {0.02}, int8 z = {0}"

SECOND = {
    "Acosh": one("Acosh(x)"),
    "BlackmanWindow": one("BlackmanWindow(k)", "int64 k = {8}"),
    "Multinomial": one("Multinomial(x)", inputs="float[1,4] x", outputs="int32[] y"),
    "StringNormalizer": one("StringNormalizer(x)", inputs="string[2] x", outputs="string[] y"),
    "Optional": Probe("o = Optional(x) y = OptionalGetElement(o)"),
    "MelWeightMatrix": one(
        "MelWeightMatrix(a, b, c, d, e)",
        "int64 a = {4}, int64 b = {8}, int64 c = {16000}, float d = {0.0}, float e = {8000.0}",
    ),
    "SoftmaxCrossEntropyLoss": one(
        "SoftmaxCrossEntropyLoss(x, k)", "int64[2] k = {0,1}", inputs="float[2,3] x"
    ),
    "SplitToSequence": Probe(
        "l = SplitToSequence<axis = 3>(x) y = ConcatFromSequence<axis = 3>(l)"
    ),
    "DynamicQuantizeLinear": Probe("q, s, z = DynamicQuantizeLinear(x) y = Cast<to = 1>(q)"),
    "Shrink": one("Shrink(x)"),
    "IsInf": Probe("b = IsInf(x) y = Cast<to = 1>(b)"),
    "Not": Probe("b = Cast<to = 9>(x) c = Not(b) y = Cast<to = 1>(c)"),
    "LRN": one("LRN<size = 3>(x)"),
    "ReduceSumSquare": one("ReduceSumSquare(x)"),
    "EyeLike": one("EyeLike(x)", inputs="float[4,4] x"),
    "DepthToSpace, CRD": one(
        'DepthToSpace<blocksize = 2, mode = "CRD">(x)', inputs="float[1,4,8,8] x"
    ),
    "LSTM": Probe(
        "y = LSTM<hidden_size = 4>(x, w, r)",
        "float[1,16,3] w, float[1,16,4] r",
        inputs="float[5,1,3] x",
    ),
    "uint8 product": one("Mul(x, x)", inputs="uint8[4] x", outputs="uint8[] y"),
    "uint8 shape": one("Transpose(x)", inputs="uint8[4,2] x", outputs="uint8[] y"),
    "int64 product": one("MatMul(x, x)", inputs="int64[4,4] x", outputs="int64[] y"),
    "uint32 input": one("Cast<to = 1>(x)", inputs="uint32[4] x"),
    "bfloat16 sum": one("Add(x, x)", inputs="bfloat16[4] x", outputs="bfloat16[] y"),
    "Resize, half_pixel_symmetric": one(
        'Resize<mode="linear", coordinate_transformation_mode="half_pixel_symmetric">(x, r, k)',
        "float[0] r, float[4] k = {1,1,2,2}",
    ),
    "GroupNormalization of opset 20": one(
        "GroupNormalization<num_groups = 3>(x, k, b)", "float[3] k, float[3] b", opset=20
    ),
    "ScatterND, add": one(
        'ScatterND<reduction = "add">(x, k, u)', "int64[1,4] k = {0,0,0,0}, float[1] u"
    ),
    "ScatterND": one("ScatterND(x, k, u)", "int64[1,4] k = {0,0,0,0}, float[1] u"),
    "max pool in 4 dimensions": one(
        "MaxPool<kernel_shape = [1,1,1,1]>(x)", inputs="float[1,1,2,2,2,2] x"
    ),
    "strided pool of 3 dimensions": one(
        "AveragePool<kernel_shape = [2,2,2], strides = [2,2,2]>(x)", inputs="float[1,1,4,4,4] x"
    ),
    "int8 data, int8 weights of Gemm": Probe(
        "q = QuantizeLinear(x, s, z) d = DequantizeLinear(q, s, z) "
        "v = DequantizeLinear<axis = 1>(w, t) y = Gemm(d, v, b)",
        f"{_SCALE}, int8[64,32] w, float[32] t, float[32] b",
        inputs="float[4,64] x",
    ),
    "int8 weights per tensor of MatMul": Probe(
        "q = QuantizeLinear(x, s, z) d = DequantizeLinear(q, s, z) "
        "v = DequantizeLinear(w, t) y = MatMul(d, v)",
        f"{_SCALE}, int8[64,32] w, float t",
        inputs="float[1,16,64] x",
    ),
    "a zero point on the weights of MatMul": Probe(
        "v = DequantizeLinear(w, t, o) y = MatMul(x, v)",
        "int8[64,32] w, float t, int8 o = {4}",
        inputs="float[1,16,64] x",
    ),
    "pairs on both inputs of a sum": Probe(
        "q = QuantizeLinear(x, s, z) d = DequantizeLinear(q, s, z) y = Add(d, d)", _SCALE
    ),
    "int4 weights in blocks of 128": Probe(
        "v = DequantizeLinear<axis = 0, block_size = 128>(w, t) y = MatMul(x, v)",
        "int4[128,32] w, float[1,32] t",
        inputs="float[1,16,128] x",
    ),
    "e4m3 before Ada": Probe(
        "q = QuantizeLinear<output_dtype = 17>(x, s) y = DequantizeLinear(q, s)",
        "float s",
        inputs="float[4] x",
    ),
    "K of 3841": Probe(
        "y, i = TopK(x, k)",
        "int64[1] k = {3841}",
        inputs="float[1,9000] x",
        outputs="float[] y, int64[] i",
    ),
    "dynamic width": one("Sigmoid(x)", inputs="float[1,3,16,W] x"),
}
