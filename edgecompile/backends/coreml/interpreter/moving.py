"""Operators that move values, or choose the type that they are stored in."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch.nn import functional

from edgecompile.backends.coreml.interpreter.entry import Function
from edgecompile.backends.coreml.program import integers
from edgecompile.errors import UserError

Tensor = torch.Tensor


def cast(x: Tensor, dtype: str) -> Tensor:
    """The declared type of the result does it: towards an integer, the fraction is dropped."""
    return torch.trunc(x) if dtype.startswith(("int", "uint")) and x.is_floating_point() else x


def reshape(x: Tensor, shape: Any) -> Tensor:
    """0 keeps a dimension, -1 is what is left."""
    wanted = integers(shape, ())
    return x.reshape([x.shape[axis] if size == 0 else size for axis, size in enumerate(wanted)])


def transpose(x: Tensor, perm: Any) -> Tensor:
    """The result's axis i is the input's axis perm[i]."""
    return x.permute(integers(perm, ()))


def expand_dims(x: Tensor, axes: Any) -> Tensor:
    """New axes of size 1, at their places in the result."""
    listed = integers(axes, ())
    rank = x.dim() + len(listed)
    for axis in sorted(axis % rank for axis in listed):
        x = x.unsqueeze(axis)
    return x


def squeeze(x: Tensor, axes: Any = None) -> Tensor:
    """Without these axes of size 1; without any of size 1."""
    ones = [axis for axis, size in enumerate(x.shape) if size == 1]
    for axis in sorted((axis % x.dim() for axis in integers(axes, ones)), reverse=True):
        x = x.squeeze(axis)
    return x


def concat(values: tuple[Tensor, ...], axis: Any, interleave: Any = False) -> Tensor:
    """One behind the other along an axis."""
    if interleave:
        raise UserError("concat with interleave is not computed")
    return torch.cat(values, int(axis))


def stack(values: tuple[Tensor, ...], axis: Any) -> Tensor:
    """Along a new axis."""
    return torch.stack(values, int(axis))


def split(
    x: Tensor, axis: Any, num_splits: Any = None, split_sizes: Any = None
) -> tuple[Tensor, ...]:
    """Into parts of given sizes, or of equal size."""
    place = int(axis)
    if split_sizes is not None:
        return torch.split(x, integers(split_sizes, ()), place)
    return torch.split(x, x.shape[place] // int(num_splits), place)


def slice_by_index(
    x: Tensor,
    begin: Any,
    end: Any,
    stride: Any = None,
    begin_mask: Any = None,
    end_mask: Any = None,
    squeeze_mask: Any = None,
) -> Tensor:
    """Python's slices; a mask says that a bound is not used, or that the axis goes."""
    rank = x.dim()
    starts, ends, steps = integers(begin, ()), integers(end, ()), integers(stride, [1] * rank)
    no = [0] * rank
    open_start, open_end = integers(begin_mask, no), integers(end_mask, no)
    gone = integers(squeeze_mask, no)
    for axis in reversed(range(rank)):
        size = x.shape[axis]
        if gone[axis]:
            x = x.select(axis, starts[axis] % size)
            continue
        chosen = slice(
            None if open_start[axis] else starts[axis],
            None if open_end[axis] else ends[axis],
            steps[axis],
        ).indices(size)
        x = x.index_select(axis, torch.arange(*chosen))
    return x


def slice_by_size(x: Tensor, begin: Any, size: Any) -> Tensor:
    """From `begin`, so many; -1 is to the end."""
    for axis, (start, count) in enumerate(
        zip(integers(begin, ()), integers(size, ()), strict=True)
    ):
        x = x.narrow(axis, start, x.shape[axis] - start if count == -1 else count)
    return x


