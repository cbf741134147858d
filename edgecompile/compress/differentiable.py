"""A hub as a function of torch, so that the numbers of its weights can be learned.

Rounding has no slope; QuantizeLinear passes the slope on as if it did not round, and stops it where
it clips (the straight-through estimator: Bengio et al., arXiv:1308.3432; Jacob et al., CVPR 2018).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx_ir as ir

from edgecompile.errors import UserError
from edgecompile.graph.constants import is_static, static_value
from edgecompile.graph.hub import Array, constant, name_of, shape_of
from edgecompile.graph.provenance import provenance
from edgecompile.graph.reading import integers_in, integers_of, reduced_axes, spatial_axes

if TYPE_CHECKING:
    import torch

Function = Callable[..., Any]
"""Of a node's tensors: inputs, or None for a missing one."""


class DifferentiableHub:
    """Computes what the hub computes, up to the order of sums.

    Raises:
        UserError: an operator that cannot be differentiated here, named.
    """

    def __init__(self, hub: ir.Model) -> None:
        import torch

        self._source = name_of(hub.graph.inputs[0])
        self._results = [name_of(value) for value in hub.graph.outputs]
        self._nodes = [
            (
                _function_of(node),
                [None if v is None else name_of(v) for v in node.inputs],
                [name_of(v) for v in node.outputs],
            )
            for node in hub.graph
            if not _is_constant(node)
        ]
        self._constants: dict[str, Any] = {}
        for node in hub.graph:
            for value in node.inputs:
                array = static_value(value)
                if value is not None and array is not None:
                    self._constants[name_of(value)] = torch.from_numpy(_as_torch(array))

    def __call__(self, samples: torch.Tensor, learned: Mapping[str, torch.Tensor]) -> list[Any]:
        """Outputs for samples (samples, *shape without batch), one tensor each; `learned` stands
        for the constants of those names."""
        import torch

        def one(sample: torch.Tensor) -> tuple[Any, ...]:
            values: dict[str, Any] = {**self._constants, **learned, self._source: sample[None]}
            for function, inputs, outputs in self._nodes:
                found = function(*(None if name is None else values[name] for name in inputs))
                several = found if isinstance(found, (tuple, list)) else (found,)
                values.update(zip(outputs, several, strict=False))
            return tuple(values[name][0] for name in self._results)

        # A hub's shapes are those of one sample; vmap computes them all at once.
        return list(torch.vmap(one)(samples))


def _is_constant(node: ir.Node) -> bool:
    return node.op_type == "Constant" or is_static(node.outputs[0])


def _as_torch(array: Array) -> Array:
    """A writable copy, of a type that torch knows."""
    known = array.dtype.kind in "fiub" and array.dtype.itemsize > 0
    return np.array(array if known else array.astype(np.int32))


def _function_of(node: ir.Node) -> Function:
    make = _FUNCTIONS.get(node.op_type)
    if make is None:
        place = provenance(node)
        where = ", ".join(part for part in (place.module, place.source) if part) or node.name
        raise UserError(
            f"stages.quantize.finetune cannot train through the operator {node.op_type} ({where})",
            remedy="take finetune out",
        )
    return make(node)


def _plain(name: str) -> Callable[[ir.Node], Function]:
    """An operator that is the function of torch with this name, of all its inputs."""

    def make(_: ir.Node) -> Function:
        import torch

        function: Function = getattr(torch, name)
        return function

    return make


def _over_inputs(name: str) -> Callable[[ir.Node], Function]:
    def make(_: ir.Node) -> Function:
        import torch

        return lambda *inputs: functools.reduce(getattr(torch, name), inputs)

    return make


def _window(node: ir.Node, rank: int) -> dict[str, list[int]]:
    return {
        "stride": integers_of(node, "strides", [1] * rank),
        "dilation": integers_of(node, "dilations", [1] * rank),
    }


def _padded(node: ir.Node, rank: int, fill: float = 0.0) -> Function:
    """The input with a node's pads around it."""
    from torch.nn import functional

    pads = integers_of(node, "pads", [0] * 2 * rank)
    flat = [pad for axis in reversed(range(rank)) for pad in (pads[axis], pads[axis + rank])]
    return lambda x: functional.pad(x, flat, value=fill) if any(flat) else x


def _spatial_rank(node: ir.Node) -> int:
    return len(spatial_axes(node))


def _conv(node: ir.Node) -> Function:
    from torch.nn import functional

    rank, groups = _spatial_rank(node), node.attributes.get_int("group", 1)
    convolve = (functional.conv1d, functional.conv2d, functional.conv3d)[rank - 1]
    window, padded = _window(node, rank), _padded(node, rank)
    return lambda x, w, b=None: convolve(padded(x), w, b, groups=groups, **window)


