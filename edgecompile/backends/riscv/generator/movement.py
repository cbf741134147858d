"""Moving elements: whatever transposes, cuts, joins, pads or repeats is one kernel's call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import prod

import numpy as np

from edgecompile.backends.riscv.generator.emission import Emission
from edgecompile.backends.riscv.generator.storage import Storage, Tensor
from edgecompile.backends.riscv.generator.text import structure
from edgecompile.errors import ContractError
from edgecompile.graph.hub import Array

_MOST_AXES = 6
"""Of struct movement in kernels/base.h; what is more becomes loops around the call."""


def strides_of(stored: Sequence[int]) -> list[int]:
    """How many elements lie between neighbours along each stored axis."""
    return [prod(stored[axis + 1 :]) for axis in range(len(stored))]


def move_tensor(emission: Emission, source: Tensor, result: Tensor) -> None:
    """Copy a tensor into one of the same shape that is stored in another order."""
    from_strides = dict(zip(source.order, strides_of(source.stored), strict=True))
    to_strides = dict(zip(result.order, strides_of(result.stored), strict=True))
    move(
        emission,
        source,
        result,
        [source.shape[axis] for axis in result.order],
        [from_strides[axis] for axis in result.order],
        [to_strides[axis] for axis in result.order],
    )


def move(
    emission: Emission,
    source: Tensor,
    result: Tensor,
    sizes: Sequence[int],
    from_strides: Sequence[int],
    to_strides: Sequence[int],
    from_offset: int = 0,
    to_offset: int = 0,
) -> None:
    """Copy `sizes` elements; strides and offsets count elements of either tensor."""
    axes = _merged(list(zip(sizes, from_strides, to_strides, strict=True)))
    if any(size == 0 for size, _, _ in axes):
        raise ContractError(f"{result.storage.name} has no elements")
    outer, inner = axes[:-_MOST_AXES], axes[-_MOST_AXES:]
    shape = {
        "rank": len(inner),
        "bytes": result.dtype.itemsize,
        "sizes": [size for size, _, _ in inner],
        "from": [stride for _, stride, _ in inner],
        "to": [stride for _, _, stride in inner],
    }
    emission.call(
        "move",
        source.read(from_offset, [stride for _, stride, _ in outer]),
        result.write(to_offset, [stride for _, _, stride in outer]),
        structure("movement", shape),
        loops=[size for size, _, _ in outer],
    )


def fill(emission: Emission, result: Tensor) -> None:
    """Set every element to zero: for integers, to the zero point."""
    value = 0 if result.params is None else result.params.zero_point  # 0 for 16 bits
    size = result.size * result.dtype.itemsize
    emission.call("fill", result.write(), str(value), str(size))


def padded(emission: Emission, x: Tensor, before: Sequence[int], after: Sequence[int]) -> Tensor:
    """A tensor with zeros around it; `before` and `after` by the hub's axes."""
    if not any(before) and not any(after):
        return x
    shape = [n + b + a for n, b, a in zip(x.shape, before, after, strict=True)]
    result = emission.new(f"{x.storage.name}.padded", shape, x.order, x.params)
    fill(emission, result)
    place(emission, x, result, before)
    return result


def place(
    emission: Emission,
    x: Tensor,
    result: Tensor,
    start: Sequence[int],
    steps: Sequence[int] | None = None,
) -> None:
    """Write a tensor into a larger one of the same order, from `start`, `steps` apart."""
    offset, to = _walk(result, start, steps)
    move(emission, x, result, x.stored, strides_of(x.stored), to, to_offset=offset)


def take(
    emission: Emission,
    x: Tensor,
    result: Tensor,
    start: Sequence[int],
    steps: Sequence[int] | None = None,
) -> None:
    """Read a part of a tensor, from `start`, `steps` apart, into one of the same order."""
    offset, taken = _walk(x, start, steps)
    move(emission, x, result, result.stored, taken, strides_of(result.stored), from_offset=offset)


def _walk(
    whole: Tensor, start: Sequence[int], steps: Sequence[int] | None
) -> tuple[int, list[int]]:
    """Where in a tensor its part at `start` begins, and the elements between neighbours of the
    part along each stored axis."""
    strides = list(zip(whole.order, strides_of(whole.stored), strict=True))
    apart = [1] * len(start) if steps is None else list(steps)
    offset = sum(start[axis] * stride for axis, stride in strides)
    return offset, [apart[axis] * stride for axis, stride in strides]


def part_in_place(x: Tensor, start: Sequence[int], shape: Sequence[int]) -> Tensor | None:
    """A part of a tensor as a view, if its numbers lie together; else None."""
    stored_start = [start[axis] for axis in x.order]
    stored_size = [shape[axis] for axis in x.order]
    partial = [i for i, n in enumerate(stored_size) if n != x.stored[i]]
    if x.flattened is not None:
        return None
    if partial and (len(partial) > 1 or any(n != 1 for n in stored_size[: partial[0]])):
        return None
    strides = strides_of(x.stored)
    offset = sum(s * stride for s, stride in zip(stored_start, strides, strict=True))
    return replace(x, shape=tuple(shape), offset=x.offset + offset)


def flat(storage: Storage, like: Tensor, size: int) -> Tensor:
    """A storage as a vector of the element type of another tensor."""
    return Tensor(storage, (size,), (0,), like.params)


def _merged(axes: list[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    """Fewer axes that say the same; the innermost one that is contiguous on both sides, or long."""
    kept: list[tuple[int, int, int]] = []
    for size, source, result in axes:
        if size == 1:
            continue
        if kept:
            outer_size, outer_source, outer_result = kept[-1]
            if (outer_source, outer_result) == (source * size, result * size):
                kept[-1] = (outer_size * size, source, result)
                continue
        kept.append((size, source, result))
    if not kept:
        return [(1, 1, 1)]

    def runs(axis: tuple[int, int, int]) -> tuple[bool, int]:
        size, source, result = axis
        return ((source, result) == (1, 1) and size >= _RUN, size)

    innermost = max(kept, key=runs)
    kept.remove(innermost)
    return [*kept, innermost]


_RUN = 8
"""From this many elements on, bytes that lie together are worth being the innermost axis."""


def integer_list(values: Sequence[int]) -> Array:
    """A table of offsets or indices for a kernel."""
    return np.asarray(values, np.int32)
