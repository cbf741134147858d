"""Which channels go: over all layers, or of each layer the same share."""

from __future__ import annotations

import torch

from edgecompile.compress.prune.couplings import Coupling
from edgecompile.compress.prune.selection import by_root, ranking


def coupling(root, units, saved):
    return Coupling(root, tuple((i,) for i in range(units)), (), saved)


LAYERS = [coupling("narrow", 10, 1.0), coupling("wide", 20, 2.0)]
IMPORTANCE = [torch.arange(10.0), 100 + torch.arange(20.0).flip(0)]
UNITS = {"narrow": 10, "wide": 20}


def test_uniform_takes_as_large_a_share_of_each_layer_its_least_important_units():
    gone = by_root(ranking(LAYERS, IMPORTANCE, UNITS, "uniform")[:15])
    assert gone == {"narrow": [0, 1, 2, 3, 4], "wide": list(range(10, 20))}


def test_global_takes_what_matters_least_per_cost_wherever_it_is():
    assert set(by_root(ranking(LAYERS, IMPORTANCE, UNITS)[:9])) == {"narrow"}


def test_a_tenth_of_each_layer_stays():
    for allocation in ("global", "uniform"):
        gone = by_root(ranking(LAYERS, IMPORTANCE, UNITS, allocation))
        assert {root: len(channels) for root, channels in gone.items()} == {
            "narrow": 9,
            "wide": 18,
        }
