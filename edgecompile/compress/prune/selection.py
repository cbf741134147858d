"""Which units go, one after the other, until it suffices."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from edgecompile.compress.prune.couplings import Coupling

if TYPE_CHECKING:
    import torch

Allocation = Literal["network", "layer"]
"""How much goes of which layer. `network`: the least important per cost, wherever they are.
`layer`: of every layer the same share, its least important."""

LEAST_LEFT = 0.1
"""Share of a layer's units that always stay: a layer without channels ends the network, and a
ranking over all layers is blind to how many are left."""


def ranking(
    couplings: Sequence[Coupling],
    importance: Sequence[torch.Tensor],
    started_with: Mapping[str, int],
    allocation: Allocation,
) -> list[tuple[str, tuple[int, ...]]]:
    """Root and channels of every unit that may go, the first to go first.

    `started_with` tells how many units a root had before the first iteration.
    """
    candidates = []
    for coupling, scores in zip(couplings, importance, strict=True):
        units, first = len(coupling.units), started_with[coupling.root]
        order = sorted(range(units), key=lambda i: (float(scores[i]), i))
        cost = max(coupling.saved, 1e-9)
        for place, unit in enumerate(order[: max(0, units - least_left(first))], start=1):
            share = (first - units + place) / first
            key = share if allocation == "layer" else float(scores[unit]) / cost
            candidates.append((key, coupling.root, coupling.units[unit]))
    candidates.sort()
    return [(root, channels) for _, root, channels in candidates]


def least_left(units: int) -> int:
    """How many of `units` must stay."""
    return max(1, round(units * LEAST_LEFT))


def by_root(chosen: Sequence[tuple[str, tuple[int, ...]]]) -> dict[str, list[int]]:
    """The channels of each root, ascending."""
    channels: dict[str, list[int]] = {}
    for root, unit in chosen:
        channels.setdefault(root, []).extend(unit)
    return {root: sorted(found) for root, found in channels.items()}


def fewest_that_reach(
    candidates: Sequence[tuple[str, tuple[int, ...]]],
    goal: float,
    cost_without: Callable[[Mapping[str, Sequence[int]]], float],
) -> list[tuple[str, tuple[int, ...]]] | None:
    """As few of the first `candidates` as must go so that the cost is at most `goal`.

    None: not even all of them suffice.
    """
    low, high = 0, len(candidates)
    if cost_without(by_root(candidates)) > goal:
        return None
    while low < high:
        middle = (low + high) // 2
        if cost_without(by_root(candidates[:middle])) > goal:
            low = middle + 1
        else:
            high = middle
    return list(candidates[:high])


def without_needless(
    chosen: Sequence[tuple[str, tuple[int, ...]]],
    goal: float,
    cost_without: Callable[[Mapping[str, Sequence[int]]], float],
) -> list[tuple[str, tuple[int, ...]]]:
    """`chosen` less what still fits under `goal`, the last first: the one that tipped the balance
    may have cost more than was too much."""
    left = list(chosen)
    full: set[str] = set()
    for one in reversed(chosen):
        if one[0] in full:
            continue
        fewer = [other for other in left if other != one]
        if cost_without(by_root(fewer)) <= goal:
            left = fewer
        else:
            full.add(one[0])
    return left
