"""Train a pruned network to see within what the unpruned one sees, layer by layer.

Romero et al., "FitNets: Hints for Thin Deep Nets", ICLR 2015 (arXiv:1412.6550). The two networks
are the same but for the channels that were cut, so no projection stands between them: what goes
into a layer is compared as it is, on the channels that are left.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from edgecompile.compress.prune.surgery import Kept

if TYPE_CHECKING:
    import torch

Seen = dict[str, list["torch.Tensor"]]
"""What went into each layer, one tensor a call."""


@contextmanager
def inputs_of_layers(module: torch.nn.Module) -> Iterator[Seen]:
    """Collects what goes into the layers that multiply; whoever reads it empties it."""
    from torch import nn

    multiply = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
    seen: Seen = {}

    def remember(name: str) -> Any:
        return lambda _, given: seen.setdefault(name, []).append(given[0])

    handles = [
        layer.register_forward_pre_hook(remember(name))
        for name, layer in module.named_modules()
        if isinstance(layer, multiply)
    ]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


def hint_loss(now: Seen, wanted: Seen, kept: Kept) -> torch.Tensor:
    """Mean over the layers of the squared distance between what both networks see there.

    Each in units of the variance of what is `wanted`: layers have scales of their own. A layer
    counts that sees as many channels as it did, or whose channels `kept` tells.
    """
    import torch

    found = []
    for name, calls in now.items():
        for seen, target in zip(calls, wanted[name], strict=True):
            aim = target
            if name in kept.inputs:
                channels = torch.tensor(kept.inputs[name])
                aim = target.index_select(1 if target.dim() == 4 else target.dim() - 1, channels)
            if seen.shape == aim.shape:
                spread = target.var().clamp_min(1e-12)
                found.append((seen - aim).square().mean() / spread)
    return torch.stack(found).mean()
