"""Take channels out of a module with all that hangs on them, by torch-pruning's dependency graph.

Fang et al., "DepGraph: Towards Any Structural Pruning", CVPR 2023 (arXiv:2301.12900).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

OUT, IN = "out", "in"


@dataclass(frozen=True)
class Member:
    """Channels of one layer that go together with others: outputs (rows) or inputs (columns)."""

    layer: str
    side: str
    channels: tuple[int, ...]
    roots: tuple[int, ...]
    """For each of `channels`, the channel of the root that it goes with."""


@dataclass
class Kept:
    """Channels that are left of each layer, numbered as they were before."""

    outputs: dict[str, list[int]] = field(default_factory=dict)
    inputs: dict[str, list[int]] = field(default_factory=dict)

    @classmethod
    def of_layers(cls, layers: Mapping[str, Mapping[str, list[int]]]) -> Kept:
        """What `by_layer` gave."""
        kept = cls()
        for name, sides in layers.items():
            for side, channels in sides.items():
                (kept.outputs if side == OUT else kept.inputs)[name] = list(channels)
        return kept

    def then(self, cut: Kept) -> Kept:
        """What is left after another cut, numbered as before this one."""
        return Kept(_then(self.outputs, cut.outputs), _then(self.inputs, cut.inputs))

    def by_layer(self) -> dict[str, dict[str, list[int]]]:
        """As plain data: layer -> side -> channels."""
        layers: dict[str, dict[str, list[int]]] = {}
        for side, found in ((OUT, self.outputs), (IN, self.inputs)):
            for name, channels in found.items():
                layers.setdefault(name, {})[side] = channels
        return dict(sorted(layers.items()))


def _then(first: Mapping[str, list[int]], second: Mapping[str, list[int]]) -> dict[str, list[int]]:
    further = {
        name: [first[name][i] for i in left] if name in first else left
        for name, left in second.items()
    }
    return {**first, **further}


def dependency_graph(module: torch.nn.Module, shape: Sequence[int]) -> Any:
    """torch-pruning's graph of `module`, traced by autograd with one input of `shape`."""
    import torch
    import torch_pruning as tp

    module.requires_grad_(True)
    example = (torch.zeros(list(shape)),)
    with torch.enable_grad():
        return tp.DependencyGraph().build_dependency(module, example, verbose=False)


def members(graph: Any, group: Any) -> Iterator[Member]:
    """What a group of torch-pruning takes out of the layers that have a name."""
    names = {id(m): name for name, m in graph.model.named_modules()}
    for item in group:
        dep, channels = item.dep, item.idxs
        name = names.get(id(dep.target.module))
        if name is None:
            name = graph._param_to_name.get(dep.target.module)
        if name is None:
            continue
        # One function prunes both sides of a layer that keeps its channels (BatchNorm).
        side = OUT if graph.is_out_channel_pruning_fn(dep.handler) else IN
        yield Member(name, side, tuple(channels), tuple(item.root_idxs))


def group_of(graph: Any, root: str, channels: Sequence[int]) -> Any:
    """The group of torch-pruning that takes `channels` of the outputs of the layer `root` away."""
    layer = graph.model.get_submodule(root)
    pruner = graph.get_pruner_of_module(layer)
    return graph.get_pruning_group(layer, pruner.prune_out_channels, list(channels))


def remove_channels(
    module: torch.nn.Module,
    shape: Sequence[int],
    chosen: Mapping[str, Sequence[int]],
    kept: Kept | None = None,
) -> None:
    """Take output channels of the layers `chosen` away, in place; `kept` is brought up to date."""
    graph = dependency_graph(module, shape)
    for root, channels in chosen.items():
        if channels:
            group = group_of(graph, root, channels)
            if kept is not None:
                for member in members(graph, group):
                    _forget(module, member, kept)
            group.prune(record_history=False)
    module.requires_grad_(False)


def _forget(module: torch.nn.Module, member: Member, kept: Kept) -> None:
    sides = kept.outputs if member.side == OUT else kept.inputs
    if member.layer not in sides:
        sides[member.layer] = list(range(_channels(module, member)))
    left, gone = sides[member.layer], set(member.channels)
    sides[member.layer] = [channel for i, channel in enumerate(left) if i not in gone]


def _channels(module: torch.nn.Module, member: Member) -> int:
    """Channels of one side of a layer (or of a parameter) before anything is taken away."""
    owner, _, name = member.layer.rpartition(".")
    layer = getattr(module.get_submodule(owner), name) if name else module
    names = (
        ("out_channels", "out_features", "num_features", "num_channels", "embedding_dim")
        if member.side == OUT
        else ("in_channels", "in_features")
    )
    for attribute in names:
        if isinstance(getattr(layer, attribute, None), int):
            return int(getattr(layer, attribute))
    weight: Any = getattr(layer, "weight", layer)
    return int(weight.shape[-1])


def silence_channels(
    module: torch.nn.Module,
    shape: Sequence[int],
    chosen: Mapping[str, Sequence[int]],
) -> None:
    """Set to 0, in place, all that `remove_channels` would take away.

    A channel whose consumers weigh it with 0 is as good as gone: both modules must compute the
    same, unless something normalizes over the channels.
    """
    import torch

    graph = dependency_graph(module, shape)
    with torch.no_grad():
        for root, channels in chosen.items():
            for item in group_of(graph, root, channels):
                _silence(graph, item)
    module.requires_grad_(False)


def _silence(graph: Any, item: Any) -> None:
    import torch

    layer, channels = item.dep.target.module, list(item.idxs)
    if isinstance(layer, torch.nn.Parameter):
        layer.index_fill_(item.dep.target.pruning_dim, torch.tensor(channels), 0.0)
        return
    weight = getattr(layer, "weight", None)
    if weight is None:
        return
    if graph.is_out_channel_pruning_fn(item.dep.handler):
        transposed = getattr(layer, "transposed", False)
        axis = 1 if transposed or isinstance(layer, torch.nn.Embedding) else 0
        weight.index_fill_(axis, torch.tensor(channels), 0.0)
        if getattr(layer, "bias", None) is not None:
            layer.bias[channels] = 0.0
    elif getattr(layer, "groups", 1) == 1:
        axis = 0 if getattr(layer, "transposed", False) else 1
        weight.index_fill_(axis, torch.tensor(channels), 0.0)
