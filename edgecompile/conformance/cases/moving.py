"""Operators that move values."""

from typing import Any

from edgecompile.conformance.cases.case import Case

_IMAGE = "float[1,4,6,8] x"
_SEQUENCE = "float[1,6,8] x"


def _slice(
    name: str,
    starts: list[int],
    ends: list[int],
    axes: list[int],
    steps: list[int] | None = None,
    x: str = _IMAGE,
    **how: Any,
) -> Case:
    def listed(label: str, values: list[int]) -> str:
        return f"int64[{len(values)}] {label} = {{{', '.join(map(str, values))}}}"

    operands = [("s", starts), ("e", ends), ("a", axes)] + ([("t", steps)] if steps else [])
    call = f"y = Slice(x, {', '.join(label for label, _ in operands)})"
    return Case("Slice", name, x, call, ", ".join(listed(*pair) for pair in operands), **how)


def _reshape(name: str, x: str, shape: str, **how: Any) -> Case:
    count = len(shape.split(","))
    return Case("Reshape", name, f"float[{x}] x", "y = Reshape(x, s)",
                f"int64[{count}] s = {{{shape}}}", **how)  # fmt: skip


CASES = [
    _reshape("a vector to an image", "1,96", "1, 4, 6, 4"),
    _reshape("a vector to an image of one channel", "1,24", "1, 1, 6, 4"),
    _reshape("an image to a sequence of channels", "1,4,6,8", "1, 4, 48"),
    _reshape("an image of one channel", "1,1,6,8", "1, 6, 8"),
    _reshape("merging channels and rows", "1,4,6,8", "1, 24, 8"),
    _reshape("splitting channels", "1,6,4,4", "1, 2, 3, 16"),
    _reshape("to the same shape", "1,4,6,8", "1, 4, 6, 8"),
    _reshape("zero and minus one", "1,6,8", "0, -1"),
    Case("Reshape", "of patches, as transformers make them", "float[1,3,4,4] x",
         "c = Conv<kernel_shape=[2,2], strides=[2,2]>(x, w) r = Reshape(c, s) "
         "y = Transpose<perm=[0,2,1]>(r)", "float[8,3,2,2] w, int64[3] s = {1, 8, 4}"),
    Case("Reshape", "the shuffling of channels", "float[1,6,4,4] x",
         "r = Reshape(x, s) t = Transpose<perm=[0,2,1,3,4]>(r) y = Reshape(t, u)",
         "int64[5] s = {1, 2, 3, 4, 4}, int64[4] u = {1, 6, 4, 4}"),
    Case("Flatten", "an image", _IMAGE, "y = Flatten(x)"),
    Case("Flatten", "an image of one pixel", "float[1,8,1,1] x", "y = Flatten(x)"),
    Case("Flatten", "behind a global pool", _IMAGE, "p = GlobalAveragePool(x) y = Flatten(p)"),
    Case("Flatten", "from axis 2", _SEQUENCE, "y = Flatten<axis=2>(x)"),
    Case("Flatten", "the image before a Gemm", _IMAGE, "f = Flatten(x) y = Gemm<transB=1>(f, w)",
         "float[5,192] w"),
    Case("Flatten", "the image before a Relu and a Gemm", _IMAGE,
         "f = Flatten(x) r = Relu(f) y = Gemm<transB=1>(r, w)", "float[5,192] w",
         lsb=2),  # two roundings
    Case("Squeeze", "one pixel", "float[1,8,1,1] x", "y = Squeeze(x, a)", "int64[2] a = {2, 3}"),
    Case("Squeeze", "one row", "float[1,8,1,5] x", "y = Squeeze(x, a)", "int64[1] a = {-2}"),
    Case("Squeeze", "every axis of size 1", "float[1,1,6,1] x", "y = Squeeze(x)"),
    Case("Unsqueeze", "a sequence to an image", _SEQUENCE, "y = Unsqueeze(x, a)",
         "int64[1] a = {1}"),
    Case("Unsqueeze", "a vector to an image", "float[1,8] x", "y = Unsqueeze(x, a)",
         "int64[2] a = {2, 3}"),
    Case("Unsqueeze", "at the end", _SEQUENCE, "y = Unsqueeze(x, a)", "int64[1] a = {-1}"),
    Case("Identity", "alone", _IMAGE, "y = Identity(x)"),
    Case("Identity", "behind a convolution", _IMAGE, "c = Conv(x, w) y = Identity(c)",
         "float[4,4,1,1] w"),
    Case("Transpose", "an image to channels last", _IMAGE, "y = Transpose<perm=[0,2,3,1]>(x)"),
    Case("Transpose", "there and back", _IMAGE,
         "t = Transpose<perm=[0,2,3,1]>(x) y = Transpose<perm=[0,3,1,2]>(t)"),
    Case("Transpose", "a sequence", _SEQUENCE, "y = Transpose<perm=[0,2,1]>(x)"),
    Case("Transpose", "without perm", "float[1,6] x", "y = Transpose(x)"),
    Case("Transpose", "and a product", _SEQUENCE,
         "t = Transpose<perm=[0,2,1]>(x) y = MatMul(t, w)", "float[6,5] w"),
    Case("Transpose", "of rank 5", "float[1,2,3,4,5] x", "y = Transpose<perm=[0,2,4,1,3]>(x)"),
    _slice("rows", [1], [5], [2]),
    _slice("channels", [1], [3], [1]),
    _slice("several axes", [0, 1, 2], [2, 4, 7], [1, 2, 3]),
    _slice("from the end", [-3], [-1], [-1]),
    _slice("to the end", [2], [9223372036854775807], [3]),
    _slice("steps", [0, 1], [6, 8], [2, 3], [2, 3]),
    _slice("steps and negative bounds", [-5], [-1], [2], [2]),
    _slice("steps over channels", [1], [4], [1], [2]),
    _slice("a sequence", [2], [5], [1], x=_SEQUENCE),
    _slice("a step over the focus of an image", [1], [8], [-1], [2]),
    Case("Split", "equal parts of the channels", _IMAGE, "y, z = Split<axis=1, num_outputs=2>(x)",
         outputs="float[] y, float[] z"),
    Case("Split", "parts of given sizes", _IMAGE, "y, z = Split<axis=-1>(x, s)",
         "int64[2] s = {3, 5}", "float[] y, float[] z"),
    Case("Split", "of which one is not used", _IMAGE, "y, z = Split<axis=1, num_outputs=2>(x)"),
    Case("Split", "of which the first is not used", _SEQUENCE,
         "a, b, y = Split<axis=2>(x, s)", "int64[3] s = {2, 2, 4}"),
    Case("Gather", "one index", _IMAGE, "y = Gather<axis=2>(x, i)", "int64 i = {3}"),
    Case("Gather", "one index from the end", _SEQUENCE, "y = Gather<axis=1>(x, i)",
         "int64 i = {-1}"),
    Case("Gather", "one channel", _IMAGE, "y = Gather<axis=1>(x, i)", "int64 i = {2}"),
    Case("Gather", "channels in another order", _IMAGE, "y = Gather<axis=1>(x, i)",
         "int64[4] i = {3, 1, 0, -2}"),
    Case("Gather", "a list of one", _SEQUENCE, "y = Gather<axis=-1>(x, i)", "int64[1] i = {5}"),
    Case("Concat", "channels", _IMAGE, "r = Relu(x) y = Concat<axis=1>(x, r)"),
    Case("Concat", "rows", _IMAGE, "r = Relu(x) y = Concat<axis=2>(x, r)"),
    Case("Concat", "the last axis of sequences", _SEQUENCE,
         "r = Relu(x) y = Concat<axis=-1>(r, x, r)"),
    Case("Concat", "a constant part", _SEQUENCE, "y = Concat<axis=1>(token, x)",
         "float[1,1,8] token"),
    Case("Concat", "a constant part beyond the range", _IMAGE, "y = Concat<axis=1>(x, c)",
         "float[1,1,6,8] c", spread=0.05),
    Case("Concat", "results with other ranges", _IMAGE,
         "a = Conv(x, w) b = Conv(x, v) t = Mul(b, ten) y = Concat<axis=1>(a, t)",
         "float[4,4,1,1] w, float[2,4,1,1] v, float ten = {10}", lsb=2),
    Case("Concat", "of one", _IMAGE, "y = Concat<axis=1>(x)"),
    Case("Pad", "an image", _IMAGE, "y = Pad(x, p)", "int64[8] p = {0,0,1,2, 0,0,3,0}"),
    Case("Pad", "channels", _IMAGE, "y = Pad(x, p)", "int64[8] p = {0,1,0,0, 0,3,0,0}"),
    Case("Pad", "listed axes", _IMAGE, "y = Pad(x, p, v, a)",
         "int64[4] p = {1,2,3,4}, float v = {0}, int64[2] a = {-1, 2}"),
    Case("Pad", "a sequence of positive numbers", _SEQUENCE, "y = Pad(x, p)",
         "int64[6] p = {0,1,0, 0,2,3}", positive=True),
    Case("Expand", "columns", "float[1,4,6,1] x", "y = Expand(x, s)", "int64[4] s = {1, 4, 6, 5}"),
    Case("Expand", "to a higher rank", _SEQUENCE, "y = Expand(x, s)", "int64[4] s = {1, 3, 1, 1}"),
    Case("Expand", "nothing", _SEQUENCE, "y = Expand(x, s)", "int64[3] s = {1, 1, 8}"),
    Case("DepthToSpace", "2", "float[1,12,3,4] x", "y = DepthToSpace<blocksize=2>(x)"),
    Case("DepthToSpace", "2, mode CRD, as PixelShuffle", "float[1,12,3,4] x",
         "y = DepthToSpace<blocksize=2, mode=\"CRD\">(x)"),
    Case("DepthToSpace", "2, mode CRD, one channel", "float[1,4,3,4] x",
         "y = DepthToSpace<blocksize=2, mode=\"CRD\">(x)"),
    Case("DepthToSpace", "3, mode DCR", "float[1,9,3,4] x",
         "y = DepthToSpace<blocksize=3, mode=\"DCR\">(x)"),
]  # fmt: skip
