"""What a node of the hub says, read once for every backend that writes it.

Also the forms that none of our writers has: ``refuse_...`` says why, or None.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from edgecompile.graph.constants import is_static, static_value
from edgecompile.graph.hub import Array, constant, shape_of
from edgecompile.graph.qdq import WEIGHT_INPUT, WEIGHTED

AUTO_PAD = "auto_pad is not written: give explicit pads, as torch exports them"
"""Why a node that leaves its pads to the runtime is refused."""


def rank_of(value: ir.Value | None) -> int:
    """The rank of a tensor; 0 when it is not known."""
    return 0 if value is None or value.shape is None else len(value.shape)


def auto_pads(node: ir.Node) -> bool:
    """Does the node leave its pads to the runtime?"""
    return node.attributes.get_string("auto_pad", "NOTSET") != "NOTSET"


def integers_of(node: ir.Node, name: str, default: Sequence[int]) -> list[int]:
    """An attribute that is a list of integers."""
    return list(node.attributes.get_ints(name, default))


def integers_in(node: ir.Node, index: int) -> list[int] | None:
    """A constant input that is a list of integers; None for a missing one."""
    value = node.inputs[index] if len(node.inputs) > index else None
    array = constant(value)
    return None if array is None else [int(number) for number in np.ravel(array)]


def adds_a_window(node: ir.Node) -> bool:
    """Does a pool's ceil_mode matter for this input's size?"""
    source = node.inputs[0]
    assert source is not None
    sizes, kernel = shape_of(source)[2:], integers_of(node, "kernel_shape", [])
    count = len(sizes)
    strides = integers_of(node, "strides", [1] * count)
    pads = integers_of(node, "pads", [0] * 2 * count)
    return any(
        (sizes[i] + pads[i] + pads[i + count] - kernel[i]) % strides[i] for i in range(count)
    )


def reduced_axes(node: ir.Node) -> list[int]:
    """The axes of a reduction, which may count from the end; none: the node changes nothing."""
    listed = integers_in(node, 1) or integers_of(node, "axes", [])
    reduces_all = not listed and not node.attributes.get_int("noop_with_empty_axes", 0)
    return list(range(rank_of(node.inputs[0]))) if reduces_all else listed


def spatial_axes(node: ir.Node) -> list[int]:
    """All axes but those of batch and channels."""
    return list(range(2, rank_of(node.inputs[0])))


def resize_mode(node: ir.Node) -> tuple[str, str]:
    """Interpolation and coordinate transformation of a Resize."""
    return (
        node.attributes.get_string("mode", "nearest") or "nearest",
        node.attributes.get_string("coordinate_transformation_mode", "half_pixel") or "half_pixel",
    )


def refuse_variable_axes(node: ir.Node) -> str | None:
    """A reduction whose axes are known only when the model runs."""
    if len(node.inputs) > 1 and node.inputs[1] is not None and not is_static(node.inputs[1]):
        return "the axes of a reduction must be constant"
    return None


def refuse_scaled_product(node: ir.Node) -> str | None:
    """A Gemm with factors, or with a bias that is not one number or one per column."""
    alpha, beta = node.attributes.get_float("alpha", 1.0), node.attributes.get_float("beta", 1.0)
    if (alpha, beta) != (1.0, 1.0):
        return "alpha and beta other than 1 are not written"
    bias = static_value(node.inputs[2]) if len(node.inputs) > 2 else np.zeros(1)
    if len(node.inputs) > 2 and node.inputs[2] is not None and bias is None:
        return "the bias of Gemm must be constant"
    columns = shape_of(node.outputs[0])[-1]
    if bias is None or bias.size == 1 or bias.shape[-1] == bias.size == columns:
        return None
    return "the bias of Gemm must be one number, or one per column"


def slice_bounds(node: ir.Node) -> tuple[list[int], list[int], list[int]]:
    """First index, end and step of a Slice along each axis of its input."""
    rank = rank_of(node.inputs[0])
    starts, ends = integers_in(node, 1) or [], integers_in(node, 2) or []
    axes = integers_in(node, 3) or list(range(len(starts)))
    steps = integers_in(node, 4) or [1] * len(starts)
    source = node.inputs[0]
    assert source is not None
    shape = shape_of(source)
    begin, end, stride = [0] * rank, list(shape), [1] * rank
    for start, stop, listed, step in zip(starts, ends, axes, steps, strict=True):
        axis = listed % rank
        begin[axis], end[axis], _ = slice(start, stop, step).indices(shape[axis])
        stride[axis] = step
    return begin, end, stride


def refuse_slice(node: ir.Node) -> str | None:
    """A Slice whose bounds are known only when the model runs, or that runs backwards."""
    if not all(is_static(value) for value in node.inputs[1:] if value is not None):
        return "starts, ends, axes and steps of Slice must be constant"
    steps = constant(node.inputs[4]) if len(node.inputs) > 4 else None
    if steps is not None and np.any(steps < 0):
        return "a negative step of Slice is not written"
    return None


def pads_of(node: ir.Node) -> Array:
    """What a Pad adds before and after each axis, (rank, 2)."""
    rank = rank_of(node.inputs[0])
    listed, axes = constant(node.inputs[1]), None
    if len(node.inputs) > 3:
        axes = constant(node.inputs[3])
    assert listed is not None
    pads = np.zeros((rank, 2), np.int64)
    pads[range(rank) if axes is None else axes % rank] = listed.reshape(2, -1).T
    return pads


def refuse_pad(node: ir.Node) -> str | None:
    """A Pad that is not constant, not with zeros, or that cuts."""
    if not is_static(node.inputs[1]):
        return "the pads of Pad must be constant"
    if node.attributes.get_string("mode", "constant") != "constant":
        return "only constant padding is written"
    listed = constant(node.inputs[1])
    if listed is not None and np.any(listed < 0):
        return "negative pads are not written"
    value = constant(node.inputs[2]) if len(node.inputs) > 2 else None
    return None if value is None or float(value) == 0.0 else "padding with another value than 0"


def refuse_gather(node: ir.Node) -> str | None:
    """A Gather that is not of an activation with constant indices in a row."""
    if not is_static(node.inputs[1]) or is_static(node.inputs[0]):
        return "Gather is written for an activation and constant indices"
    return None if rank_of(node.inputs[1]) <= 1 else "indices of more than one dimension"


def feeds_only_products(node: ir.Node) -> bool:
    """Do only Gemm and MatMul with constant weights read the node's result?"""
    consumers = _readers(node.outputs[0])
    return bool(consumers) and all(
        reader.op_type in WEIGHTED
        and reader.op_type in {"Gemm", "MatMul"}
        and is_static(reader.inputs[1])
        and _origin(reader.inputs[0]) is node
        for reader in consumers
    )


