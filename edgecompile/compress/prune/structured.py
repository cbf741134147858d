"""One cut of structured pruning: couple, rank, remove."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from edgecompile.compress.prune.cost import Measure, module_cost
from edgecompile.compress.prune.couplings import Coupling, find_couplings
from edgecompile.compress.prune.importance import magnitudes
from edgecompile.compress.prune.selection import (
    Allocation,
    by_root,
    fewest_that_reach,
    ranking,
    without_needless,
)
from edgecompile.compress.prune.surgery import Kept, remove_channels
from edgecompile.errors import UserError

if TYPE_CHECKING:
    import torch

    Importance = Callable[[torch.nn.Module, Sequence[Coupling]], list[torch.Tensor]]


def prune_channels(
    module: torch.nn.Module,
    shape: Sequence[int],
    importance: Importance,
    measure: Measure,
    goal: float,
    final_goal: float,
    started_with: dict[str, int],
    allocation: Allocation,
) -> Kept:
    """Remove channels from `module`, in place, until `measure` is at most `goal`.

    Returns which channels are left, numbered as `module` had them. `started_with` (units of each
    root before the first iteration) is filled.

    Raises:
        UserError: nothing can be removed, or not enough for `final_goal`, that of the last
            iteration: it is told before anything is trained.
    """
    couplings = find_couplings(module, shape, measure)
    if not couplings and not started_with:
        raise UserError(
            "nothing of this model can be pruned: no layer has channels that can be removed "
            "without changing its outputs' shape or meaning",
            remedy="take stages.prune out, or use method: unstructured",
        )
    for coupling in couplings:
        started_with.setdefault(coupling.root, len(coupling.units))
    order = ranking(couplings, importance(module, couplings), started_with, allocation)

    def cost_without(chosen: Mapping[str, Sequence[int]]) -> float:
        smaller = copy.deepcopy(module)
        remove_channels(smaller, shape, chosen)
        return measure.of(module_cost(smaller, shape))

    chosen = fewest_that_reach(order, goal, cost_without)
    least = cost_without(by_root(order))
    if chosen is None or least > final_goal:
        raise _unreachable(measure, least, final_goal)
    if goal <= final_goal:  # on the way there nothing is given back, to be taken in the next cut
        chosen = without_needless(chosen, goal, cost_without)
    kept = Kept()
    remove_channels(module, shape, by_root(chosen), kept)
    return kept


def prune_smallest(
    module: torch.nn.Module, shape: Sequence[int], measure: Measure, as_many_as: Kept
) -> Kept:
    """Remove channels from `module`, in place, those with the smallest weights of each layer.

    As many are left of each as `as_many_as` has, another cut of the same module.
    """
    couplings = find_couplings(module, shape, measure)
    chosen = {}
    for coupling, sizes in zip(couplings, magnitudes(module, couplings, 1), strict=True):
        channels = sum(len(unit) for unit in coupling.units)
        left = len(as_many_as.outputs.get(coupling.root, range(channels)))
        gone = len(coupling.units) * (channels - left) // channels
        smallest = sizes.argsort(stable=True)[:gone].tolist()
        chosen[coupling.root] = sorted(c for unit in smallest for c in coupling.units[unit])
    kept = Kept()
    remove_channels(module, shape, chosen, kept)
    return kept


def _unreachable(measure: Measure, least: float, goal: float) -> UserError:
    return UserError(
        f"the model cannot be pruned to {goal:,.0f} {measure.unit}: with a tenth of all removable "
        f"channels left it still has {least:,.0f}",
        remedy="choose a smaller stages.prune.ratio",
    )