def _conv_transpose(node: ir.Node) -> Function:
    from torch.nn import functional

    rank, groups = _spatial_rank(node), node.attributes.get_int("group", 1)
    convolve = (functional.conv_transpose1d, functional.conv_transpose2d)[rank - 1]
    window, pads = _window(node, rank), integers_of(node, "pads", [0] * 2 * rank)
    sizes = shape_of(node.outputs[0])[2:]

    def apply(x: Any, w: Any, b: Any = None) -> Any:
        more = integers_of(node, "output_padding", [0] * rank)
        whole = convolve(x, w, b, groups=groups, output_padding=more, **window)
        for axis, (begin, size) in enumerate(zip(pads[:rank], sizes, strict=True)):
            whole = whole.narrow(axis + 2, begin, size)
        return whole

    return apply


def _gemm(node: ir.Node) -> Function:
    alpha, beta = node.attributes.get_float("alpha", 1.0), node.attributes.get_float("beta", 1.0)
    first, second = (node.attributes.get_int(name, 0) for name in ("transA", "transB"))

    def apply(a: Any, b: Any, c: Any = None) -> Any:
        product = alpha * ((a.T if first else a) @ (b.T if second else b))
        return product if c is None else product + beta * c

    return apply


def _max_pool(node: ir.Node) -> Function:
    from torch.nn import functional

    rank = _spatial_rank(node)
    pool: Function = (functional.max_pool1d, functional.max_pool2d)[rank - 1]
    padded, kernel = _padded(node, rank, -math.inf), integers_of(node, "kernel_shape", [])
    ceil = bool(node.attributes.get_int("ceil_mode", 0))
    return lambda x: pool(padded(x), kernel, ceil_mode=ceil, **_window(node, rank))


def _average_pool(node: ir.Node) -> Function:
    import torch
    from torch.nn import functional

    rank, kernel = _spatial_rank(node), integers_of(node, "kernel_shape", [])
    pool = (functional.avg_pool1d, functional.avg_pool2d)[rank - 1]
    padded, stride = _padded(node, rank), integers_of(node, "strides", [1] * rank)
    ceil = bool(node.attributes.get_int("ceil_mode", 0))
    everywhere = bool(node.attributes.get_int("count_include_pad", 0))

    def apply(x: Any) -> Any:
        mean = pool(padded(x), kernel, stride, ceil_mode=ceil)
        if everywhere:
            return mean
        return mean / pool(padded(torch.ones(x.shape)), kernel, stride, ceil_mode=ceil)

    return apply


def _global(reduce: str) -> Callable[[ir.Node], Function]:
    def make(node: ir.Node) -> Function:
        axes = spatial_axes(node)
        return lambda x: getattr(x, reduce)(axes, keepdim=True)

    return make


def _reduce(name: str) -> Callable[[ir.Node], Function]:
    def make(node: ir.Node) -> Function:
        axes, keep = reduced_axes(node), bool(node.attributes.get_int("keepdims", 1))
        return lambda x, *_: getattr(x, name)(axes, keepdim=keep) if axes else x

    return make


def _over_axis(name: str) -> Callable[[ir.Node], Function]:
    def make(node: ir.Node) -> Function:
        axis = node.attributes.get_int("axis", -1)
        return lambda x: getattr(x, name)(axis)

    return make


def _clip(_: ir.Node) -> Function:
    return lambda x, low=None, high=None: x if low is high is None else x.clamp(low, high)


def _gelu(node: ir.Node) -> Function:
    from torch.nn import functional

    approximate = node.attributes.get_string("approximate", "none") or "none"
    return lambda x: functional.gelu(x, approximate=approximate)


def _functional(name: str, **renamed: tuple[str, float]) -> Callable[[ir.Node], Function]:
    """A function of torch.nn with the node's numbers: its argument, and the default of ONNX."""

    def make(node: ir.Node) -> Function:
        from torch.nn import functional

        numbers = {ours: node.attributes.get_float(its, d) for ours, (its, d) in renamed.items()}
        return lambda x: getattr(functional, name)(x, **numbers)

    return make


def _hard_sigmoid(node: ir.Node) -> Function:
    alpha, beta = node.attributes.get_float("alpha", 0.2), node.attributes.get_float("beta", 0.5)
    return lambda x: (alpha * x + beta).clamp(0, 1)


def _prelu(_: ir.Node) -> Function:
    return lambda x, slope: x.clamp(min=0) + slope * x.clamp(max=0)


def _layer_norm(node: ir.Node) -> Function:
    from torch.nn import functional

    source = node.inputs[0]
    assert source is not None
    axis, epsilon = node.attributes.get_int("axis", -1), node.attributes.get_float("epsilon", 1e-5)
    shape = shape_of(source)[axis:]
    return lambda x, scale, bias=None: functional.layer_norm(x, shape, scale, bias, epsilon)


def _to_shape(node: ir.Node) -> Function:
    """Any operator that only writes the same elements in another shape."""
    shape = shape_of(node.outputs[0])
    return lambda x, *_: x.reshape(shape)


def _expand(node: ir.Node) -> Function:
    shape = shape_of(node.outputs[0])
    return lambda x, *_: x.expand(shape)


def _transpose(node: ir.Node) -> Function:
    source = node.inputs[0]
    assert source is not None
    order = integers_of(node, "perm", list(reversed(range(len(shape_of(source))))))
    return lambda x: x.permute(order)


