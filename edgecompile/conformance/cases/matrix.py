"""Gemm and MatMul."""

from typing import Any

from edgecompile.conformance.cases.case import Case


def _gemm(name: str, x: str, constants: str, body: str, **how: Any) -> Case:
    return Case("Gemm", name, f"float[{x}] x", body, constants, **how)


def _matmul(name: str, x: str, body: str, constants: str = "", **how: Any) -> Case:
    return Case("MatMul", name, f"float[{x}] x", body, constants, **how)


CASES = [
    _gemm("transB", "1,16", "float[8,16] w, float[8] b", "y = Gemm<transB=1>(x, w, b)"),
    _gemm("not transposed", "1,16", "float[16,8] w, float[8] b", "y = Gemm(x, w, b)"),
    _gemm("without bias", "1,16", "float[8,16] w", "y = Gemm<transB=1>(x, w)"),
    _gemm("a bias of one number", "1,16", "float[8,16] w, float[1] b",
          "y = Gemm<transB=1>(x, w, b)"),
    _gemm("a bias as a row", "1,16", "float[8,16] w, float[1,8] b", "y = Gemm<transB=1>(x, w, b)"),
    _gemm("one output", "1,16", "float[1,16] w, float[1] b", "y = Gemm<transB=1>(x, w, b)"),
    _gemm("Relu", "1,16", "float[8,16] w, float[8] b", "c = Gemm<transB=1>(x, w, b) y = Relu(c)"),
    _gemm("Relu6", "1,16", "float[8,16] w, float[8] b, float low = {0}, float six = {6}",
          "c = Gemm<transB=1>(x, w, b) y = Clip(c, low, six)", spread=5.0),
    _gemm("behind a flattened image", "1,4,3,5", "float[7,60] w, float[7] b",
          "f = Flatten(x) y = Gemm<transB=1>(f, w, b)"),
    _gemm("behind a reshaped image", "1,4,3,5", "float[60,7] w, int64[2] s = {1, -1}",
          "f = Reshape(x, s) y = Gemm(f, w)"),
    _gemm("an image cut into rows", "1,4,6,2", "float[5,16] w, float[5] b, int64[2] s = {3, 16}",
          "f = Reshape(x, s) y = Gemm<transB=1>(f, w, b) "),
    _gemm("two products of one flattened image", "1,4,3,3",
          "float[5,36] w, float[5] b, float[36,5] v",
          "f = Flatten(x) c = Gemm<transB=1>(f, w, b) d = MatMul(f, v) y = Add(c, d)",
          lsb=3),  # three roundings
    _gemm("a flattened image that is also an output of its own", "1,4,3,3", "float[5,36] w",
          "f = Flatten(x) y = Gemm<transB=1>(f, w)", outputs="float[] y, float[] f"),
    _matmul("rank 2", "1,16", "y = MatMul(x, w)", "float[16,8] w"),
    _matmul("rank 3", "1,5,16", "y = MatMul(x, w)", "float[16,8] w"),
    _matmul("rank 4", "1,3,5,16", "y = MatMul(x, w)", "float[16,8] w"),
    _matmul("of batches", "1,6,8",
            "t = Transpose<perm=[0,2,1]>(x) y = MatMul(x, t)"),
    _matmul("of batches, the first one transposed", "1,6,8",
            "t = Transpose<perm=[0,2,1]>(x) y = MatMul(t, x)"),
    _matmul("of two products", "1,6,8",
            "a = MatMul(x, v) b = MatMul(x, w) t = Transpose<perm=[0,2,1]>(b) y = MatMul(a, t)",
            "float[8,4] v, float[8,4] w", lsb=3),  # three roundings
    _matmul("of heads", "1,5,12",
            "r = Reshape(x, s) q = Transpose<perm=[0,2,1,3]>(r) k = Transpose<perm=[0,2,3,1]>(r) "
            "y = MatMul(q, k)", "int64[4] s = {1, 5, 3, 4}"),
    _matmul("of rank 2", "1,6", "t = Transpose<perm=[1,0]>(x) y = MatMul(x, t)"),
    _matmul("that broadcasts its batches", "1,3,4,6",
            "s = Slice(x, a, e, c) t = Transpose<perm=[0,1,3,2]>(s) y = MatMul(x, t)",
            "int64[1] a = {0}, int64[1] e = {1}, int64[1] c = {1}"),
    _matmul("with a bias behind it", "1,5,16", "c = MatMul(x, w) y = Add(c, b)",
            "float[16,8] w, float[8] b", lsb=2),  # two roundings
    _matmul("Relu", "1,5,16", "c = MatMul(x, w) y = Relu(c)", "float[16,8] w"),
]  # fmt: skip
