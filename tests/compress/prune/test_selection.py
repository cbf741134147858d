"""Which units go first: over the whole network, or the same share of every layer."""

from __future__ import annotations

import torch

from edgecompile.compress.prune.couplings import Coupling
from edgecompile.compress.prune.selection import (
    Allocation,
    by_root,
    fewest_that_reach,
    ranking,
    without_needless,
)


def coupling(root: str, channels: int, saved: float) -> Coupling:
    return Coupling(root, tuple((i,) for i in range(channels)), (), saved)


def gone(allocation: Allocation, count: int, *, before: int = 8) -> dict[str, list[int]]:
    """What the first `count` of the ranking are, in a network of two layers."""
    couplings = [coupling("dear", 8, 10.0), coupling("cheap", 4, 1.0)]
    scores = [torch.arange(8.0) + 100, torch.tensor([4.0, 3.0, 2.0, 1.0])]
    started_with = {"dear": before, "cheap": 4}
    return by_root(ranking(couplings, scores, started_with, allocation)[:count])


def test_over_the_network_goes_what_matters_least_for_what_it_costs():
    assert gone("network", 3) == {"cheap": [1, 2, 3]}


def test_of_every_layer_goes_the_same_share_its_least_important():
    assert gone("layer", 6) == {"dear": [0, 1, 2, 3], "cheap": [2, 3]}


def test_the_share_of_a_layer_counts_what_went_in_earlier_iterations():
    assert gone("layer", 2, before=16) == {"cheap": [2, 3]}


def test_a_tenth_of_every_layer_stays():
    assert gone("layer", 99) == gone("network", 99) == {"dear": [*range(7)], "cheap": [1, 2, 3]}


def test_no_more_goes_than_must():
    """The dear channel that tips the balance spares a cheap one that went before it."""
    order = [("cheap", (0,)), ("cheap", (1,)), ("dear", (0,))]

    def cost(gone):
        return 100 - 3 * len(gone.get("cheap", [])) - 20 * len(gone.get("dear", []))

    assert fewest_that_reach(order, 77, cost) == order
    assert without_needless(order, 77, cost) == [("cheap", (0,)), ("dear", (0,))]
    assert fewest_that_reach(order, 94, cost) == without_needless(order[:2], 94, cost) == order[:2]
    assert fewest_that_reach(order, 73, cost) is None
