"""ONNX's explicit pads as one of TFLite's two paddings, or as a PAD of its own."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgecompile.formats.tflite.emission import Emission, Tensor
from edgecompile.formats.tflite.flatbuffer import SAME, VALID, make_options
from edgecompile.graph.layout import CHANNELS_LAST


def padding_of(
    sizes: Sequence[int],
    kernel: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
    pads: Sequence[int],
) -> int | None:
    """SAME or VALID if `pads` (top, left, bottom, right) are what that word means; else None.

    `sizes` are height and width of the image that is convolved.
    """
    if not any(pads):
        return VALID
    for axis in range(2):
        total = same_padding(sizes[axis], kernel[axis], strides[axis], dilations[axis])
        if (pads[axis], pads[axis + 2]) != (total // 2, total - total // 2):
            return None
    return SAME


def same_padding(size: int, kernel: int, stride: int, dilation: int) -> int:
    """Rows that SAME adds in all, the smaller half first (tensorflow/lite/kernels/padding.h)."""
    reach = (-(-size // stride) - 1) * stride + (kernel - 1) * dilation + 1
    return max(reach - size, 0)


def pad_image(
    emission: Emission, x: Tensor, pads: Sequence[int], *, lowest: bool = False
) -> Tensor:
    """An NHWC tensor behind a PAD with zeros (the zero point) above, left, below and right; or,
    with `lowest`, with the least value of its type: by a PADV2, unless that is the zero point."""
    top, left, bottom, right = pads
    n, c, h, w = x.shape
    shape = (n, c, h + top + bottom, w + left + right)
    padded = emission.like(x, f"{x.index}.padded", shape, CHANNELS_LAST)
    paddings = emission.writer.integers([[0, 0], [top, bottom], [left, right], [0, 0]])
    if not lowest or (x.params is not None and x.params.zero_point == np.iinfo(x.params.dtype).min):
        emission.op("PAD", [x, paddings], [padded], make_options("PadOptions"))
        return padded
    if x.params is None:
        least = np.array([np.finfo(np.float32).min], np.float32)
    else:
        least = np.array([np.iinfo(x.params.dtype).min], x.params.dtype)
    value = emission.constant(f"{x.index}.lowest", least, x.params)
    emission.op("PADV2", [x, paddings, value], [padded], make_options("PadV2Options"))
    return padded
