"""Train a pruned network to see within what the unpruned one sees, layer by layer.

Romero et al., "FitNets: Hints for Thin Deep Nets", ICLR 2015 (arXiv:1412.6550). The two networks
are the same but for the channels that were cut, so no projection stands between them: what goes
into a layer is compared as it is, on the channels that are left.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from edgecompile.compress.prune.surgery import Kept
from edgecompile.errors import UserError
from edgecompile.evaluate.dataset import spread

if TYPE_CHECKING:
    import torch


_MOST_SAMPLES = 128


class Given(NamedTuple):
    """What one call of a layer was given."""

    values: torch.Tensor
    channel_axis: int


Seen = dict[str, list[Given]]
"""The calls of each layer."""


@contextmanager
def inputs_of_layers(module: torch.nn.Module) -> Iterator[Seen]:
    """Collects what goes into the layers that multiply, while it is open."""
    from torch import nn

    multiply = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
    seen: Seen = {}

    def remember(name: str, axis: int) -> Any:
        return lambda _, given: seen.setdefault(name, []).append(Given(given[0], axis))

    handles = [
        layer.register_forward_pre_hook(remember(name, -1 if isinstance(layer, nn.Linear) else 1))
        for name, layer in module.named_modules()
        if isinstance(layer, multiply)
    ]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


def variances(teacher: torch.nn.Module, samples: torch.Tensor) -> dict[str, float]:
    """Variance of what goes into each layer of `teacher`, by its first call, over some `samples`.

    Taken once: of each batch it would cost a third of what the hints cost.
    """
    import torch

    some = samples[spread(len(samples), _MOST_SAMPLES)]
    with torch.no_grad(), inputs_of_layers(teacher) as seen:
        teacher(some)
    return {name: max(float(calls[0].values.var()), 1e-12) for name, calls in seen.items()}


def hint_loss(now: Seen, wanted: Seen, kept: Kept, variance: Mapping[str, float]) -> torch.Tensor:
    """Mean over the layers of the squared distance between what both networks see there.

    Each in units of the `variance` of the layer: layers have scales of their own. A layer counts
    that sees as many channels as it did, or whose channels `kept` tells.

    Raises:
        UserError: there is no such layer.
    """
    import torch
    from torch.nn import functional

    found = []
    for name, calls in now.items():
        for (seen, axis), (target, _) in zip(calls, wanted[name], strict=True):
            aim = target
            if name in kept.inputs:
                aim = target.index_select(axis, torch.tensor(kept.inputs[name]))
            if seen.shape == aim.shape:
                found.append(functional.mse_loss(seen, aim) / variance[name])
    if not found:
        raise UserError(
            "stages.prune.finetune.hints compares what goes into torch.nn's layers, and the model "
            "has none that both networks call alike",
            remedy="take hints out",
        )
    return torch.stack(found).mean()
