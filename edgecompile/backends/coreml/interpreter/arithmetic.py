"""Element by element: on one tensor, on two."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch.nn import functional

from edgecompile.backends.coreml.interpreter.entry import Function

Tensor = torch.Tensor


def _unary(function: Function) -> Function:
    def compute(x: Tensor) -> Tensor:
        result: Tensor = function(x)
        return result

    return compute


def _binary(function: Function) -> Function:
    def compute(x: Any, y: Any) -> Tensor:
        result: Tensor = function(_tensor(x), _tensor(y))
        return result

    return compute


def _tensor(value: Any) -> Tensor:
    return value if isinstance(value, Tensor) else torch.as_tensor(np.asarray(value))


def clip(x: Tensor, alpha: Tensor, beta: Tensor) -> Tensor:
    """``min(max(x, alpha), beta)``."""
    return torch.minimum(torch.maximum(x, alpha), beta)


def elu(x: Tensor, alpha: Tensor) -> Tensor:
    """``x`` above 0, ``alpha * (exp(x) - 1)`` below."""
    return torch.where(x > 0, x, alpha * torch.expm1(torch.clamp(x, max=0)))


def gelu(x: Tensor, mode: str = "EXACT") -> Tensor:
    """By the error function, or one of its two approximations."""
    if mode == "SIGMOID_APPROXIMATION":
        return torch.mul(x, torch.sigmoid(1.702 * x))
    how = "tanh" if mode == "TANH_APPROXIMATION" else "none"
    result: Tensor = functional.gelu(x, approximate=how)
    return result


def inverse(x: Tensor, epsilon: Any = 1e-4) -> Tensor:
    """``1 / (x + epsilon)``."""
    return torch.reciprocal(x + epsilon)


def leaky_relu(x: Tensor, alpha: Any = 0.01) -> Tensor:
    """``x`` above 0, ``alpha * x`` below."""
    return torch.where(x >= 0, x, alpha * x)


def log(x: Tensor, epsilon: Any = 1e-45) -> Tensor:
    """``log(x + epsilon)``."""
    return torch.log(x + epsilon)


def prelu(x: Tensor, alpha: Tensor) -> Tensor:
    """`leaky_relu` with a slope for each channel (axis 1)."""
    return leaky_relu(x, alpha.reshape(-1, *[1] * (x.dim() - 2)))


def rsqrt(x: Tensor, epsilon: Any = 1e-12) -> Tensor:
    """``1 / sqrt(x + epsilon)``."""
    return torch.rsqrt(x + epsilon)


def sigmoid_hard(x: Tensor, alpha: Any = 0.2, beta: Any = 0.5) -> Tensor:
    """``min(max(alpha * x + beta, 0), 1)``."""
    return torch.clamp(alpha * x + beta, 0, 1)


def softplus(x: Tensor) -> Tensor:
    """``log(1 + exp(x))``."""
    return torch.logaddexp(x, torch.zeros((), dtype=x.dtype))


def threshold(x: Tensor, alpha: Any = 1.0) -> Tensor:
    """``max(x, alpha)``."""
    return torch.maximum(x, _tensor(alpha))


_UNARY: dict[str, Function] = {
    "abs": torch.abs,
    "ceil": torch.ceil,
    "cos": torch.cos,
    "erf": torch.erf,
    "exp": torch.exp,
    "exp2": torch.exp2,
    "floor": torch.floor,
    "identity": lambda x: x,
    "relu": torch.relu,
    "relu6": functional.relu6,
    "round": torch.round,
    "sigmoid": torch.sigmoid,
    "sign": torch.sign,
    "silu": functional.silu,
    "sin": torch.sin,
    "softsign": functional.softsign,
    "sqrt": torch.sqrt,
    "square": torch.square,
    "tanh": torch.tanh,
}

_BINARY: dict[str, Function] = {
    "add": torch.add,
    "maximum": torch.maximum,
    "minimum": torch.minimum,
    "mul": torch.mul,
    "pow": torch.pow,
    "real_div": torch.true_divide,
    "sub": torch.sub,
}

OPERATORS: dict[str, Function] = {
    **{kind: _unary(function) for kind, function in _UNARY.items()},
    **{kind: _binary(function) for kind, function in _BINARY.items()},
    "clip": clip,
    "elu": elu,
    "gelu": gelu,
    "inverse": inverse,
    "leaky_relu": leaky_relu,
    "log": log,
    "prelu": prelu,
    "rsqrt": rsqrt,
    "sigmoid_hard": sigmoid_hard,
    "softplus": softplus,
    "threshold": threshold,
}
