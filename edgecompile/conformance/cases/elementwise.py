"""Operators on two tensors."""

from typing import Any

from edgecompile.conformance.cases.case import Case

_IMAGE = "float[1,4,5,6] x"
_TWO = "a = Slice(x, from0, to2, axis1) b = Slice(x, from2, to4, axis1) "
_CUTS = (
    "int64[1] from0 = {0}, int64[1] to2 = {2}, int64[1] from2 = {2}, int64[1] to4 = {4}, "
    "int64[1] axis1 = {1}"
)


def _each(op: str, **how: Any) -> list[Case]:
    return [
        Case(op, "two activations", _IMAGE, f"{_TWO} y = {op}(a, b)", _CUTS, **how),
        Case(op, "itself", _IMAGE, f"y = {op}(x, x)", **how),
        Case(op, "one number", _IMAGE, f"y = {op}(x, c)", "float c = {0.37}", **how),
        Case(op, "one number first", _IMAGE, f"y = {op}(c, x)", "float c = {1.37}", **how),
        Case(op, "one negative number", _IMAGE, f"y = {op}(x, c)", "float[1] c = {-2.5}", **how),
        Case(op, "a constant per channel", _IMAGE, f"y = {op}(x, c)", "float[4,1,1] c", **how),
        Case(op, "a constant per channel first", _IMAGE, f"y = {op}(c, x)", "float[1,4,1,1] c",
             **how),
        Case(op, "a constant per column", _IMAGE, f"y = {op}(x, c)", "float[6] c", **how),
        Case(op, "a whole constant", _IMAGE, f"y = {op}(x, c)", "float[1,4,5,6] c", **how),
        Case(op, "vectors", "float[1,8] x", f"y = {op}(x, c)", "float[8] c", **how),
        Case(op, "rank 3", "float[1,7,8] x", f"y = {op}(x, c)", "float[7,1] c", **how),
        Case(op, "a constant of higher rank", "float[1,6] x", f"y = {op}(x, c)",
             "float[1,2,3,6] c", **how),
        Case(op, "an activation per channel", _IMAGE,
             f"m = ReduceMax<keepdims=1>(x, axes) y = {op}(x, m)", "int64[2] axes = {2, 3}", **how),
        Case(op, "an activation of lower rank", "float[1,4,4,4] x",
             f"m = ReduceMax<keepdims=0>(x, axes) y = {op}(x, m)", "int64[2] axes = {2, 3}", **how),
        Case(op, "both broadcast", _IMAGE,
             f"m = ReduceMax<keepdims=1>(x, a) n = ReduceMax<keepdims=1>(x, b) y = {op}(m, n)",
             "int64[1] a = {2}, int64[1] b = {3}", **how),
    ]  # fmt: skip


def _with_relu(op: str) -> Case:
    return Case(op, "Relu", _IMAGE, f"{_TWO} c = {op}(a, b) y = Relu(c)", _CUTS)


CASES = [
    *_each("Add"), _with_relu("Add"),
    Case("Add", "Relu6", _IMAGE, f"{_TWO} c = Add(a, b) y = Clip(c, low, six)",
         f"{_CUTS}, float low = {{0}}, float six = {{6}}", spread=5.0),
    Case("Add", "Clip(0, 3)", _IMAGE, f"{_TWO} c = Add(a, b) y = Clip(c, low, high)",
         f"{_CUTS}, float low = {{0}}, float high = {{3}}", spread=5.0),
    *_each("Sub"), _with_relu("Sub"),
    *_each("Mul"), _with_relu("Mul"),
    *_each("Max"), *_each("Min"),
    Case("Max", "three activations", _IMAGE,
         "a = Relu(x) b = Abs(x) y = Max(x, a, b)", lsb=2),  # two roundings
    # Quotients and powers are float islands: the only difference is the rounding at their border.
    Case("Div", "two activations", _IMAGE, f"{_TWO} y = Div(a, b)", _CUTS, positive=True),
    Case("Div", "one number", _IMAGE, "y = Div(x, c)", "float c = {2.828}"),
    Case("Div", "one number first", _IMAGE, "y = Div(c, x)", "float c = {0.5}", positive=True),
    Case("Div", "vectors", "float[1,4] x", "y = Div(x, c)", "float[4] c = {0.5, -2, 3, 4.5}"),
    Case("Div", "an activation per channel", _IMAGE,
         "m = ReduceMax<keepdims=1>(x, axes) y = Div(x, m)", "int64[2] axes = {2, 3}",
         positive=True),
    Case("Div", "Relu", _IMAGE, "d = Div(x, c) y = Relu(d)", "float c = {0.7}"),
    Case("Div", "a divisor per channel", _IMAGE, "y = Div(x, c)",
         "float[4,1,1] c = {0.5, 2, 3, 4.5}"),
    Case("Pow", "a square", _IMAGE, "y = Pow(x, two)", "float two = {2}"),
    Case("Pow", "a root", _IMAGE, "y = Pow(x, half)", "float half = {0.5}", positive=True),
    Case("Pow", "an exponent per channel", _IMAGE, "y = Pow(x, c)",
         "float[4,1,1] c = {1, 2, 0.5, 1.5}", positive=True),
    Case("Pow", "a base that is one number", _IMAGE, "y = Pow(c, x)", "float c = {2}"),
]  # fmt: skip
