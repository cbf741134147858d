"""Which ONNX operators TensorRT's parser takes, and what to write in place of some others."""

from __future__ import annotations

_BOTH = frozenset(
    {
        *("Abs", "Acos", "Acosh", "Add", "And", "ArgMax", "ArgMin", "Asin", "Asinh", "Atan"),
        *("Atanh", "AveragePool", "BatchNormalization", "Cast", "CastLike", "Ceil", "Celu"),
        *("Clip", "Concat", "Constant", "ConstantOfShape", "Conv", "ConvTranspose", "Cos"),
        *("Cosh", "CumSum", "DepthToSpace", "DequantizeLinear", "Div", "Dropout", "Einsum"),
        *("Elu", "Equal", "Erf", "Exp", "Expand", "EyeLike", "Flatten", "Floor", "GRU", "Gather"),
        *("GatherElements", "GatherND", "Gelu", "Gemm", "GlobalAveragePool", "GlobalLpPool"),
        *("GlobalMaxPool", "Greater", "GreaterOrEqual", "GridSample", "GroupNormalization"),
        *("HardSigmoid", "HardSwish", "Hardmax", "Identity", "If", "InstanceNormalization"),
        *("IsInf", "IsNaN", "LRN", "LSTM", "LayerNormalization", "LeakyRelu", "Less"),
        *("LessOrEqual", "Log", "LogSoftmax", "Loop", "LpNormalization", "LpPool", "MatMul"),
        *("Max", "MaxPool", "Mean", "MeanVarianceNormalization", "Min", "Mish", "Mod", "Mul"),
        *("Neg", "NonMaxSuppression", "Not", "OneHot", "Or", "PRelu", "Pad", "Pow"),
        *("QuantizeLinear", "RNN", "RandomNormal", "RandomNormalLike", "RandomUniform"),
        *("RandomUniformLike", "Range", "Reciprocal", "ReduceL1", "ReduceL2", "ReduceLogSum"),
        *("ReduceLogSumExp", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum"),
        *("ReduceSumSquare", "Relu", "Reshape", "Resize", "ReverseSequence", "RoiAlign", "Round"),
        *("Scan", "Scatter", "ScatterElements", "ScatterND", "Selu", "Shape", "Shrink"),
        *("Sigmoid", "Sign", "Sin", "Sinh", "Size", "Slice", "Softmax", "Softplus", "Softsign"),
        *("SpaceToDepth", "Split", "Sqrt", "Squeeze", "Sub", "Sum", "Tan", "Tanh"),
        *("ThresholdedRelu", "Tile", "TopK", "Transpose", "Trilu", "Unsqueeze", "Upsample"),
        *("Where", "Xor"),
    }
)

RTX_LACKS = frozenset({"NonMaxSuppression", "NonZero", "RoiAlign"})
"""Named by `supports_operator`, and refused all the same."""

RTX_OPERATORS = (_BOTH - RTX_LACKS) | frozenset(
    {
        *("Attention", "BlackmanWindow", "CausalConvWithState", "HammingWindow", "HannWindow"),
        *("LinearAttention", "RMSNormalization", "RotaryEmbedding", "STFT", "Swish"),
        "TensorScatter",
    }
)
"""`OnnxParser.supports_operator` of tensorrt-rtx 1.7.1.116, asked for every operator of onnx 1.23
(a test asks again); without those whose plugin or kernel the package lacks: `RTX_LACKS`."""

TENSORRT_OPERATORS = _BOTH | frozenset({"DeformConv", "NonZero"})
"""TensorRT 10, which JetPack 6 has: github.com/onnx/onnx-tensorrt, docs/operators.md of release
10.1."""

OPSETS = {"rtx": 26, "tensorrt": 20}
"""The newest opset: of tensorrt-rtx 1.7.1 by trial; of TensorRT 10.1 by docs/operators.md."""

DECOMPOSITIONS = {
    "BitShift": "multiply or divide by a power of two",
    "Compress": "torch.where with a mask keeps the shape static",
    "CumProd": "torch.exp(torch.cumsum(torch.log(x), dim)) where x > 0",
    "Det": "write out the determinant of a small matrix by products and differences",
    "DeformConv": "F.grid_sample at the offsets, one for each place of the kernel, then a 1x1 conv",
    "DynamicQuantizeLinear": "give it no quantized model: edgecompile quantizes by itself",
    "MaxRoiPool": "torchvision.ops.roi_align (RoiAlign)",
    "MaxUnpool": "F.interpolate(x, scale_factor=2), or a transposed convolution",
    "NonZero": "torch.where with a mask keeps the shape static",
    "RMSNormalization": "x * torch.rsqrt(x.square().mean(-1, keepdim=True) + eps) * weight",
    "Swish": "x * torch.sigmoid(x)",
    "Unique": "outside the model: the shape of its result depends on the data",
}
"""What to write in `forward()` in place of an operator that is missing."""
