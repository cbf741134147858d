"""Pools and reductions."""

from typing import Any

from edgecompile.conformance.cases.case import Case

_IMAGE = "float[1,4,8,9] x"


def _pool(op: str, name: str, attributes: str, x: str = "1,4,8,9") -> Case:
    return Case(op, name, f"float[{x}] x", f"y = {op}<{attributes}>(x)")


def _reduce(op: str, **how: Any) -> list[Case]:
    cases = [
        Case(op, f"axes {list(axes)}, keepdims={keep}", _IMAGE, f"y = {op}<keepdims={keep}>(x, a)",
             f"int64[{len(axes)}] a = {{{', '.join(map(str, axes))}}}", **how)
        for axes in ((2, 3), (1,), (3,), (-1, -2), (1, 2, 3), (1, 3), (2,))
        for keep in (0, 1)
    ]  # fmt: skip
    return [
        *cases,
        Case(op, "every axis", "float[1,5,6] x", f"y = {op}<keepdims=1>(x)", **how),
        Case(op, "a sequence", "float[1,5,6] x", f"y = {op}<keepdims=0>(x, a)",
             "int64[1] a = {1}", **how),
        Case(op, "a vector", "float[1,9] x", f"y = {op}<keepdims=1>(x, a)", "int64[1] a = {-1}",
             **how),
    ]  # fmt: skip


CASES = [
    _pool("MaxPool", "2x2", "kernel_shape=[2,2], strides=[2,2]"),
    _pool("MaxPool", "3x3 with pads", "kernel_shape=[3,3], strides=[2,2], pads=[1,1,1,1]"),
    _pool("MaxPool", "SAME", "kernel_shape=[3,3], pads=[1,1,1,1]"),
    _pool("MaxPool", "odd pads", "kernel_shape=[3,4], strides=[1,2], pads=[2,0,0,3]"),
    _pool("MaxPool", "one stride per axis", "kernel_shape=[2,3], strides=[1,3]"),
    _pool("MaxPool", "ceil_mode without effect",
          "kernel_shape=[2,3], strides=[2,3], ceil_mode=1"),
    Case("MaxPool", "Relu", _IMAGE, "p = MaxPool<kernel_shape=[2,2]>(x) y = Relu(p)"),
    Case("MaxPool", "of a Relu", _IMAGE, "r = Relu(x) y = MaxPool<kernel_shape=[2,2]>(r)"),
    _pool("AveragePool", "2x2", "kernel_shape=[2,2], strides=[2,2]"),
    _pool("AveragePool", "3x3", "kernel_shape=[3,3], strides=[1,1]"),
    _pool("AveragePool", "SAME, padding not counted", "kernel_shape=[3,3], pads=[1,1,1,1]"),
    _pool("AveragePool", "SAME, padding counted",
          "kernel_shape=[3,3], pads=[1,1,1,1], count_include_pad=1"),
    _pool("AveragePool", "odd pads, counted",
          "kernel_shape=[3,3], strides=[2,2], pads=[1,0,1,2], count_include_pad=1"),
    _pool("AveragePool", "ceil_mode without effect",
          "kernel_shape=[2,3], strides=[2,3], ceil_mode=1"),
    _pool("AveragePool", "the whole image", "kernel_shape=[8,9]"),
    # Where the sum of four is a tie, TFLite rounds up and ONNX Runtime to even; one step of the
    # pool's scale is four of the Relu's.
    Case("AveragePool", "Relu", _IMAGE, "p = AveragePool<kernel_shape=[2,2]>(x) y = Relu(p)",
         lsb=4),
    Case("GlobalAveragePool", "an image", _IMAGE, "y = GlobalAveragePool(x)"),
    Case("GlobalAveragePool", "a sequence", "float[1,4,9] x", "y = GlobalAveragePool(x)"),
    Case("GlobalAveragePool", "Relu", _IMAGE, "p = GlobalAveragePool(x) y = Relu(p)"),
    Case("GlobalMaxPool", "an image", _IMAGE, "y = GlobalMaxPool(x)"),
    Case("GlobalMaxPool", "a sequence", "float[1,4,9] x", "y = GlobalMaxPool(x)"),
    *_reduce("ReduceMean"),
    *_reduce("ReduceMax"),
    *_reduce("ReduceMin"),
    *_reduce("ReduceSum"),
]  # fmt: skip
