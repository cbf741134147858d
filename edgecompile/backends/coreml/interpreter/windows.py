"""Convolutions and pools: a window that moves over one, two or three dimensions."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional

from edgecompile.backends.coreml.interpreter.entry import Function
from edgecompile.backends.coreml.program import integers
from edgecompile.errors import UserError

Tensor = torch.Tensor
Pads = list[tuple[int, int]]

_CONVOLUTIONS = (functional.conv1d, functional.conv2d, functional.conv3d)
_TRANSPOSED = (
    functional.conv_transpose1d,
    functional.conv_transpose2d,
    functional.conv_transpose3d,
)
_MAX_POOLS = (functional.max_pool1d, functional.max_pool2d, functional.max_pool3d)
_AVERAGE_POOLS = (functional.avg_pool1d, functional.avg_pool2d, functional.avg_pool3d)
"""By the number of dimensions that the window moves over, less one."""


def _pads(
    pad_type: str,
    pad: Any,
    sizes: list[int],
    kernel: list[int],
    strides: list[int],
    dilations: list[int],
) -> Pads:
    """Zeros before and after each dimension."""
    count = len(kernel)
    if pad_type == "custom":
        listed = integers(pad, [0] * 2 * count)
        return [(listed[2 * i], listed[2 * i + 1]) for i in range(count)]
    if pad_type == "valid":
        return [(0, 0)] * count
    pads = []
    for i in range(count):
        outputs = -(-sizes[i] // strides[i])
        reach = (outputs - 1) * strides[i] + (kernel[i] - 1) * dilations[i] + 1
        total = max(reach - sizes[i], 0)
        before = total // 2 if pad_type == "same" else total - total // 2
        pads.append((before, total - before))
    return pads


def _padded(x: Tensor, pads: Pads, value: float = 0.0) -> Tensor:
    if not any(side for pair in pads for side in pair):
        return x
    flat = [side for pair in reversed(pads) for side in pair]
    return functional.pad(x, flat, value=value)


def conv(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    strides: Any = None,
    pad_type: str = "valid",
    pad: Any = None,
    dilations: Any = None,
    groups: Any = 1,
) -> Tensor:
    """Weights (outputs, inputs / groups, *kernel)."""
    kernel = list(weight.shape[2:])
    ones = [1] * len(kernel)
    steps, spread = integers(strides, ones), integers(dilations, ones)
    pads = _pads(pad_type, pad, list(x.shape[2:]), kernel, steps, spread)
    function = _CONVOLUTIONS[len(kernel) - 1]
    return function(_padded(x, pads), weight, bias, steps, 0, spread, int(groups))


def conv_transpose(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    pad: Any = None,
    output_shape: Any = None,
    pad_type: str = "valid",
    strides: Any = None,
    dilations: Any = None,
    groups: Any = 1,
) -> Tensor:
    """Weights (inputs, outputs / groups, *kernel); `pad` is cut off the result."""
    kernel = list(weight.shape[2:])
    ones = [1] * len(kernel)
    steps, spread = integers(strides, ones), integers(dilations, ones)
    if pad_type not in {"valid", "custom"}:
        raise UserError(f"conv_transpose with pad_type {pad_type} is not computed")
    function = _TRANSPOSED[len(kernel) - 1]
    whole = function(x, weight, bias, steps, 0, 0, int(groups), spread)
    for i, (before, after) in enumerate(_pads(pad_type, pad, [], kernel, steps, spread)):
        size = whole.shape[2 + i] - before - after
        whole = whole.narrow(2 + i, before, size)
    if output_shape is not None and integers(output_shape, ())[2:] != list(whole.shape[2:]):
        raise UserError("conv_transpose with an output_shape of its own is not computed")
    return whole


def max_pool(
    x: Tensor,
    kernel_sizes: Any,
    strides: Any = None,
    pad_type: str = "valid",
    pad: Any = None,
    ceil_mode: Any = False,
) -> Tensor:
    """The largest of each window; padding is never chosen."""
    kernel, steps, pads = _pool_window(x, kernel_sizes, strides, pad_type, pad, ceil_mode)
    function = _MAX_POOLS[len(kernel) - 1]
    return function(_padded(x, pads, float("-inf")), kernel, steps)


def avg_pool(
    x: Tensor,
    kernel_sizes: Any,
    strides: Any = None,
    pad_type: str = "valid",
    pad: Any = None,
    exclude_padding_from_average: Any = False,
    ceil_mode: Any = False,
) -> Tensor:
    """The mean of each window, with the padding's zeros or without them."""
    kernel, steps, pads = _pool_window(x, kernel_sizes, strides, pad_type, pad, ceil_mode)
    function = _AVERAGE_POOLS[len(kernel) - 1]
    mean = function(_padded(x, pads), kernel, steps)
    if not exclude_padding_from_average:
        return mean
    return mean / function(_padded(torch.ones_like(x), pads), kernel, steps)


def _pool_window(
    x: Tensor, kernel_sizes: Any, strides: Any, pad_type: str, pad: Any, ceil_mode: Any
) -> tuple[list[int], list[int], Pads]:
    if ceil_mode:
        raise UserError("pools with ceil_mode are not computed")
    kernel = integers(kernel_sizes, ())
    ones = [1] * len(kernel)
    steps = integers(strides, ones)
    return kernel, steps, _pads(pad_type, pad, list(x.shape[2:]), kernel, steps, ones)


OPERATORS: dict[str, Function] = {
    "conv": conv,
    "conv_transpose": conv_transpose,
    "max_pool": max_pool,
    "avg_pool": avg_pool,
}
