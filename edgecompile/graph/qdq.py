"""The QDQ conventions of the hub, and the check that a quantized hub keeps them.

One explicit QuantizeLinear/DequantizeLinear pair for each activation tensor, shared by its
consumers; activations int8 or int16 per tensor; weights int8 in [-127, 127] or int4 in [-7, 7] with
one scale per output channel and zero point 0; biases float. A backend emits these numbers and
decides none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np
import onnx_ir as ir

from edgecompile.errors import ContractError
from edgecompile.graph.clamps import CLAMPS
from edgecompile.graph.constants import dequantized_constant
from edgecompile.graph.hub import Array, constant, is_float

SAME_SCALE = frozenset(
    {
        *("Reshape", "Transpose", "Squeeze", "Unsqueeze", "Flatten", "Expand", "Tile"),
        *("Slice", "Split", "Gather", "Pad", "Concat", "DepthToSpace", "SpaceToDepth", "Resize"),
        *("MaxPool", "AveragePool", "GlobalMaxPool", "ReduceMax", "ReduceMin", "Max", "Min"),
    }
)
"""Operators whose integer kernels only move or select values (or average them: pools), so that
inputs and outputs must have equal parameters (tflite's kernels compute wrongly if they differ)."""

VALUES = frozenset({"Concat", "Max", "Min"})
"""Those of SAME_SCALE all of whose float inputs are values of the result: constants among them
have the parameters of the others."""

ELEMENTWISE = frozenset({"Add", "Sub", "Mul", "Div", "PRelu"})
"""Operators whose constant operands are quantized per tensor like an activation."""

WIDE_OPERATORS = frozenset(
    {
        *("Conv", "ConvTranspose", "Gemm", "MatMul", "Add", "Sub", "Mul", "Max", "Min"),
        *("Relu", "Clip", "LeakyRelu", "Sigmoid", "Tanh", "Softmax"),
        *("MaxPool", "AveragePool", "GlobalAveragePool", "ReduceMean"),
        *("Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity", "Transpose", "Slice", "Concat"),
        "Pad",
    }
)
"""Operators that may have int16 activations amid int8: those with such kernels in TFLite."""

WIDE_QDQ_OPSET = 21
"""The first opset whose QuantizeLinear and DequantizeLinear take 16 and 4 bits."""

INT4 = np.dtype(ml_dtypes.int4)
_CONSTANTS = (np.dtype(np.int8), np.dtype(np.int16), INT4)

WEIGHT_INPUT = 1
WEIGHTED = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})


@dataclass(frozen=True)
class TensorParams:
    """Parameters of an activation of `bits` (8 or 16): real = scale * (q - zero_point).

    16 bits have the zero point 0 in every scheme: TFLite's kernels demand it
    (tensorflow/lite/kernels/conv.cc, Prepare), and no range is so lopsided that they need another.
    """

    scale: float
    zero_point: int
    bits: int = 8

    @property
    def dtype(self) -> type[np.signedinteger[Any]]:
        """int8 or int16."""
        return np.int8 if self.bits == 8 else np.int16

    @property
    def lowest(self) -> float:
        """The smallest real value that the integers can say."""
        return self.scale * (int(np.iinfo(self.dtype).min) - self.zero_point)

    @property
    def highest(self) -> float:
        """The largest real value that the integers can say."""
        return self.scale * (int(np.iinfo(self.dtype).max) - self.zero_point)

    def integers(self, real: Array) -> Array:
        """The nearest integers of real values, clipped to what there is."""
        limits = np.iinfo(self.dtype)
        steps = np.rint(real / self.scale) + self.zero_point
        clipped: Array = np.clip(steps, limits.min, limits.max).astype(self.dtype)
        return clipped


FIXED_OUTPUT = {
    "affine": {
        "Softmax": TensorParams(1 / 256, -128),
        "Sigmoid": TensorParams(1 / 256, -128),
        "Tanh": TensorParams(1 / 128, 0),
    },
    "symmetric": {
        "Softmax": TensorParams(1 / 127, 0),
        "Sigmoid": TensorParams(1 / 127, 0),
        "Tanh": TensorParams(1 / 127, 0),
    },
}
"""Output parameters by scheme of operators with a known range. The affine ones are demanded by
TFLite's kernels (tensorflow/lite/kernels/activations.cc, SoftmaxPrepare and SigmoidPrepare)."""

