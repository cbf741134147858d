"""Operators on one tensor, element by element, and Softmax."""

from typing import Any

from edgecompile.conformance.cases.case import Case

_IMAGE = "float[1,4,5,6] x"
_SEQUENCE = "float[1,6,8] x"


def _both(op: str, call: str, constants: str = "", **how: Any) -> list[Case]:
    return [
        Case(op, f"an image, {call}", _IMAGE, f"y = {call}", constants, **how),
        Case(op, f"a sequence, {call}", _SEQUENCE, f"y = {call}", constants, **how),
    ]


CASES = [
    *_both("Relu", "Relu(x)"),
    Case("Relu", "behind a pool", _IMAGE, "p = MaxPool<kernel_shape=[2,2]>(x) y = Relu(p)"),
    Case("Relu", "behind a transposition", _SEQUENCE,
         "t = Transpose<perm=[0,2,1]>(x) y = Relu(t)"),
    Case("Relu", "behind a mean", _IMAGE, "m = GlobalAveragePool(x) y = Relu(m)"),
    Case("Relu", "read beside its input", _IMAGE, "r = Relu(x) y = Add(x, r)",
         lsb=2),  # two roundings
    Case("Relu", "twice", _IMAGE, "r = Relu(x) y = Relu(r)"),
    *_both("Clip", "Clip(x, low, six)", "float low = {0}, float six = {6}", spread=5.0),
    *_both("Clip", "Clip(x, low, high)", "float low = {-1}, float high = {1}"),
    *_both("Clip", "Clip(x, a, b)", "float a = {0}, float b = {3}", spread=5.0),
    *_both("Clip", "Clip(x, c, d)", "float c = {0.25}, float d = {0.75}"),
    *_both("Clip", "Clip(x, , high)", "float high = {0.5}"),
    *_both("Clip", "Clip(x, low)", "float low = {-0.5}"),
    Case("Clip", "without bounds", _IMAGE, "y = Clip(x)"),
    Case("Clip", "behind a Sigmoid", _IMAGE, "s = Sigmoid(x) y = Clip(s, a, b)",
         "float a = {0.3}, float b = {0.6}", lsb=2),  # two roundings
    Case("Clip", "behind a Softmax", "float[1,8] x", "s = Softmax<axis=-1>(x) y = Clip(s, a, b)",
         "float a = {0.05}, float b = {0.3}", lsb=2),  # two roundings
    Case("Clip", "of part of a concatenation", _IMAGE,
         "c = Clip(x, a, b) y = Concat<axis=1>(x, c)", "float a = {-0.5}, float b = {0.5}"),
    *_both("LeakyRelu", "LeakyRelu(x)"),
    *_both("LeakyRelu", "LeakyRelu<alpha=0.2>(x)"),
    *_both("PRelu", "PRelu(x, slope)", "float[1] slope = {0.25}"),
    Case("PRelu", "a slope per channel", _IMAGE, "y = PRelu(x, slope)",
         "float[4,1,1] slope = {0.1, 0.3, 0.0, 1.5}"),
    Case("PRelu", "a slope per channel, with the batch axis", _IMAGE, "y = PRelu(x, slope)",
         "float[1,4,1,1] slope = {0.1, 0.3, -0.2, 0.9}"),
    Case("PRelu", "a slope per position", _SEQUENCE, "y = PRelu(x, slope)", "float[6,8] slope"),
    *_both("Elu", "Elu(x)"),
    *_both("Sigmoid", "Sigmoid(x)", spread=3.0),
    *_both("Tanh", "Tanh(x)"),
    *_both("HardSwish", "HardSwish(x)", spread=3.0),
    *_both("HardSigmoid", "HardSigmoid(x)", spread=3.0),
    *_both("HardSigmoid", "HardSigmoid<alpha=0.16666667, beta=0.5>(x)", spread=3.0),
    *_both("Gelu", "Gelu(x)"),
    *_both("Gelu", "Gelu<approximate=\"tanh\">(x)"),
    *[Case("Softmax", f"axis {axis} of an image", _IMAGE, f"y = Softmax<axis={axis}>(x)")
      for axis in (1, 2, 3, -1, -3)],
    *[Case("Softmax", f"axis {axis} of a sequence", _SEQUENCE, f"y = Softmax<axis={axis}>(x)")
      for axis in (1, 2, -1)],
    Case("Softmax", "a vector", "float[1,10] x", "y = Softmax(x)", spread=4.0),
    *_both("Abs", "Abs(x)"),
    *_both("Exp", "Exp(x)"),
    *_both("Log", "Log(x)", positive=True),
    *_both("Sqrt", "Sqrt(x)", positive=True),
    *_both("Neg", "Neg(x)"),
    *_both("Sin", "Sin(x)"),
    *_both("Cos", "Cos(x)"),
    *_both("Floor", "Floor(x)", spread=4.0),
    *_both("Ceil", "Ceil(x)", spread=4.0),
    *_both("Sign", "Sign(x)"),
    *_both("Round", "Round(x)", spread=4.0),
    Case("LogSoftmax", "a vector", "float[1,10] x", "y = LogSoftmax<axis=-1>(x)", spread=4.0),
    Case("LogSoftmax", "a sequence", _SEQUENCE, "y = LogSoftmax<axis=2>(x)"),
    Case("Exp", "with a clamp behind it", _IMAGE, "e = Exp(x) y = Clip(e, a, b)",
         "float a = {0.5}, float b = {2}"),
    Case("Exp", "with a Relu behind it", _IMAGE, "e = Exp(x) y = Relu(e)"),
    Case("Erf", "alone", "float[1,4,6] x", "y = Erf(x)", spread=2.0),
    Case("Reciprocal", "alone", "float[1,4,6] x", "y = Reciprocal(x)", positive=True),
    Case("Softplus", "alone", "float[1,4,6] x", "y = Softplus(x)", spread=3.0),
]  # fmt: skip
