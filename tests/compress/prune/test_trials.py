"""Several cuts are tried, and what each takes from the network is measured."""

from __future__ import annotations

import copy
import math

import torch

from edgecompile.compress.prune.cuts import Cut
from edgecompile.compress.prune.surgery import Kept, remove_channels
from edgecompile.compress.prune.trials import divergences
from edgecompile.compress.training.loop import Training
from tests.compress.prune.networks import SHAPE, two_convolutions


def network():
    """Nothing behind them sees the channels 1 and 5 of the first layer."""
    whole = two_convolutions()
    with torch.no_grad():
        whole[2].weight[:, [1, 5]] = 0
    return whole


def cut_of(whole, channels):
    module, kept = copy.deepcopy(whole), Kept()
    remove_channels(module, SHAPE, {"0": channels}, kept)
    return Cut("network", module, kept, {"0": 8})


def training(learning_rate):
    samples = torch.randn(40, *SHAPE[1:], generator=torch.Generator().manual_seed(1))
    return Training(
        stage="prune",
        epochs=3,
        optimizer="adamw",
        learning_rate=learning_rate,
        schedule="cosine",
        batch=8,
        distillation=1.0,
        augment=(),
        samples=samples,
        classes=torch.arange(40) % 4,
    )


def measured(cuts, whole, of_training):
    seen = torch.randn(16, *SHAPE[1:], generator=torch.Generator().manual_seed(2))
    return divergences(cuts, whole, of_training, (seen, torch.arange(16) % 4), 0, 0.0)


def test_what_takes_nothing_from_the_network_diverges_least():
    whole = network()
    cuts = [cut_of(whole, [0, 2]), cut_of(whole, [1, 5])]
    for of_training in (None, training(1e-4)):
        harmful, harmless = measured(cuts, whole, of_training)
        assert harmless < harmful / 10


def test_the_trial_leaves_the_cuts_as_they_were_and_gives_the_same_again():
    whole = network()
    cut = cut_of(whole, [0, 2])
    before = copy.deepcopy(cut.module.state_dict())
    first, second = measured([cut, cut], whole, training(0.01))
    assert first == second
    assert all(torch.equal(value, before[name]) for name, value in cut.module.state_dict().items())


def test_a_cut_that_training_breaks_is_infinitely_far():
    whole = network()
    assert measured([cut_of(whole, [0])], whole, training(1e30)) == [math.inf]