FIXED_OUTPUT_16 = dict.fromkeys(("Softmax", "Sigmoid", "Tanh"), TensorParams(1 / 32768, 0, 16))
"""The same for 16 bits, in both schemes."""


def fixed_output(op_type: str, scheme: str, bits: int) -> TensorParams | None:
    """The output parameters that the kernels of an operator have; None where they take any."""
    return (FIXED_OUTPUT[scheme] if bits == 8 else FIXED_OUTPUT_16).get(op_type)


def weight_axis(node: ir.Node) -> int | None:
    """The axis of a constant weight that counts output channels; None if there is no weight."""
    if node.op_type not in WEIGHTED or len(node.inputs) <= WEIGHT_INPUT:
        return None
    if node.op_type == "Conv":
        return 0
    if node.op_type == "ConvTranspose":
        return 1
    if node.op_type == "Gemm":
        return 0 if node.attributes.get_int("transB", 0) else 1
    weight = node.inputs[WEIGHT_INPUT]
    rank = None if weight is None or weight.shape is None else len(weight.shape)
    return None if rank is None or rank < 2 else rank - 1


def bits_of(data: Array) -> int:
    """The bits of a quantized constant's integers: int4 has a byte for each in numpy."""
    return 4 if data.dtype == INT4 else data.dtype.itemsize * 8


def tensor_params(node: ir.Node) -> TensorParams:
    """The parameters of a per-tensor QuantizeLinear or DequantizeLinear."""
    scale, zero = constant(node.inputs[1]), constant(node.inputs[2])
    assert scale is not None and zero is not None
    return TensorParams(float(scale), int(zero), zero.dtype.itemsize * 8)


def has_pairs(model: ir.Model) -> bool:
    """Are the numbers of its activations decided?"""
    return any(node.op_type == "QuantizeLinear" for node in model.graph)


def output_scales(model: ir.Model) -> list[float | None]:
    """For each graph output the scale of the DequantizeLinear that makes it; None for a float."""
    scales: list[float | None] = []
    for output in model.graph.outputs:
        node = output.producer()
        quantized = node is not None and node.op_type == "DequantizeLinear"
        scales.append(tensor_params(node).scale if quantized and node is not None else None)
    return scales


def require_qdq(model: ir.Model, scheme: str, float_nodes: frozenset[str] = frozenset()) -> None:
    """Check the conventions.

    Raises:
        ContractError: a rewrite broke them; the message lists every violation.
    """
    violations = check_qdq(model, scheme, float_nodes)
    if violations:
        raise ContractError("the hub breaks its conventions: " + "; ".join(violations))


def check_qdq(model: ir.Model, scheme: str, float_nodes: frozenset[str] = frozenset()) -> list[str]:
    """Every violation of the conventions, as sentences that name the node or tensor."""
    found: list[str] = []
    for value in model.graph.inputs:
        consumers = {use.node.op_type for use in value.uses()}
        if is_float(value) and consumers - {"QuantizeLinear"} and not float_nodes:
            found.append(f"the graph input {value.name} is used without QuantizeLinear")
    for output in model.graph.outputs:
        node = output.producer()
        if node is None or (node.op_type != "DequantizeLinear" and node.name not in float_nodes):
            found.append(f"the graph output {output.name} does not come from DequantizeLinear")
    for node in model.graph:
        if node.op_type in {"QuantizeLinear", "DequantizeLinear"}:
            found += _check_pair(node, scheme)
        elif node.op_type in CLAMPS and _is_fused_clamp(node):
            continue
        elif node.name not in float_nodes:
            found += _check_operator(node, scheme)
    return found


def _check_pair(node: ir.Node, scheme: str) -> list[str]:
    scale, zero = constant(node.inputs[1]), constant(node.inputs[2])
    if scale is None or zero is None:
        return [f"{node.name} has no constant scale and zero point"]
    found = []
    if not np.all(np.isfinite(scale)) or not np.all(scale > 0):
        found.append(f"{node.name} has a scale that is not positive and finite")
    data = constant(node.inputs[0])
    if data is not None:
        if data.dtype not in _CONSTANTS:
            found.append(f"{node.name} dequantizes a constant of type {data.dtype}")
        elif scale.ndim == 1 and (np.any(zero) or _holds_lowest(data)):
            found.append(f"{node.name} holds weights with a zero point or the lowest integer")
        return found
    if scale.ndim != 0 or zero.dtype not in (np.int8, np.int16):
        found.append(f"{node.name} is not int8 or int16 per tensor")
    elif zero.dtype == np.int16 and int(zero) != 0:
        found.append(f"{node.name} has 16 bits and a zero point")
    elif scheme == "symmetric" and int(zero) != 0:
        found.append(f"{node.name} has a zero point in the symmetric scheme")
    if node.op_type == "QuantizeLinear":
        source = node.inputs[0]
        assert source is not None
        pairs = [u.node for u in source.uses() if u.node.op_type == "QuantizeLinear"]
        if len(pairs) > 1:
            found.append(f"the tensor {source.name} is quantized {len(pairs)} times")
    return found


