"""What to write instead of an operator that the Edge TPU leaves to the CPU."""

from __future__ import annotations

from edgecompile.backends.edgetpu.mapping import Placement, Status

_BY_OPERATOR = {
    "BATCH_MATMUL": "attention multiplies two activations, which the Edge TPU cannot: use "
    "convolutions there, or give that part to the CPU at the model's end",
    "CUSTOM": "put it at the model's end: all that follows it runs on the CPU",
    "DEQUANTIZE": "what follows computes in float: use operators that have an int8 form "
    "(docs/backends/edgetpu.md)",
    "FULLY_CONNECTED": "let edgecompile write the file: it turns such products into convolutions",
    "GELU": "quantize the model: edgecompile writes GELU as x * sigmoid(1.702 x)",
    "HARD_SWISH": "let edgecompile write the file: it makes ADD and MUL of HARD_SWISH",
    "LEAKY_RELU": "use PReLU, as edgecompile does, or ReLU",
    "MEAN": "make the image smaller by convolutions or pools before its mean is taken",
    "RESIZE_BILINEAR": "resize in steps of at most 16 times, or at the model's end",
    "SOFTMAX": "take the softmax over one vector only, or at the model's end",
    "TRANSPOSE": "keep images NHWC from the input on, as edgecompile does",
}

_BY_NODE = {
    "LayerNormalization": "normalize by BatchNorm, which becomes part of a convolution",
    "MatMul": _BY_OPERATOR["BATCH_MATMUL"],
}

_BY_STATUS = {
    Status.SUBGRAPH: "give the operators before it another form, or move them to the model's end",
    Status.TYPE: "use int8 or uint8 tensors only",
    Status.RANK: "reshape so that only the last three dimensions are larger than 1",
    Status.DYNAMIC: "give every tensor a static shape",
    Status.VERSION: "update the Edge TPU runtime of the device",
}

_FLOAT_QUANTIZE = (
    "give the file int8 or uint8 inputs, or use operators before it that have an int8 form"
)


def remedy(placement: Placement, node: str | None = None) -> str:
    """What to do about an operator that is not mapped; `node` is the ONNX operator behind it."""
    operator = placement.operator
    if node in _BY_NODE:
        return _BY_NODE[node]
    if operator.name == "QUANTIZE" and placement.status is Status.LIMITATION:
        return _FLOAT_QUANTIZE
    if placement.status in (Status.SUBGRAPH, Status.RANK, Status.DYNAMIC, Status.VERSION):
        return _BY_STATUS[placement.status]
    default = "write this part with other operators (docs/backends/edgetpu.md lists them)"
    return _BY_OPERATOR.get(operator.name) or _BY_STATUS.get(placement.status, default)
