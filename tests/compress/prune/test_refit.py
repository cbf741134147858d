"""After a cut the layers behind it make up for what is gone, as far as what is left can."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from edgecompile.compress.prune.refit import refit_consumers
from edgecompile.compress.prune.surgery import Kept, remove_channels


class TwoConvolutions(nn.Module):
    """Channels 4 to 7 of the first are sums of channels 0 to 3, so half of them can go for free."""

    def __init__(self, **options):
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 5, 3, **options)
        with torch.no_grad():
            mixture = torch.randn(4, 4)
            for tensor in (self.first.weight, self.first.bias):
                tensor[4:] = torch.tensordot(mixture, tensor[:4], 1)

    def forward(self, x):
        return self.second(self.first(x)).flatten(1)


def error_after_cutting(whole: nn.Module, shape: list[int], refit: bool) -> float:
    """Of the outputs, against their own size, on inputs that the refit did not see."""
    smaller, kept = copy.deepcopy(whole), Kept()
    remove_channels(smaller, shape, {"first": [4, 5, 6, 7]}, kept)
    generator = torch.Generator().manual_seed(1)
    if refit:
        refit_consumers(smaller, whole, kept, torch.randn(64, *shape[1:], generator=generator))
    unseen = torch.randn(8, *shape[1:], generator=generator)
    with torch.no_grad():
        wanted = whole(unseen)
        return float((smaller(unseen) - wanted).norm() / wanted.norm())


@pytest.mark.parametrize(
    "options", [{}, {"padding": 0, "stride": 2}, {"dilation": 2, "bias": False}]
)
def test_what_the_channels_left_can_express_is_not_lost(options):
    whole = TwoConvolutions(**options).eval()
    assert error_after_cutting(whole, [1, 3, 12, 12], refit=False) > 0.3
    assert error_after_cutting(whole, [1, 3, 12, 12], refit=True) < 0.01


def test_a_linear_layer_behind_a_flatten_is_refit_too():
    class Flat(TwoConvolutions):
        def __init__(self):
            super().__init__()
            self.second = nn.Linear(8 * 4, 5)

        def forward(self, x):
            return self.second(self.first(x).flatten(1))

    assert error_after_cutting(Flat().eval(), [1, 3, 4, 4], refit=True) < 0.01


def test_a_layer_that_is_called_twice_is_left_as_it_is():
    class Twice(TwoConvolutions):
        def forward(self, x):
            return (self.second(self.first(x)) + self.second(self.first(-x))).flatten(1)

    whole, kept = Twice().eval(), Kept()
    smaller = copy.deepcopy(whole)
    remove_channels(smaller, [1, 3, 8, 8], {"first": [0]}, kept)
    before = smaller.second.weight.clone()
    refit_consumers(smaller, whole, kept, torch.randn(4, 3, 8, 8))
    assert torch.equal(smaller.second.weight, before)
