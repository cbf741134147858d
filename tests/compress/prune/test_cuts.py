"""What the cuts that are compared have in common, and in what they differ."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from edgecompile.compress.prune.cost import Measure, count_macs, module_cost
from edgecompile.compress.prune.couplings import find_couplings
from edgecompile.compress.prune.cuts import Start, cuts_of
from edgecompile.compress.prune.importance import output_projections, taylor
from edgecompile.compress.prune.structured import prune_smallest
from edgecompile.compress.prune.surgery import Kept, remove_channels
from edgecompile.errors import UserError
from tests.compress.prune.networks import SHAPE, two_convolutions


@pytest.fixture
def whole():
    """The first layer has channels that nothing sees (2, 5), with the largest weights of all."""
    network = two_convolutions()
    with torch.no_grad():
        network[0].weight[[2, 5]] *= 20
        network[2].weight[:, [2, 5]] = 0
    return network.requires_grad_(False)


def start(module, *shares, trained=True):
    measure = Measure("macs")
    macs = measure.of(module_cost(module, SHAPE))
    samples = torch.randn(64, *SHAPE[1:], generator=torch.Generator().manual_seed(1))
    goals = [macs * (1 - share) for share in shares]
    return Start(module, SHAPE, {}, samples, measure, goals, goals[-1], trained)


def by_slope(samples):
    return lambda module, couplings: taylor(module, couplings, output_projections(samples, 0))


def cut(begun):
    return {one.name: one for one in cuts_of(begun, by_slope(begun.samples))}


def test_all_cuts_reach_the_goal_and_leave_what_they_started_from(whole):
    before = copy.deepcopy(whole.state_dict())
    begun = start(whole, 0.2, 0.4)
    for one in cut(begun).values():
        assert count_macs(one.module, SHAPE) <= begun.goals[-1]
        assert one.units == {"0": 8, "2": 6}
    assert all(torch.equal(value, before[name]) for name, value in whole.state_dict().items())


def test_by_importance_goes_what_nothing_sees_by_size_what_is_small(whole):
    cuts = cut(start(whole, 0.2))
    kept = {name: set(one.kept.outputs.get("0", range(8))) for name, one in cuts.items()}
    assert not {2, 5} & kept.pop("by importance")
    assert all({2, 5} <= channels for channels in kept.values())


def test_as_many_of_each_layer_means_as_many_operations(whole):
    cuts = cut(start(whole, 0.2, 0.4))
    first, second = (cuts[n] for n in ("by importance", "the largest, as many of each layer"))
    assert count_macs(first.module, SHAPE) == count_macs(second.module, SHAPE)


def test_without_training_there_is_no_choice_that_only_training_makes_good(whole):
    assert len(cut(start(whole, 0.2, trained=False))) == 2


def test_what_cannot_be_reached_is_told(whole):
    with pytest.raises(UserError, match="cannot be pruned to"):
        cut(start(whole, 0.9999))


def test_channels_that_go_together_go_as_one():
    """Each half of a grouped convolution's inputs loses as many."""
    torch.manual_seed(0)
    whole = nn.Sequential(
        nn.Conv2d(3, 8, 1), nn.ReLU(), nn.Conv2d(8, 8, 3, groups=2), nn.ReLU(), nn.Conv2d(8, 2, 1)
    ).eval()
    couplings = find_couplings(copy.deepcopy(whole), SHAPE, Measure("macs"))
    (grouped,) = (c for c in couplings if c.root == "0")
    assert {len(unit) for unit in grouped.units} == {2}
    other, like = copy.deepcopy(whole), Kept()
    remove_channels(other, SHAPE, {"0": sorted(grouped.units[0] + grouped.units[3])}, like)
    kept = prune_smallest(whole, SHAPE, Measure("macs"), like)
    assert len(kept.outputs["0"]) == 4
    assert sum(channel < 4 for channel in kept.outputs["0"]) == 2
