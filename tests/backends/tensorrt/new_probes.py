"""More models of one rule each: written before any of them was given to NVIDIA's parser."""

from __future__ import annotations

from tests.backends.tensorrt.probes import Probe, one

_PAIR = "float s = {0.02}, int8 z = {0}"
_W8 = "int8[8,3,3,3] w, float[8] t"
_MATRIX = "float[1,16,64] x"
_DATA = "q = QuantizeLinear(x, s, z) d = DequantizeLinear(q, s, z)"

OPERATORS = {
    "Gelu, tanh": one('Gelu<approximate = "tanh">(x)'),
    "Mish": one("Mish(x)"),
    "HardSwish": one("HardSwish(x)"),
    "PRelu": one("PRelu(x, k)", "float[3,1,1] k"),
    "Celu": one("Celu<alpha = 2.0>(x)"),
    "ThresholdedRelu": one("ThresholdedRelu(x)"),
    "Softsign": one("Softsign(x)"),
    "Hardmax": one("Hardmax(x)"),
    "CumSum": one("CumSum(x, k)", "int64 k = {2}"),
    "CumSum, reverse": one("CumSum<reverse = 1>(x, k)", "int64 k = {2}"),
    "ReduceL2": one("ReduceL2(x, k)", "int64[1] k = {1}"),
    "ReduceLogSumExp": one("ReduceLogSumExp(x, k)", "int64[1] k = {1}"),
    "GatherND": one("GatherND(x, k)", "int64[1,2] k = {0,1}"),
    "GatherElements": one("GatherElements(x, k)", "int64[1,1,1,1] k = {0}"),
    "ScatterElements, add": one(
        'ScatterElements<reduction = "add">(x, k, u)', "int64[1,1,1,1] k = {0}, float[1,1,1,1] u"
    ),
    "OneHot": one("OneHot(k, n, v)", "int64[2] k = {0,1}, int64 n = {3}, float[2] v = {0,1}"),
    "Trilu": one("Trilu(x)"),
    "Mod": one("Mod<fmod = 1>(x, k)", "float[1] k = {2.0}"),
    "Det": one("Det(x)"),
    "Compress": one("Compress<axis = 3>(x, k)", "bool[16] k = {1,0,1,0,1,0,1,0,1,0,1,0,1,0,1,0}"),
    "BitShift": one(
        'BitShift<direction = "LEFT">(x, k)',
        "uint8[4] k = {1,1,1,1}",
        inputs="uint8[4] x",
        outputs="uint8[] y",
    ),
    "Bernoulli": one("Bernoulli(x)"),
    "Col2Im": one(
        "Col2Im(x, i, b)", "int64[2] i = {5,5}, int64[2] b = {1,5}", inputs="float[1,5,5] x"
    ),
    "DFT": one("DFT(x)", inputs="float[1,16,1] x"),
    "CenterCropPad": one("CenterCropPad(x, k)", "int64[4] k = {1,3,8,8}"),
    "AffineGrid": one("AffineGrid(x, k)", "int64[4] k = {1,3,8,8}", inputs="float[1,2,3] x"),
    "MaxUnpool": one(
        "MaxUnpool<kernel_shape = [2,2], strides = [2,2]>(x, k)",
        "int64[1,1,2,2] k = {0,2,8,10}",
        inputs="float[1,1,2,2] x",
    ),
    "MaxRoiPool": one("MaxRoiPool<pooled_shape = [2,2]>(x, k)", "float[1,5] k = {0,0,0,7,7}"),
    "NegativeLogLikelihoodLoss": one(
        "NegativeLogLikelihoodLoss(x, k)", "int64[2] k = {0,1}", inputs="float[2,3] x"
    ),
    "SequenceAt": Probe(
        "l = SequenceConstruct(x, x) y = SequenceAt(l, k)", "int64 k = {0}", opset=21
    ),
    "BitwiseXor": one("BitwiseXor(x, x)", inputs="int32[4] x", outputs="int32[] y"),
    "MatMulInteger": one(
        "MatMulInteger(x, k)", "int8[4,4] k", inputs="int8[4,4] x", outputs="int32[] y"
    ),
    "QLinearMatMul": one(
        "QLinearMatMul(x, s, z, w, s, z, s, z)",
        f"{_PAIR}, int8[4,4] w",
        inputs="int8[4,4] x",
        outputs="int8[] y",
    ),
    "RoiAlign": one("RoiAlign(x, r, b)", "float[1,4] r = {0,0,7,7}, int64[1] b = {0}"),
    "GridSample, bicubic": one('GridSample<mode = "cubic">(x, g)', "float[1,4,4,2] g", opset=20),
    "MeanVarianceNormalization": one("MeanVarianceNormalization(x)"),
    "GroupNormalization": one(
        "GroupNormalization<num_groups = 3>(x, k, b)", "float[3] k, float[3] b"
    ),
    "LpNormalization": one("LpNormalization(x)"),
    "InstanceNormalization": one("InstanceNormalization(x, k, b)", "float[3] k, float[3] b"),
    "ReverseSequence": one(
        "ReverseSequence<batch_axis = 0, time_axis = 1>(x, k)", "int64[1] k={2}"
    ),
    "NonMaxSuppression": one(
        "NonMaxSuppression(x, k, n, i, j)",
        "float[1,1,6] k, int64[1] n = {3}, float[1] i = {0.5}, float[1] j = {0.1}",
        inputs="float[1,6,4] x",
        outputs="int64[] y",
    ),
    "GRU, both ways": Probe(
        'y = GRU<hidden_size = 4, direction = "bidirectional">(x, w, r)',
        "float[2,12,3] w, float[2,12,4] r",
        inputs="float[5,1,3] x",
    ),
}

