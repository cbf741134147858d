"""The cuts that structured pruning compares.

How much goes of which layer is one question, which of its channels go is another. The answers:

- The importance of channels per cost, over the whole network, tells how much of which layer. It is
  taken anew after each of several strides, for it tells what one channel is worth and not what
  many are together. The layers behind are refit as exactly as can be between the strides.
- Where training follows, the channels with the largest weights are often better ones to keep, as
  many of each layer. So are, of some networks, as large a share of every layer.

docs/prune.md has what was measured.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgecompile.compress.prune.cost import Measure
from edgecompile.compress.prune.importance import magnitudes
from edgecompile.compress.prune.refit import EXACT_RIDGE, TRAINED_RIDGE, refit_consumers
from edgecompile.compress.prune.structured import prune_channels, prune_smallest
from edgecompile.compress.prune.surgery import Kept

if TYPE_CHECKING:
    import torch

    from edgecompile.compress.prune.couplings import Coupling
    from edgecompile.compress.prune.structured import Importance


@dataclass(frozen=True)
class Start:
    """What an iteration cuts, and how far."""

    module: torch.nn.Module
    shape: Sequence[int]
    units: Mapping[str, int]
    """Of each root, before the first iteration; empty in the first."""
    samples: torch.Tensor
    """Calibration data, (samples, ...), that layers are refit to."""
    measure: Measure
    goals: Sequence[float]
    """What is to be left of the measure after each stride."""
    final_goal: float
    """After the last iteration."""
    trained: bool
    """Whether training follows."""


@dataclass(frozen=True)
class Cut:
    """A pruned network, its layers refit, not trained."""

    name: str
    """How it was made."""
    module: torch.nn.Module
    kept: Kept
    """Channels that are left, numbered as `Start.module` has them."""
    units: Mapping[str, int]
    """Of each root, before the first iteration."""


def cuts_of(start: Start, importance: Importance) -> list[Cut]:
    """The cuts to compare, all of them within the last of `start.goals`.

    Raises:
        UserError: nothing can be removed, or not enough.
    """
    by_importance = _in_strides(start, importance)
    if not start.trained:
        return [by_importance, _same_share(start)]
    return [by_importance, _largest(start, by_importance), _same_share(start)]


def _in_strides(start: Start, importance: Importance) -> Cut:
    module, kept, units = copy.deepcopy(start.module), Kept(), dict(start.units)
    for goal in start.goals:
        before = copy.deepcopy(module)
        cut = prune_channels(
            module,
            start.shape,
            importance,
            start.measure,
            goal,
            start.final_goal,
            units,
            "network",
        )
        refit_consumers(module, before, cut, start.samples, EXACT_RIDGE)
        kept = kept.then(cut)
    return Cut("by importance", module, kept, units)


def _largest(start: Start, like: Cut) -> Cut:
    """As many channels of each layer as `like` has, those with the largest weights."""
    module = copy.deepcopy(start.module)
    kept = prune_smallest(module, start.shape, start.measure, like.kept)
    return _refit(start, Cut("the largest, as many of each layer", module, kept, like.units))


def _same_share(start: Start) -> Cut:
    module, units = copy.deepcopy(start.module), dict(start.units)
    kept = prune_channels(
        module,
        start.shape,
        _sizes,
        start.measure,
        start.goals[-1],
        start.final_goal,
        units,
        "layer",
    )
    return _refit(start, Cut("the largest, the same share of each layer", module, kept, units))


def _sizes(module: torch.nn.Module, couplings: Sequence[Coupling]) -> list[torch.Tensor]:
    return magnitudes(module, couplings, 1)


def _refit(start: Start, cut: Cut) -> Cut:
    ridge = TRAINED_RIDGE if start.trained else EXACT_RIDGE
    refit_consumers(cut.module, start.module, cut.kept, start.samples, ridge)
    return cut
