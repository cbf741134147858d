"""The rules that are about one node: types, ranks, forms of operators, quantization."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import onnx
import onnx_ir as ir

from edgecompile.backends.tensorrt.rule import Broken
from edgecompile.graph.hub import Array, constant
from edgecompile.graph.qdq import WEIGHTED, weight_axis
from edgecompile.graph.reading import rank_of

_PAGE = "NVIDIA, TensorRT documentation, Working with Quantized Types"
_MOST_RANK = 8
"""Dims::MAX_DIMS (NvInferRuntimeBase.h)."""
_MOST_TOPK = 3840
"""ITopKLayer::setK (NvInfer.h)."""
_BLOCKS = (16, 32)
"""Sizes of the blocks of an int4 weight that have kernels; others become float."""

_PAIR = frozenset({"QuantizeLinear", "DequantizeLinear"})
_POOLS = frozenset({"AveragePool", "MaxPool", "LpPool"})
_CONVOLUTIONS = frozenset({"Conv", "ConvTranspose"})
_FLOATS = frozenset({ir.DataType.FLOAT, ir.DataType.FLOAT16, ir.DataType.BFLOAT16})
_INTEGERS = frozenset({ir.DataType.INT32, ir.DataType.INT64, ir.DataType.UINT8, ir.DataType.INT8})
_REFUSED_TYPES = frozenset(
    {
        *(ir.DataType.INT16, ir.DataType.UINT16, ir.DataType.UINT32, ir.DataType.UINT64),
        *(ir.DataType.STRING, ir.DataType.COMPLEX64, ir.DataType.COMPLEX128),
    }
)
"""Types of ONNX that are none of TensorRT's (DataType, NvInferRuntimeBase.h)."""
_RESIZES = frozenset(
    {"align_corners", "asymmetric", "half_pixel", "pytorch_half_pixel", "tf_half_pixel_for_nn"}
)
_REFUSED_PAIRS = frozenset({ir.DataType.INT16, ir.DataType.UINT16, ir.DataType.INT32})


def _rank(node: ir.Node, opset: int) -> Iterator[Broken]:
    for value in (*node.inputs, *node.outputs):
        if value is not None and value.shape is not None and len(value.shape) > _MOST_RANK:
            yield Broken("rank", f"{value.name} has {len(value.shape)} dimensions, at most 8 go")
            return


def _types(node: ir.Node, opset: int) -> Iterator[Broken]:
    if node.op_type in _PAIR:
        return  # they have a rule of their own
    for value in (*node.inputs, *node.outputs):
        if value is not None and value.dtype in _REFUSED_TYPES:
            yield Broken("type", f"{value.name} is {value.dtype.name.lower()}")
            return
    data = node.inputs[0] if node.inputs else None
    if data is not None and data.dtype == ir.DataType.UINT8 and "Cast" not in node.op_type:
        yield Broken("type", "uint8 can only be cast", "cast it to float32 or int32")


def _equal_types(node: ir.Node, opset: int) -> Iterator[Broken]:
    """Networks are strongly typed: operands have one type, a scale that of its tensor."""
    if node.domain or not onnx.defs.has(node.op_type, opset, ""):
        return
    schema = onnx.defs.get_schema(node.op_type, opset)
    first: dict[str, ir.DataType] = {}
    for index, value in enumerate(node.inputs if schema.inputs else ()):
        formal = schema.inputs[min(index, len(schema.inputs) - 1)]
        if value is None or value.dtype is None or not formal.is_homogeneous:
            continue
        wanted = first.setdefault(formal.type_str, value.dtype)
        if wanted != value.dtype:
            yield _mixed(wanted, value.dtype)
            return
    if node.op_type == "QuantizeLinear":
        types = [v.dtype for v in node.inputs[:2] if v is not None and v.dtype in _FLOATS]
        if len(types) == 2 and types[0] != types[1]:
            yield _mixed(*types)


def _mixed(first: ir.DataType, second: ir.DataType) -> Broken:
    return Broken("types", f"its inputs are {first.name.lower()} and {second.name.lower()}")


