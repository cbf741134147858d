"""What a network holds at once, and what that and its arithmetic mean for a device."""

from __future__ import annotations

import torch
from torch import nn

from edgecompile.compress.prune.activations import peak_activations
from edgecompile.compress.prune.cost import Measure, ModuleCost, module_cost

SHAPE = [1, 3, 8, 8]


def peak_of(forward, **layers) -> int:
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            for name, layer in layers.items():
                setattr(self, name, layer)

        def forward(self, x):
            return forward(self, x)

    return peak_activations(Net().eval(), SHAPE)


def test_a_chain_holds_the_input_and_the_output_of_one_layer():
    """3 x 64 go in, 10 x 64 come out, then 10 x 64 make 20 x 36."""
    peak = peak_of(
        lambda net, x: net.second(net.first(x)),
        first=nn.Conv2d(3, 10, 3, padding=1),
        second=nn.Conv2d(10, 20, 3),
    )
    assert peak == 10 * 64 + 20 * 36


def test_what_works_element_by_element_needs_no_second_place():
    peak = peak_of(
        lambda net, x: net.norm(net.first(x)).relu().mul(2),
        first=nn.Conv2d(3, 10, 3, padding=1),
        norm=nn.BatchNorm2d(10),
    )
    assert peak == 3 * 64 + 10 * 64


def test_a_residual_sum_keeps_what_it_will_add():
    def forward(net, x):
        x = net.stem(x)
        return x + net.narrow(net.wide(x))

    peak = peak_of(
        forward,
        stem=nn.Conv2d(3, 4, 1),
        wide=nn.Conv2d(4, 16, 1),
        narrow=nn.Conv2d(16, 4, 1),
    )
    assert peak == (4 + 16 + 4) * 64


def test_views_take_no_place():
    peak = peak_of(lambda net, x: net.head(x.flatten(1).reshape(1, -1)), head=nn.Linear(192, 5))
    assert peak == 192 + 5


def test_each_measure_counts_what_it_says():
    cost = ModuleCost(macs=1_000_000, parameters=5_000, nonzero=5_000, activations=2_000)
    assert Measure("macs").of(cost) == 1_000_000
    assert Measure("parameters").of(cost) == 5_000
    assert Measure("memory", weight_bytes=1, activation_bytes=2).of(cost) == 9_000
    bound_by_arithmetic = Measure("latency", 1, 1, seconds_per_mac=1e-9, seconds_per_byte=1e-9)
    assert bound_by_arithmetic.of(cost) == 1_000_000
    bound_by_memory = Measure("latency", 1, 1, seconds_per_mac=1e-12, seconds_per_byte=1e-9)
    assert bound_by_memory.of(cost) == 5_000


def test_counting_leaves_the_network_as_it_was():
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)).eval()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    module_cost(net, SHAPE)
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())
