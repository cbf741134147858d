"""How a tensor of the hub is stored by a backend: its axes may be in another order.

`order[i]` is the hub's axis that is stored at position i. NHWC of an NCHW tensor is (0, 2, 3, 1).
A transposition of the hub then costs nothing until an operator needs a certain order.
"""

from __future__ import annotations

from collections.abc import Sequence

Order = tuple[int, ...]

CHANNELS_LAST: Order = (0, 2, 3, 1)


def plain(rank: int) -> Order:
    """The order in which nothing is moved."""
    return tuple(range(rank))


def border_order(rank: int) -> Order:
    """How graph inputs and outputs are stored: channels last for images, else plain."""
    return CHANNELS_LAST if rank == 4 else plain(rank)


def stored_shape(shape: Sequence[int], order: Order) -> tuple[int, ...]:
    """The shape in the file of a tensor of the hub's `shape`."""
    return tuple(shape[axis] for axis in order)


def stored_axis(axis: int, order: Order) -> int:
    """Where the hub's `axis` (which may count from the end) is stored."""
    return order.index(axis % len(order))


def permutation(source: Order, destination: Order) -> Order:
    """The TRANSPOSE that takes a tensor stored in `source` to `destination`."""
    return tuple(source.index(axis) for axis in destination)


def moves_nothing(shape: Sequence[int], source: Order, destination: Order) -> bool:
    """Does the change of order keep the bytes as they are? Axes of size 1 may move freely."""
    real = [axis for axis in source if shape[axis] != 1]
    return real == [axis for axis in destination if shape[axis] != 1]


def drop_axes(order: Order, dropped: Sequence[int]) -> Order:
    """The order of what is left when the hub's axes `dropped` disappear."""
    kept = [axis for axis in order if axis not in dropped]
    ranks = {axis: rank for rank, axis in enumerate(sorted(kept))}
    return tuple(ranks[axis] for axis in kept)


def reshaped_order(before: Sequence[int], after: Sequence[int], order: Order) -> Order | None:
    """The order in which a tensor stored in `order` is read after a reshape that moves no bytes.

    A reshape splits and merges runs of axes. It moves no bytes when each run of axes lies
    together and in sequence in the file. None when one does not.
    """
    runs = _runs(before, after)
    starts: dict[int, list[int]] = {}
    stored = [axis for axis in order if before[axis] != 1]
    for sources, destinations in runs:
        if not sources:
            continue
        first = stored.index(sources[0])
        if stored[first : first + len(sources)] != sources:
            return None
        starts[first] = destinations
    placed = [axis for first in sorted(starts) for axis in starts[first]]
    # Axes of size 1 can stand anywhere: put each before its successor, as in the plain order.
    for axis in range(len(after) - 1, -1, -1):
        if axis not in placed:
            later = [placed.index(other) for other in range(axis + 1, len(after))]
            placed.insert(min(later, default=len(placed)), axis)
    return tuple(placed)


def mergeable_order(before: Sequence[int], after: Sequence[int], order: Order) -> Order:
    """The order nearest to `order` in which a reshape moves no bytes: each run of axes that it
    merges lies together, where its first axis lay. A shuffle of channels stays channels last."""
    placed = []
    for axis in order:
        run = next((r for r, _ in _runs(before, after) if axis in r), [axis])
        if axis == run[0]:
            placed += run
    return tuple(placed)


def _runs(before: Sequence[int], after: Sequence[int]) -> list[tuple[list[int], list[int]]]:
    """Pairs of smallest runs of axes (without those of size 1) with equal numbers of elements."""
    left = [axis for axis, size in enumerate(before) if size != 1]
    right = [axis for axis, size in enumerate(after) if size != 1]
    runs: list[tuple[list[int], list[int]]] = []
    while left or right:
        sources, destinations = [left.pop(0)], [right.pop(0)]
        product, wanted = before[sources[0]], after[destinations[0]]
        while product != wanted:
            if product < wanted:
                sources.append(left.pop(0))
                product *= before[sources[-1]]
            else:
                destinations.append(right.pop(0))
                wanted *= after[destinations[-1]]
        runs.append((sources, destinations))
    return runs