def gather(
    x: Tensor, indices: Any, axis: Any = 0, batch_dims: Any = 0, validate_indices: Any = False
) -> Tensor:
    """With constant indices along one axis; a negative one counts from the end."""
    if batch_dims or not isinstance(indices, np.ndarray | np.generic):
        raise UserError("gather is computed for constant indices and no batch_dims")
    place = int(axis) % x.dim()
    wrapped = np.asarray(indices, np.int64) % x.shape[place]
    chosen = x.index_select(place, torch.from_numpy(np.ravel(wrapped)))
    return chosen.reshape(*x.shape[:place], *wrapped.shape, *x.shape[place + 1 :])


def tile(x: Tensor, reps: Any) -> Tensor:
    """Each axis so many times."""
    return x.repeat(integers(reps, ()))


def pad(x: Tensor, pad: Any, mode: str = "constant", constant_val: Any = 0.0) -> Tensor:
    """Before and after each of the last axes; `reflect` and `replicate` of the last two."""
    listed = integers(pad, ())
    pairs = [(listed[i], listed[i + 1]) for i in range(0, len(listed), 2)]
    if mode != "constant":
        while pairs and pairs[0] == (0, 0):
            pairs.pop(0)
    flat = [side for pair in reversed(pairs) for side in pair]
    if mode == "constant":
        return functional.pad(x, flat, value=float(constant_val))
    return functional.pad(x, flat, mode=mode)


def depth_to_space(x: Tensor, block_size: Any) -> Tensor:
    """The block is the slowest part of the channels (ONNX's DCR)."""
    n, c, h, w = x.shape
    block = int(block_size)
    parts = x.reshape(n, block, block, c // block**2, h, w)
    return parts.permute(0, 3, 4, 1, 5, 2).reshape(n, c // block**2, h * block, w * block)


def pixel_shuffle(x: Tensor, upscale_factor: Any) -> Tensor:
    """The block is the fastest part of the channels (torch's PixelShuffle)."""
    return functional.pixel_shuffle(x, int(upscale_factor))


def upsample_nearest_neighbor(
    x: Tensor, scale_factor_height: Any = 1, scale_factor_width: Any = 1
) -> Tensor:
    """Each pixel so many times."""
    return x.repeat_interleave(int(scale_factor_height), 2).repeat_interleave(
        int(scale_factor_width), 3
    )


def upsample_bilinear(
    x: Tensor,
    scale_factor_height: Any = 1,
    scale_factor_width: Any = 1,
    align_corners: Any = True,
    half_pixel_centers: Any = None,
) -> Tensor:
    """A mean of four pixels, with one of three ideas of where pixels lie."""
    halves = not align_corners if half_pixel_centers is None else bool(half_pixel_centers)
    for axis, factor in ((2, scale_factor_height), (3, scale_factor_width)):
        x = _interpolated(x, axis, float(factor), bool(align_corners), halves)
    return x


def _interpolated(x: Tensor, axis: int, factor: float, corners: bool, halves: bool) -> Tensor:
    size = x.shape[axis]
    count = int(size * factor)
    places = torch.arange(count, dtype=torch.float64)
    if corners:
        places = places * ((size - 1) / max(count - 1, 1))
    elif halves:
        places = (places + 0.5) / factor - 0.5
    else:
        places = places / factor
    places = places.clamp(0, size - 1)
    left = places.floor().long().clamp(max=size - 1)
    right = (left + 1).clamp(max=size - 1)
    weight = (places - left).reshape(-1, *[1] * (x.dim() - axis - 1))
    return x.index_select(axis, left) * (1 - weight) + x.index_select(axis, right) * weight


OPERATORS: dict[str, Function] = {
    "cast": cast,
    "reshape": reshape,
    "transpose": transpose,
    "expand_dims": expand_dims,
    "squeeze": squeeze,
    "concat": concat,
    "stack": stack,
    "split": split,
    "slice_by_index": slice_by_index,
    "slice_by_size": slice_by_size,
    "gather": gather,
    "tile": tile,
    "pad": pad,
    "depth_to_space": depth_to_space,
    "pixel_shuffle": pixel_shuffle,
    "upsample_nearest_neighbor": upsample_nearest_neighbor,
    "upsample_bilinear": upsample_bilinear,
}
