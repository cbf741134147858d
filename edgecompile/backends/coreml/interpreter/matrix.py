"""Matrix products, normalizations, softmax and sums over axes."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional

from edgecompile.backends.coreml.interpreter.entry import Function
from edgecompile.backends.coreml.program import integers

Tensor = torch.Tensor


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``x @ weight.T + bias``."""
    return functional.linear(x, weight, bias)


def matmul(x: Tensor, y: Tensor, transpose_x: Any = False, transpose_y: Any = False) -> Tensor:
    """Products of the last two axes."""
    left = x.transpose(-1, -2) if transpose_x else x
    return torch.matmul(left, y.transpose(-1, -2) if transpose_y else y)


def scaled_dot_product_attention(
    query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None
) -> Tensor:
    """``softmax(query @ key.T / sqrt(depth) + mask) @ value``."""
    scores = torch.matmul(query, key.transpose(-1, -2)) / float(query.shape[-1]) ** 0.5
    if attn_mask is not None:
        scores = scores + attn_mask
    return torch.matmul(torch.softmax(scores, -1), value)


def softmax(x: Tensor, axis: Any = -1) -> Tensor:
    """Over one axis."""
    return torch.softmax(x, int(axis))


def batch_norm(
    x: Tensor,
    mean: Tensor,
    variance: Tensor,
    gamma: Tensor | None = None,
    beta: Tensor | None = None,
    epsilon: Any = 1e-5,
) -> Tensor:
    """With the stored mean and variance of each channel (axis 1)."""

    def spread(values: Tensor) -> Tensor:
        return values.reshape(-1, *[1] * (x.dim() - 2))

    result = (x - spread(mean)) / torch.sqrt(spread(variance) + epsilon)
    result = result if gamma is None else result * spread(gamma)
    return result if beta is None else result + spread(beta)


def layer_norm(
    x: Tensor,
    axes: Any = None,
    gamma: Tensor | None = None,
    beta: Tensor | None = None,
    epsilon: Any = 1e-5,
) -> Tensor:
    """Over `axes`; gamma and beta have their shape."""
    over = [axis % x.dim() for axis in integers(axes, range(x.dim()))]
    centred = x - x.mean(over, keepdim=True)
    variance = (centred * centred).mean(over, keepdim=True)
    result = centred / torch.sqrt(variance + epsilon)
    shape = [x.shape[axis] if axis in over else 1 for axis in range(x.dim())]
    result = result if gamma is None else result * gamma.reshape(shape)
    return result if beta is None else result + beta.reshape(shape)


def instance_norm(
    x: Tensor, gamma: Tensor | None = None, beta: Tensor | None = None, epsilon: Any = 1e-5
) -> Tensor:
    """Over all axes behind the channels, with gamma and beta for each channel."""
    over = list(range(2, x.dim()))
    centred = x - x.mean(over, keepdim=True)
    result = centred / torch.sqrt((centred * centred).mean(over, keepdim=True) + epsilon)
    shape = (-1, *[1] * (x.dim() - 2))
    result = result if gamma is None else result * gamma.reshape(shape)
    return result if beta is None else result + beta.reshape(shape)


def _reduction(function: Function) -> Function:
    def reduce(x: Tensor, axes: Any = None, keep_dims: Any = False) -> Tensor:
        result: Tensor = function(x, dim=integers(axes, range(x.dim())), keepdim=bool(keep_dims))
        return result

    return reduce


OPERATORS: dict[str, Function] = {
    "linear": linear,
    "matmul": matmul,
    "scaled_dot_product_attention": scaled_dot_product_attention,
    "softmax": softmax,
    "batch_norm": batch_norm,
    "layer_norm": layer_norm,
    "instance_norm": instance_norm,
    "reduce_mean": _reduction(torch.mean),
    "reduce_sum": _reduction(torch.sum),
    "reduce_max": _reduction(torch.amax),
    "reduce_min": _reduction(torch.amin),
    "reduce_log_sum_exp": _reduction(torch.logsumexp),
}