FORMS = {
    "Pad, reflect": one('Pad<mode = "reflect">(x, k)', "int64[8] k = {0,0,1,1,0,0,1,1}"),
    "Pad, wrap": one('Pad<mode = "wrap">(x, k)', "int64[8] k = {0,0,1,1,0,0,1,1}"),
    "Pad, cropping": one("Pad(x, k)", "int64[8] k = {0,0,-1,-1,0,0,-1,-1}"),
    "Resize, antialias": one(
        'Resize<mode = "linear", antialias = 1>(x, , k)', "float[4] k = {1,1,0.5,0.5}"
    ),
    "Resize, crop": one(
        'Resize<mode = "linear", coordinate_transformation_mode = "tf_crop_and_resize">(x, r, k)',
        "float[8] r = {0,0,0,0,1,1,1,1}, float[4] k = {1,1,2,2}",
    ),
    "Slice backwards": one(
        "Slice(x, a, b, c, d)",
        "int64[1] a = {15}, int64[1] b = {-17}, int64[1] c = {3}, int64[1] d = {-1}",
    ),
    "Split in unequal parts": Probe(
        "y, u = Split<axis = 3>(x, k)", "int64[2] k = {5,11}", outputs="float[] y, float[] u"
    ),
    "Einsum, diagonal": one('Einsum<equation = "ii->i">(x)', inputs="float[4,4] x"),
    "Einsum, three operands": one(
        'Einsum<equation = "ij,jk,kl->il">(x, x, x)', inputs="float[4,4] x"
    ),
    "average pool, ceil": one("AveragePool<kernel_shape=[3,3], strides=[2,2], ceil_mode=1>(x)"),
    "average pool in 1 dimension": one(
        "AveragePool<kernel_shape = [2]>(x)", inputs="float[1,3,16] x"
    ),
    "max pool with dilations": one("MaxPool<kernel_shape = [2,2], dilations = [2,2]>(x)"),
    "LpPool": one("LpPool<kernel_shape = [2,2]>(x)"),
    "K of 3840": Probe(
        "y, i = TopK(x, k)",
        "int64[1] k = {3840}",
        inputs="float[1,9000] x",
        outputs="float[] y, int64[] i",
    ),
    "convolution, SAME_UPPER": one('Conv<auto_pad = "SAME_UPPER">(x, w)', "float[8,3,3,3] w"),
    "convolution, weights as an input": one(
        "Conv(x, w)", inputs="float[1,3,16,16] x, float[8,3,3,3] w"
    ),
    "transposed convolution, output padding": one(
        "ConvTranspose<strides = [2,2], output_padding = [1,1]>(x, w)", "float[3,8,3,3] w"
    ),
    "transposed convolution, dilated": one(
        "ConvTranspose<dilations = [2,2]>(x, w)", "float[3,8,3,3] w"
    ),
    "8 dimensions": one("Relu(x)", inputs="float[1,1,1,1,1,1,1,2] x"),
    "Gemm, both transposed": one(
        "Gemm<transA = 1, transB = 1>(x, k)", "float[8,4] k", inputs="float[4,6] x"
    ),
    "batch normalization": one(
        "BatchNormalization(x, k, b, m, v)",
        "float[3] k, float[3] b, float[3] m, float[3] v = {1,1,1}",
    ),
    "Dropout": one("Dropout(x)"),
    "uint8 sum": one("Add(x, x)", inputs="uint8[4] x", outputs="uint8[] y"),
    "int8 sum": one("Add(x, x)", inputs="int8[4] x", outputs="int8[] y"),
    "int16 input": one("Cast<to = 1>(x)", inputs="int16[4] x"),
    "Cast to text": one("Cast<to = 8>(x)", outputs="string[] y"),
    "a double constant": one(
        "Mul(x, k)", "double[4] k", inputs="double[4] x", outputs="double[] y"
    ),
    "half product of half": one(
        "MatMul(x, k)", "float16[4,4] k", inputs="float16[2,4] x", outputs="float16[] y"
    ),
    "Concat of float and half": one("Concat<axis = 0>(x, k)", "float16[4] k", inputs="float[4] x"),
    "Where of float and half": one(
        "Where(c, x, k)", "float16[4] k, bool[4] c = {1,0,1,0}", inputs="float[4] x"
    ),
}

