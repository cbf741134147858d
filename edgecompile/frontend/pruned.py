"""A pruned network is data: what changed in which layer, and weights.

`pruning.json` holds, for each layer of the user's module that became smaller, the attributes that
differ (`out_channels: 7`) and which channels are left; `weights.safetensors` the weights. Both lie
in the folder of one pruning step. No pickle, and no torch-pruning to read them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgecompile.frontend.module import build_module, read_weights

if TYPE_CHECKING:
    import torch

PRUNING, WEIGHTS = "pruning.json", "weights.safetensors"
_SCHEMA = "edgecompile.pruning/1"


def load_module(
    reference: str, weights: Path | None, pruned: Path | None, folder: Path
) -> torch.nn.Module:
    """The user's network as a build goes on with it: pruned if there is a pruning step.

    Raises:
        UserError: the factory fails, or the weights do not fit.
    """
    if pruned is None:
        return build_module(reference, weights, folder)
    return load_pruned(reference, pruned, folder)


def load_pruned(reference: str, pruned: Path, folder: Path) -> torch.nn.Module:
    """The user's network made as small as the pruning step in the folder `pruned` left it."""
    module = build_module(reference, None, folder)
    for name, layer in read_pruning(pruned)["layers"].items():
        for attribute, value in layer["attributes"].items():
            changed = tuple(value) if isinstance(value, list) else value
            setattr(module.get_submodule(name), attribute, changed)
    _assign(module, read_weights(pruned / WEIGHTS))
    return module.eval().requires_grad_(False)


def read_pruning(pruned: Path) -> dict[str, Any]:
    """What `save_pruned` wrote into the folder `pruned`."""
    state: dict[str, Any] = json.loads((pruned / PRUNING).read_bytes())
    return state


def save_pruned(
    module: torch.nn.Module,
    unpruned: torch.nn.Module,
    kept: Mapping[str, Mapping[str, list[int]]],
    facts: Mapping[str, Any],
    folder: Path,
) -> None:
    """Write `module`, which was made from `unpruned`; `kept` lists channels by layer and side."""
    from safetensors.torch import save_file

    layers: dict[str, Any] = {}
    originals = dict(unpruned.named_modules())
    for name, layer in module.named_modules():
        changed = _changed_attributes(originals[name], layer)
        if changed or name in kept:
            layers[name] = {"attributes": changed, "kept": dict(kept.get(name, {}))}
    for name in kept.keys() - layers.keys():  # a parameter that belongs to no layer torch knows
        layers[name] = {"attributes": {}, "kept": dict(kept[name])}
    body = {"schema": _SCHEMA, **facts, "layers": layers}
    (folder / PRUNING).write_text(json.dumps(body, sort_keys=True, indent=1) + "\n", "utf-8")
    # Cloned: safetensors refuses tensors that share memory.
    state = {name: t.detach().clone().contiguous() for name, t in module.state_dict().items()}
    save_file(state, folder / WEIGHTS)


def _changed_attributes(before: torch.nn.Module, after: torch.nn.Module) -> dict[str, Any]:
    """The numbers and shapes that a layer holds beside its parameters, where they differ."""
    return {
        attribute: list(value) if isinstance(value, tuple) else value
        for attribute, value in vars(after).items()
        if isinstance(value, (int, tuple))
        and attribute != "training"
        and vars(before).get(attribute) != value
    }


def _assign(module: torch.nn.Module, state: Mapping[str, torch.Tensor]) -> None:
    """Replace parameters and buffers, whose shapes differ from those that were built."""
    import torch

    for name, tensor in state.items():
        owner_name, _, attribute = name.rpartition(".")
        owner = module.get_submodule(owner_name)
        if attribute in dict(owner.named_buffers(recurse=False)):
            setattr(owner, attribute, tensor)
        else:
            setattr(owner, attribute, torch.nn.Parameter(tensor))
