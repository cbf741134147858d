"""Small models of one rule each, to hold our rules against NVIDIA's own parser and compiler.

Each is a graph in ONNX's text form. Declared constants without values get random ones.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np
import onnx
import onnx_ir as ir

_IMAGE = "float[1,3,16,16] x"


@dataclass(frozen=True)
class Probe:
    """A graph: its body, its declared constants, its inputs and outputs."""

    body: str
    constants: str = ""
    inputs: str = _IMAGE
    outputs: str = "float[] y"
    opset: int = 21
    imports: str = ""

    def model(self) -> ir.Model:
        """The model; tensors have the types and shapes that ONNX infers as far as it can."""
        imports = f'"" : {self.opset}' + (f', "{self.imports}" : 1' if self.imports else "")
        constants = f"<{self.constants}>" if self.constants else ""
        proto = onnx.parser.parse_model(
            f"<ir_version: 10, opset_import: [{imports}]>\n"
            f"probe ({self.inputs}) => ({self.outputs}) {constants} {{ {self.body} }}"
        )
        graph = proto.graph
        known = {i.name for i in graph.initializer} | {o for n in graph.node for o in n.output}
        for info in [v for v in graph.value_info if v.name not in known]:
            shape = tuple(d.dim_value for d in info.type.tensor_type.shape.dim)
            dtype = onnx.helper.tensor_dtype_to_np_dtype(info.type.tensor_type.elem_type)
            rng = np.random.default_rng(zlib.crc32(info.name.encode()))
            values = rng.normal(0, 0.2, shape)
            if info.name in {"s", "t"}:  # scales
                values = np.abs(values) + 0.01
            if np.issubdtype(dtype, np.integer):
                values = rng.integers(-127, 127, shape, endpoint=True)
            graph.initializer.append(onnx.numpy_helper.from_array(values.astype(dtype), info.name))
        del graph.value_info[:]
        for line, node in enumerate(graph.node, start=1):
            node.name = f"{node.op_type.lower()}{line}"
        try:
            return ir.from_proto(onnx.shape_inference.infer_shapes(proto))
        except onnx.shape_inference.InferenceError:
            return ir.from_proto(proto)


def quantized(op: str, *, data: str = "", weight: str = "", scale: str = "") -> str:
    """`op` of x with int8 data and int8 weights; each part may be another."""
    data = data or "q = QuantizeLinear(x, s, z) d = DequantizeLinear(q, s, z)"
    weight = weight or "v = DequantizeLinear<axis = 0>(w, t, o)"
    return f"{data} {weight} {op}"


_PAIR = "float s = {0.02}, int8 z = {0}"
_WEIGHT = "int8[8,3,3,3] w, float[8] t, int8[8] o = {0,0,0,0,0,0,0,0}"
_INT8 = f"{_PAIR}, {_WEIGHT}"
_CONV = "y = Conv<pads = [1,1,1,1]>(d, v)"


def one(op: str, constants: str = "", **other: object) -> Probe:
    """``y = op``."""
    return Probe(f"y = {op}", constants, **other)  # type: ignore[arg-type]


FIRST = {
    "int8 convolution": Probe(quantized(_CONV), _INT8),
    "int8 convolution, weights quantized in the graph": Probe(
        quantized(
            _CONV,
            weight="u = QuantizeLinear<axis = 0>(w, t, o) v = DequantizeLinear<axis = 0>(u, t, o)",
        ),
        _INT8.replace("int8[8,3,3,3] w", "float[8,3,3,3] w"),
    ),
    "weights per tensor": Probe(
        quantized(_CONV, weight="v = DequantizeLinear(w, t, o)"),
        f"{_PAIR}, int8[8,3,3,3] w, float t = {{0.01}}, int8 o = {{0}}",
    ),
    "zero point 5": Probe(quantized(_CONV), _INT8.replace("z = {0}", "z = {5}")),
    "uint8, zero point 0": Probe(quantized(_CONV), _INT8.replace("int8 z", "uint8 z")),
    "uint8, zero point 128": Probe(
        quantized(_CONV), _INT8.replace("int8 z = {0}", "uint8 z = {128}")
    ),
    "int16 data": Probe(quantized(_CONV), _INT8.replace("int8 z", "int16 z")),
    "several scales of an activation": Probe(
        quantized(
            _CONV,
            data="q = QuantizeLinear<axis = 1>(x, s, z) d = DequantizeLinear<axis = 1>(q, s, z)",
        ),
        f"float[3] s = {{0.01,0.02,0.03}}, int8[3] z = {{0,0,0}}, {_WEIGHT}",
    ),
    "scale 0": Probe(quantized(_CONV), _INT8.replace("0.02", "0.0")),
    "negative scale": Probe(quantized(_CONV), _INT8.replace("0.02", "-0.02")),
    "weights with a zero point": Probe(quantized(_CONV), _INT8.replace("o = {0,", "o = {3,")),
    "scales of weights by input channel": Probe(
        quantized(_CONV, weight="v = DequantizeLinear<axis = 1>(w, t, o)"),
        f"{_PAIR}, int8[8,3,3,3] w, float[3] t = {{0.01,0.02,0.01}}, int8[3] o = {{0,0,0}}",
    ),
    "int32 bias": Probe(
        quantized("c = DequantizeLinear<axis = 0>(b, t, i) y = Conv<pads = [1,1,1,1]>(d, v, c)"),
        f"{_INT8}, int32[8] b, int32[8] i = {{0,0,0,0,0,0,0,0}}",
    ),
    "float bias": Probe(quantized("y = Conv<pads = [1,1,1,1]>(d, v, b)"), f"{_INT8}, float[8] b"),
    "only the weights are int8": Probe(
        "v = DequantizeLinear<axis = 0>(w, t, o) y = Conv(x, v)", _WEIGHT
    ),
    "only the data are int8": Probe(
        "q = QuantizeLinear(x, s, z) d = DequantizeLinear(q, s, z) y = Conv(d, w)",
        f"{_PAIR}, float[8,3,3,3] w",
    ),
    "float16 with float16 scales": Probe(
        quantized(_CONV),
        "float16 s, int8 z = {0}, int8[8,3,3,3] w, float16[8] t, int8[8] o = {0,0,0,0,0,0,0,0}",
        inputs="float16[1,3,16,16] x",
        outputs="float16[] y",
    ),
    "float16 with float32 scales": Probe(
        quantized(_CONV), _INT8, inputs="float16[1,3,16,16] x", outputs="float16[] y"
    ),
    "an operator of another domain": Probe(
        "y = my.domain.Thing(x)", imports="my.domain", outputs="float[1,3,16,16] y"
    ),
    "float plus half": one("Add(x, k)", "float16[1] k"),
    "places of maxima": Probe(
        "y, i = MaxPool<kernel_shape = [2,2]>(x)", outputs="float[] y, int64[] i"
    ),
    "pool with dilations": one("AveragePool<kernel_shape = [2,2], dilations = [2,2]>(x)"),
    "deformable convolution": one("DeformConv(x, w, k)", "float[8,3,3,3] w, float[1,18,14,14] k"),
    "4-dimensional convolution": one(
        "Conv(x, w)", "float[2,3,1,1,1,1] w", inputs="float[1,3,4,4,4,4] x"
    ),
    "9 dimensions": one("Relu(x)", inputs="float[1,1,1,1,1,1,1,1,2] x"),
    "K of 5000": Probe(
        "y, i = TopK(x, k)",
        "int64[1] k = {5000}",
        inputs="float[1,9000] x",
        outputs="float[] y, int64[] i",
    ),
    "integer product": one(
        "MatMul(x, k)", "int32[4,4] k", inputs="int32[4,4] x", outputs="int32[] y"
    ),
    "dynamic batch": one("Relu(x)", inputs="float[N,3] x", outputs="float[N,3] y"),
    "shapes that do not fit": one("Add(x, k)", "float[1,3,5,5] k"),
    "int4 weights in blocks of 32": Probe(
        "v = DequantizeLinear<axis = 0, block_size = 32>(w, t) y = MatMul(x, v)",
        "int4[64,32] w, float[2,32] t",
        inputs="float[1,16,64] x",
    ),
}
"""Rules that were known before."""
