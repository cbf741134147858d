"""The network that the tests of pruning cut."""

from __future__ import annotations

from torch import nn, random

SHAPE = [1, 3, 8, 8]


def two_convolutions() -> nn.Sequential:
    """Channels of the layers `0` (8 of them) and `2` (6) can go; takes SHAPE, gives 4 numbers."""
    random.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 6, 3), nn.ReLU(), nn.Flatten(), nn.Linear(96, 4)
    ).eval()