def _slice(node: ir.Node) -> Function:
    starts, ends, axes, steps = (integers_in(node, index) for index in range(1, 5))
    assert starts is not None and ends is not None and node.inputs[0] is not None
    shape = shape_of(node.inputs[0])
    indices = {}
    for number, (start, end) in enumerate(zip(starts, ends, strict=True)):
        axis = (axes[number] if axes else number) % len(shape)
        chosen = range(shape[axis])[start : end : steps[number] if steps else 1]
        indices[axis] = list(chosen)
    return lambda x, *_: _take(x, indices)


def _take(x: Any, indices: Mapping[int, Sequence[int]]) -> Any:
    import torch

    for axis, chosen in indices.items():
        x = x.index_select(axis, torch.tensor(chosen))
    return x


def _split(node: ir.Node) -> Function:
    axis = node.attributes.get_int("axis", 0)
    sizes = [shape_of(value)[axis] for value in node.outputs]
    return lambda x, *_: x.split(sizes, axis)


def _concat(node: ir.Node) -> Function:
    import torch

    axis = node.attributes.get_int("axis", 0)
    return lambda *parts: torch.cat(parts, axis)


def _gather(node: ir.Node) -> Function:
    axis, chosen = node.attributes.get_int("axis", 0), constant(node.inputs[1])
    source = node.inputs[0]
    assert source is not None
    shape = shape_of(node.outputs[0])
    size = shape_of(source)[axis]
    flat = [] if chosen is None else [int(i) % size for i in np.ravel(chosen)]
    return lambda x, *_: _take(x, {axis: flat}).reshape(shape)


def _pad(node: ir.Node) -> Function:
    from torch.nn import functional

    source = node.inputs[0]
    assert source is not None
    rank = len(shape_of(source))
    pads, axes = integers_in(node, 1) or [0] * 2 * rank, integers_in(node, 3)
    value = constant(node.inputs[2]) if len(node.inputs) > 2 else None
    around = [(0, 0)] * rank
    for number, axis in enumerate(axes or range(rank)):
        around[axis] = (pads[number], pads[number + len(pads) // 2])
    flat = [pad for both in reversed(around) for pad in both]
    return lambda x, *_: functional.pad(x, flat, value=0.0 if value is None else float(value))


def _quantize(node: ir.Node) -> Function:
    scale, zero = constant(node.inputs[1]), constant(node.inputs[2])
    assert scale is not None and zero is not None
    limits = np.iinfo(zero.dtype)
    step, shift = float(scale), int(zero)

    def apply(x: Any, *_: Any) -> Any:
        real = x / step
        rounded = real + (real.round() - real).detach() + shift
        return rounded.clamp(int(limits.min), int(limits.max))

    return apply


def _dequantize(node: ir.Node) -> Function:
    scale, zero = constant(node.inputs[1]), constant(node.inputs[2])
    assert scale is not None and zero is not None
    step, shift = float(scale), int(zero)
    return lambda x, *_: (x - shift) * step


_FUNCTIONS: dict[str, Callable[[ir.Node], Function]] = {
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "Gemm": _gemm,
    "MatMul": _plain("matmul"),
    "Add": _plain("add"),
    "Sub": _plain("sub"),
    "Mul": _plain("mul"),
    "Div": _plain("div"),
    "Pow": _plain("pow"),
    "Max": _over_inputs("maximum"),
    "Min": _over_inputs("minimum"),
    "Abs": _plain("abs"),
    "Exp": _plain("exp"),
    "Log": _plain("log"),
    "Neg": _plain("neg"),
    "Sqrt": _plain("sqrt"),
    "Erf": _plain("erf"),
    "Tanh": _plain("tanh"),
    "Sigmoid": _plain("sigmoid"),
    "Relu": _plain("relu"),
    "Identity": lambda _: lambda x: x,
    "Clip": _clip,
    "Gelu": _gelu,
    "LeakyRelu": _functional("leaky_relu", negative_slope=("alpha", 0.01)),
    "Elu": _functional("elu", alpha=("alpha", 1.0)),
    "HardSwish": _functional("hardswish"),
    "Softplus": _functional("softplus"),
    "HardSigmoid": _hard_sigmoid,
    "PRelu": _prelu,
    "Softmax": _over_axis("softmax"),
    "LogSoftmax": _over_axis("log_softmax"),
    "LayerNormalization": _layer_norm,
    "MaxPool": _max_pool,
    "AveragePool": _average_pool,
    "GlobalAveragePool": _global("mean"),
    "GlobalMaxPool": _global("amax"),
    "ReduceMean": _reduce("mean"),
    "ReduceSum": _reduce("sum"),
    "ReduceMax": _reduce("amax"),
    "ReduceMin": _reduce("amin"),
    "Reshape": _to_shape,
    "Flatten": _to_shape,
    "Squeeze": _to_shape,
    "Unsqueeze": _to_shape,
    "Expand": _expand,
    "Transpose": _transpose,
    "Slice": _slice,
    "Split": _split,
    "Concat": _concat,
    "Gather": _gather,
    "Pad": _pad,
    "QuantizeLinear": _quantize,
    "DequantizeLinear": _dequantize,
}