def _pairs(node: ir.Node, opset: int) -> Iterator[Broken]:
    if node.op_type not in _PAIR:
        return
    quantized = node.outputs[0] if node.op_type == "QuantizeLinear" else node.inputs[0]
    if quantized is not None and quantized.dtype in _REFUSED_PAIRS:
        name = quantized.dtype.name.lower()
        remedy = "keep the bias in float" if name == "int32" else "8 bits, or 4 for weights"
        yield Broken("pair-type", f"it quantizes to {name}", remedy, reference=_PAGE)
        return
    zero = constant(node.inputs[2]) if len(node.inputs) > 2 else None
    if zero is not None and np.any(zero.astype(np.float32)):
        yield Broken(
            "zero-point", "its zero point is not 0", "the scheme symmetric", reference=_PAGE
        )
    scale = constant(node.inputs[1])
    if scale is None:
        return
    if not np.all(scale.astype(np.float32) > 0):
        yield Broken("scale", "its scale is not more than 0", reference=_PAGE)
    if scale.size > 1 and not _is_of_constant(node):
        yield _in_float("channel-scales", "an activation has one scale, this one has several")


def _is_of_constant(node: ir.Node) -> bool:
    """Is it a weight, quantized already or by a QuantizeLinear in front?"""
    value = node.inputs[0]
    producer = None if value is None else value.producer()
    if producer is not None and producer.op_type == "QuantizeLinear":
        value = producer.inputs[0]
    return constant(value) is not None


def _in_float(rule: str, why: str) -> Broken:
    return Broken(rule, f"it will compute in float: {why}", None, "warning", _PAGE)


def _quantized_products(node: ir.Node, opset: int) -> Iterator[Broken]:
    """Taken, but not in int8."""
    if node.op_type not in WEIGHTED:
        return
    data, weight = (_dequantizer(value) for value in node.inputs[:2])
    if (data is None) != (weight is None) and (node.op_type in _CONVOLUTIONS or weight is None):
        what = "data are" if weight is None else "weights are"
        yield _in_float("half-quantized", f"only its {what} quantized")
        return
    if weight is None or weight.inputs[0] is None:
        return
    scale = constant(weight.inputs[1])
    block = weight.attributes.get_int("block_size", 0)
    four_bits = weight.inputs[0].dtype == ir.DataType.INT4
    if four_bits and not block:
        yield _in_float("blocks", "4-bit weights have kernels in blocks of 16 or 32 only")
    elif block and not (four_bits and block in _BLOCKS):
        yield _in_float("blocks", f"there are no kernels for weights in blocks of {block}")
    elif not block and scale is not None and scale.size > 1:
        rank = scale.ndim if weight.outputs[0].shape is None else len(weight.outputs[0].shape)
        axis = weight.attributes.get_int("axis", 1) % max(rank, 1)
        if axis != weight_axis(node):
            yield _in_float("weight-axis", f"its weights have scales on axis {axis}")


def _dequantizer(value: ir.Value | None) -> ir.Node | None:
    producer = None if value is None else value.producer()
    return producer if producer is not None and producer.op_type == "DequantizeLinear" else None


def _forms(node: ir.Node, opset: int) -> Iterator[Broken]:
    """Forms of operators that the parser takes otherwise."""
    data = node.inputs[0] if node.inputs else None
    if node.op_type == "MaxPool" and len(node.outputs) > 1:
        yield Broken("max-pool-indices", "it gives the places of its maxima as well")
    if node.op_type in _POOLS and any(n != 1 for n in node.attributes.get_ints("dilations", [])):
        yield Broken("pool-dilations", "it has dilations")
    if node.op_type == "Resize":
        mode = node.attributes.get_string("coordinate_transformation_mode", "half_pixel")
        if node.attributes.get_int("antialias", 0) or mode not in _RESIZES:
            yield Broken("resize", "it resizes with antialias, or by other coordinates than most")
    windowed = node.inputs[1] if node.op_type in _CONVOLUTIONS else data
    if node.op_type in _CONVOLUTIONS | _POOLS and rank_of(windowed) > 5:
        yield Broken("windows", "windows have at most 3 dimensions")
    if node.op_type == "MatMul" and data is not None and data.dtype in _INTEGERS:
        yield Broken("integer-product", "it multiplies integers", "cast them to float32")
    if node.op_type == "TopK" and _largest(constant(node.inputs[1])) > _MOST_TOPK:
        yield Broken("top-k", f"K is more than {_MOST_TOPK}")


def _largest(array: Array | None) -> int:
    return 0 if array is None else int(array.max(initial=0))


RULES: Sequence[Callable[[ir.Node, int], Iterator[Broken]]] = (
    _rank,
    _types,
    _equal_types,
    _pairs,
    _quantized_products,
    _forms,
)
"""Each yields what a node breaks; the second argument is the opset."""
