"""What hangs together goes together, and what cannot be proved stays."""

from __future__ import annotations

import copy

import torch
from torch import nn

from edgecompile.compress.prune.cost import Measure, module_cost
from edgecompile.compress.prune.couplings import find_couplings
from edgecompile.compress.prune.surgery import remove_channels

SHAPE = [1, 3, 8, 8]


class Net(nn.Module):
    """A residual sum, a depthwise convolution, a concatenation."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.stem, self.bn = nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8)
        self.inner, self.outer = nn.Conv2d(8, 12, 3, padding=1), nn.Conv2d(12, 8, 3, padding=1)
        self.depthwise = nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.point = nn.Conv2d(8, 6, 1)
        self.head = nn.Linear(14, 5)

    def forward(self, x):
        x = self.bn(self.stem(x)).relu()
        x = x + self.outer(self.inner(x).relu())
        y = self.point(self.depthwise(x).relu()).relu()
        return self.head(torch.cat([x, y], 1).mean((2, 3)))


def couplings_of(module):
    return {
        coupling.root: coupling
        for coupling in find_couplings(module.eval(), SHAPE, Measure("macs"))
    }


def test_layers_of_a_residual_sum_lose_the_same_channels():
    couplings = couplings_of(Net()).values()
    (coupling,) = (c for c in couplings if "stem" in {m.layer for m in c.members})
    together = {member.layer for member in coupling.members}
    assert together == {"stem", "bn", "inner", "outer", "depthwise", "point", "head"}
    assert len(coupling.units) == 8


def test_a_layer_inside_a_block_goes_by_itself():
    found = couplings_of(Net())
    assert {member.layer for member in found["inner"].members} == {"inner", "outer"}
    assert len(found["inner"].units) == 12


def test_the_classes_are_never_removed():
    assert "head" not in couplings_of(Net())


def test_removing_channels_is_silencing_them():
    """The network without two channels computes what the whole one does with them set to 0."""
    whole = Net().eval()
    smaller = copy.deepcopy(whole)
    remove_channels(smaller, SHAPE, {"inner": [1, 5]})
    with torch.no_grad():
        for channel in (1, 5):
            whole.inner.weight[channel], whole.inner.bias[channel] = 0, 0
        x = torch.randn(2, *SHAPE[1:])
        torch.testing.assert_close(smaller(x), whole(x), rtol=1e-4, atol=1e-5)
    assert smaller.inner.out_channels == 10
    assert module_cost(smaller, SHAPE).macs < module_cost(whole, SHAPE).macs


def test_channels_that_a_reshape_mixes_are_left_alone():
    class Mixing(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.head = nn.Conv2d(3, 8, 1), nn.Linear(64, 4)

        def forward(self, x):
            return self.head(self.conv(x).reshape(x.shape[0], 8, 64).mean(1))

    for coupling in find_couplings(Mixing().eval(), SHAPE, Measure("macs")):
        assert coupling.root != "conv" or len(coupling.members) > 0
        smaller = Mixing().eval()
        remove_channels(smaller, SHAPE, {coupling.root: list(coupling.units[0])})
        assert smaller(torch.randn(SHAPE)).shape == (1, 4)