def _readers(value: ir.Value) -> list[ir.Node]:
    """The operators that read a tensor, directly or through its QDQ pair."""
    if value.is_graph_output():
        return []
    found = []
    for use in value.uses():
        if use.node.op_type in {"QuantizeLinear", "DequantizeLinear"}:
            behind = _readers(use.node.outputs[0])
            if not behind:
                return []
            found += behind
        else:
            found.append(use.node)
    return found


def _origin(value: ir.Value | None) -> ir.Node | None:
    node = value.producer() if value is not None else None
    while node is not None and node.op_type in {"QuantizeLinear", "DequantizeLinear"}:
        source = node.inputs[0]
        node = source.producer() if source is not None else None
    return node


def refuse_gemm(node: ir.Node) -> str | None:
    """A Gemm whose second matrix is an activation, or whose first is transposed."""
    if not is_static(node.inputs[WEIGHT_INPUT]):
        return "the second matrix of Gemm must be constant"
    if node.attributes.get_int("transA", 0):
        return "a transposed first matrix is not written"
    return refuse_scaled_product(node)


def refuse_matmul(node: ir.Node) -> str | None:
    """A MatMul of vectors, of a constant first matrix, or of matrices of different rank."""
    if is_static(node.inputs[0]):
        return "the first matrix of MatMul must be an activation"
    if is_static(node.inputs[1]):
        if rank_of(node.inputs[0]) < 2:
            return "a vector is no matrix here: reshape it"
        return None if rank_of(node.inputs[1]) == 2 else "a constant matrix must be 2-D"
    ranks = rank_of(node.inputs[0]), rank_of(node.inputs[1])
    if min(ranks) < 2:
        return "a vector is no matrix here: reshape it"
    return None if ranks[0] == ranks[1] else "matrices of different rank are not written"


def refuse_conv(node: ir.Node) -> str | None:
    """A convolution over three dimensions, or with a weight that is an activation."""
    if rank_of(node.inputs[0]) not in {3, 4}:
        return "only convolutions over one or two dimensions are written"
    if not is_static(node.inputs[WEIGHT_INPUT]):
        return "the weight of a convolution must be constant"
    return AUTO_PAD if auto_pads(node) else refuse_bias(node)


def refuse_bias(node: ir.Node) -> str | None:
    """A convolution with a bias that is an activation."""
    bias = node.inputs[2] if len(node.inputs) > 2 else None
    if bias is None or is_static(bias):
        return None
    return "the bias of a convolution must be constant"


def refuse_resized_sizes(node: ir.Node) -> str | None:
    """A Resize of other axes than height and width, or by scales that no sizes say."""
    source = node.inputs[0]
    assert source is not None
    before, after = shape_of(source), shape_of(node.outputs[0])
    if before[:2] != after[:2]:
        return "only height and width are resized"
    scales = constant(node.inputs[2]) if len(node.inputs) > 2 else None
    if scales is None or scales.size == 0:
        return None
    if any(before[i] * float(scales.ravel()[i - 4]) != after[i] for i in (2, 3)):
        return "scales that are not the ratio of the sizes are not written: give the size"
    return None


def refuse_layer_normalization(node: ir.Node) -> str | None:
    """A LayerNormalization over more than the last axis, or with weights that are activations."""
    axis = node.attributes.get_int("axis", -1)
    if axis not in {-1, rank_of(node.inputs[0]) - 1}:
        return "LayerNormalization is written over the last axis only"
    if not all(is_static(value) for value in node.inputs[1:] if value is not None):
        return "weight and bias of LayerNormalization must be constant"
    return None