def _holds_lowest(data: Array) -> bool:
    """Is -128 (or -8 of four bits) there, whose negative is not?"""
    return int(data.astype(np.int16).min()) == -(1 << (bits_of(data) - 1))


def _is_fused_clamp(node: ir.Node) -> bool:
    """Relu or Clip between an operator and its QuantizeLinear."""
    source = node.inputs[0]
    producer = source.producer() if source is not None else None
    return producer is not None and producer.op_type != "DequantizeLinear"


def _check_operator(node: ir.Node, scheme: str) -> list[str]:
    found = []
    inputs: list[TensorParams] = []
    for index, value in enumerate(node.inputs):
        if value is None or not is_float(value):
            continue
        producer = value.producer()
        if producer is not None and producer.op_type == "DequantizeLinear":
            if dequantized_constant(value) is None or node.op_type in VALUES:
                inputs += _params_if_per_tensor(producer)
            elif node.op_type in WEIGHTED and index == WEIGHT_INPUT:
                found += _check_weight(node, producer)
        elif constant(value) is None:
            found.append(f"{node.name} reads {value.name}, which is not quantized")
        elif index in integer_inputs(node):
            found.append(f"{node.name} has the float constant {value.name}")
    outputs: list[TensorParams] = []
    for output in (o for o in node.outputs if o.uses() or o.is_graph_output()):
        pair = _quantizer_behind(output)
        if pair is not None:
            outputs += _params_if_per_tensor(pair)
        elif is_float(output):
            found.append(f"{node.name} makes {output.name}, which is not quantized")
    if node.op_type in SAME_SCALE and len(set(inputs + outputs)) > 1:
        found.append(f"{node.name} ({node.op_type}) has different parameters in and out")
    return found + _check_fixed_output(node, outputs, scheme)


def _check_fixed_output(node: ir.Node, outputs: list[TensorParams], scheme: str) -> list[str]:
    found = []
    for params in outputs:
        fixed = fixed_output(node.op_type, scheme, params.bits)
        if fixed is not None and (
            abs(params.scale / fixed.scale - 1) > 1e-6 or params.zero_point != fixed.zero_point
        ):
            found.append(
                f"{node.name} ({node.op_type}) has other output parameters than its kernel"
            )
    return found


def integer_inputs(node: ir.Node) -> Sequence[int]:
    """The inputs of a quantized operator that are integers even if they are constant."""
    if node.op_type in WEIGHTED:
        return [WEIGHT_INPUT]
    return range(len(node.inputs)) if node.op_type in ELEMENTWISE | VALUES else []


def _check_weight(node: ir.Node, pair: ir.Node) -> list[str]:
    scale = constant(pair.inputs[1])
    if scale is None or scale.ndim == 0:
        return []
    axis = pair.attributes.get_int("axis", 1)
    wanted = weight_axis(node)
    return [] if axis == wanted else [f"{node.name} has weight scales on axis {axis}, not {wanted}"]


def _params_if_per_tensor(node: ir.Node) -> list[TensorParams]:
    """The parameters of a pair's node; none where `_check_pair` has something to say about it."""
    scale, zero = constant(node.inputs[1]), constant(node.inputs[2])
    if scale is None or zero is None or scale.ndim != 0:
        return []
    return [tensor_params(node)]


def _quantizer_behind(value: ir.Value) -> ir.Node | None:
    """The one QuantizeLinear behind a tensor, through a fused clamp."""
    consumers = [use.node for use in value.uses()]
    if len(consumers) == 1 and consumers[0].op_type in CLAMPS:
        consumers = [use.node for use in consumers[0].outputs[0].uses()]
    if len(consumers) == 1 and consumers[0].op_type == "QuantizeLinear":
        return consumers[0]
    return None