QUANTIZED = {
    "int8 Gemm, transposed": Probe(
        f"{_DATA} v = DequantizeLinear<axis = 0>(w, t) y = Gemm<transB = 1>(d, v)",
        f"{_PAIR}, int8[32,64] w, float[32] t",
        inputs="float[4,64] x",
    ),
    "int8 Gemm, scales by input": Probe(
        f"{_DATA} v = DequantizeLinear<axis = 1>(w, t) y = Gemm<transB = 1>(d, v)",
        f"{_PAIR}, int8[32,64] w, float[64] t",
        inputs="float[4,64] x",
    ),
    "int8 MatMul, scales by input": Probe(
        f"{_DATA} v = DequantizeLinear<axis = 0>(w, t) y = MatMul(d, v)",
        f"{_PAIR}, int8[64,32] w, float[64] t",
        inputs=_MATRIX,
    ),
    "int8 data, float weights of MatMul": Probe(
        f"{_DATA} y = MatMul(d, w)", f"{_PAIR}, float[64,32] w", inputs=_MATRIX
    ),
    "int8 weights only of Gemm": Probe(
        "v = DequantizeLinear<axis = 1>(w, t) y = Gemm(x, v)",
        "int8[64,32] w, float[32] t",
        inputs="float[4,64] x",
    ),
    "int8 transposed convolution": Probe(
        f"{_DATA} v = DequantizeLinear<axis = 1>(w, t) y = ConvTranspose<strides = [2,2]>(d, v)",
        f"{_PAIR}, int8[8,8,2,2] w, float[8] t",
        inputs="float[1,8,8,8] x",
    ),
    "int8 depthwise convolution": Probe(
        f"{_DATA} v = DequantizeLinear<axis = 0>(w, t) y = Conv<group = 8>(d, v)",
        f"{_PAIR}, int8[8,1,3,3] w, float[8] t",
        inputs="float[1,8,8,8] x",
    ),
    "int8 convolution in 1 dimension": Probe(
        f"{_DATA} v = DequantizeLinear<axis = 0>(w, t) y = Conv(d, v)",
        f"{_PAIR}, int8[8,8,3] w, float[8] t",
        inputs="float[1,8,32] x",
    ),
    "a scale that is an input": Probe(
        "q = QuantizeLinear(x, s, z) y = DequantizeLinear(q, s, z)",
        "int8 z = {0}",
        inputs="float[4] x, float s",
    ),
    "uint16 data": Probe(
        "q = QuantizeLinear(x, s, z) y = DequantizeLinear(q, s, z)",
        "float s = {0.1}, uint16 z = {0}",
        inputs="float[4] x",
    ),
    "int4 data": Probe(
        "q = QuantizeLinear(x, s, z) y = DequantizeLinear(q, s, z)",
        "float s = {0.1}, int4 z = {0}",
        inputs="float[4] x",
    ),
    "8-bit float, e5m2": Probe(
        "q = QuantizeLinear<output_dtype = 19>(x, s) y = DequantizeLinear(q, s)",
        "float s = {0.1}",
        inputs="float[4] x",
    ),
    "pairs around a pool": Probe(
        f"{_DATA} m = MaxPool<kernel_shape = [2,2]>(d) p = QuantizeLinear(m, s, z) "
        "y = DequantizeLinear(p, s, z)",
        _PAIR,
    ),
    "pair on a half sum, float scale": Probe(
        "q = QuantizeLinear(x, s, z) y = DequantizeLinear(q, s, z)",
        _PAIR,
        inputs="float16[4] x",
    ),
    "int4 weights by channel": Probe(
        "v = DequantizeLinear<axis = 1>(w, t) y = MatMul(x, v)",
        "int4[64,32] w, float[32] t",
        inputs=_MATRIX,
    ),
    "int8 weights in blocks": Probe(
        "v = DequantizeLinear<axis = 0, block_size = 16>(w, t) y = MatMul(x, v)",
        "int8[64,32] w, float[4,32] t",
        inputs=_MATRIX,
    ),
}

NEW = {**OPERATORS, **FORMS, **QUANTIZED}
