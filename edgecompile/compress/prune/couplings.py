"""Which channels can go, and which only together: proposed by torch-pruning, proved by trial.

A dependency graph is read off autograd's trace and can be wrong about what it does not know (a
padded channel axis, heads that a reshape counts). So every proposal is tried on a copy: with half
of its channels removed the module must still run, keep its output shape, and compute what it
computes when the same channels are set to 0. What fails the trial is left alone.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgecompile.compress.prune.cost import Measure, module_cost
from edgecompile.compress.prune.surgery import (
    Member,
    dependency_graph,
    members,
    remove_channels,
    silence_channels,
)
from edgecompile.compress.training.losses import flat_outputs

if TYPE_CHECKING:
    import torch

_CLOSE = 1e-3
"""Of the largest output: sums in another order differ by less, a wrong channel by far more."""
_MOST_SECTIONS = 64


@dataclass(frozen=True)
class Coupling:
    """Channels of one layer, the root, with all that hangs on them in other layers.

    They go in `units`: one channel, or one of each section where the layer's channels lie in
    sections that must stay equal (groups of a convolution, heads).
    """

    root: str
    units: tuple[tuple[int, ...], ...]
    members: tuple[Member, ...]
    saved: float
    """What one unit costs in the measure: the mean over those that the trial removed."""


def find_couplings(
    module: torch.nn.Module, shape: Sequence[int], measure: Measure
) -> list[Coupling]:
    """All sets of channels of `module` that can be removed, in the order of the network."""
    graph = dependency_graph(copy.deepcopy(module), shape)
    names = {id(m): name for name, m in graph.model.named_modules()}
    proposals = []
    for group in graph.get_all_groups():
        root = group[0].dep.target.module
        if not any(type(i.dep.target.module).__name__ == "_OutputOp" for i in group):
            proposals.append((names[id(root)], len(group[0].idxs), tuple(members(graph, group))))
    order = {name: i for i, (name, _) in enumerate(module.named_modules())}
    proposals.sort(key=lambda proposal: order[proposal[0]])
    outputs = _outputs(module, _noise(shape))
    cost = measure.of(module_cost(module, shape))
    found = []
    for root, channels, concerned in proposals:
        for sections in _sections(module, channels, concerned):
            units = _units(channels, sections)
            gone = units[1::2]
            smaller = _passes(module, shape, root, gone, concerned, outputs)
            if smaller is not None:
                saved = (cost - measure.of(module_cost(smaller, shape))) / len(gone)
                found.append(Coupling(root, units, concerned, saved))
                break
    return found


def _units(channels: int, sections: int) -> tuple[tuple[int, ...], ...]:
    width = channels // sections
    return tuple(tuple(i + s * width for s in range(sections)) for i in range(width))


def _sections(module: torch.nn.Module, channels: int, concerned: Sequence[Member]) -> Iterator[int]:
    """1, then the whole numbers that the layers around know: groups, heads."""
    if channels < 2:
        return
    layers = [_submodule(module, member.layer) for member in concerned]
    grouped = {n for layer in layers if (n := _groups_of(layer)) > 1}
    if not grouped:
        yield 1
    around = [module, *(_submodule(module, m.layer.rpartition(".")[0]) for m in concerned)]
    counts = {
        value
        for one in around
        if one is not None
        for value in vars(one).values()
        if isinstance(value, int) and not isinstance(value, bool)
    }
    for count in sorted(grouped | counts):
        if 1 < count <= min(channels // 2, _MOST_SECTIONS) and channels % count == 0:
            yield count


def _submodule(module: torch.nn.Module, name: str) -> torch.nn.Module | None:
    return dict(module.named_modules()).get(name)


def _groups_of(layer: torch.nn.Module | None) -> int:
    groups: int = getattr(layer, "groups", getattr(layer, "num_groups", 1))
    depthwise = groups == getattr(layer, "out_channels", None)
    return 1 if depthwise else groups


def _passes(
    module: torch.nn.Module,
    shape: Sequence[int],
    root: str,
    gone: Sequence[Sequence[int]],
    concerned: Sequence[Member],
    outputs: list[torch.Tensor],
) -> torch.nn.Module | None:
    """A copy of `module` without the units `gone`, if it is a module as it should be."""
    channels = sorted(channel for unit in gone for channel in unit)
    smaller = copy.deepcopy(module)
    try:
        remove_channels(smaller, shape, {root: channels})
        found = _outputs(smaller, _noise(shape))
    except Exception:  # whatever the user's forward() raises says: not so
        return None
    if [o.shape for o in found] != [o.shape for o in outputs]:
        return None
    if _normalizes_channels(module, concerned):
        return smaller
    silent = copy.deepcopy(module)
    silence_channels(silent, shape, {root: channels})
    wanted = _outputs(silent, _noise(shape))
    return smaller if all(map(_alike, wanted, found)) else None


def _normalizes_channels(module: torch.nn.Module, concerned: Sequence[Member]) -> bool:
    """LayerNorm and GroupNorm average over channels: fewer of them give other averages."""
    kinds = {type(_submodule(module, member.layer)).__name__ for member in concerned}
    return bool(kinds & {"LayerNorm", "GroupNorm"})


def _alike(wanted: torch.Tensor, found: torch.Tensor) -> bool:
    scale = float(wanted.abs().max()) + 1e-6
    return float((wanted - found).abs().max()) <= _CLOSE * scale


def _noise(shape: Sequence[int]) -> torch.Tensor:
    import torch

    return torch.randn(2, *shape[1:], generator=torch.Generator().manual_seed(0))


def _outputs(module: torch.nn.Module, inputs: torch.Tensor) -> list[torch.Tensor]:
    import torch

    with torch.no_grad():
        return flat_outputs(module(inputs))
