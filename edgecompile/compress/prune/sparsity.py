"""Zeros in the weights of Conv and Linear: anywhere, or two in each four for NVIDIA's Ampere.

2:4: of each four consecutive input channels at most two weights are not 0 (NVIDIA, "Accelerating
Inference with Sparsity Using the NVIDIA Ampere Architecture and NVIDIA TensorRT", 2021; Mishra et
al., arXiv:2104.08378). Zero is 0 on every symmetric grid, so that quantization keeps it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgecompile.errors import UserError

if TYPE_CHECKING:
    import torch

    from edgecompile.compress.prune.importance import Projections

    Scores = dict[str, torch.Tensor]

_FOUR = 4


def scores_of(module: torch.nn.Module, importance: str, projections: Projections | None) -> Scores:
    """How much each weight matters, by the name of its parameter."""
    import torch

    weights = _weights(module)
    if projections is None:
        power = 1 if importance == "l1" else 2
        return {name: weight.detach().abs() ** power for name, weight in weights.items()}
    found = {name: torch.zeros_like(weight) for name, weight in weights.items()}
    module.requires_grad_(True)
    for projection in projections(module):
        module.zero_grad()
        projection.backward()  # type: ignore[no-untyped-call]
        for name, weight in weights.items():
            if weight.grad is not None:
                found[name] += (weight.detach() * weight.grad) ** 2
    module.zero_grad()
    module.requires_grad_(False)
    return found


def unstructured_masks(module: torch.nn.Module, scores: Scores, ratio: float) -> Scores:
    """False for the share `ratio` of all weights that matters least, whatever the layer.

    What is 0 already goes first. Equal scores go in the order of the layers.

    Raises:
        UserError: the module has no weights to take.
    """
    import torch

    _require_some(scores, "")
    weights = _weights(module)
    flat = torch.cat([torch.where(weights[n] == 0, -1.0, s).flatten() for n, s in scores.items()])
    keep = torch.ones(len(flat), dtype=torch.bool)
    keep[flat.argsort(stable=True)[: round(len(flat) * ratio)]] = False
    parts = torch.split(keep, [score.numel() for score in scores.values()])
    return {name: part.view_as(scores[name]) for name, part in zip(scores, parts, strict=True)}


def two_of_four_masks(module: torch.nn.Module, scores: Scores, share: float) -> Scores:
    """False for the two that matter least in each four weights along the input channels.

    `share` of all fours, those that lose least by it; those that are sparse already go first.
    Layers whose input channels are no multiple of four are left as they are.

    Raises:
        UserError: no layer has a multiple of four.
    """
    import torch

    fitting = {n: s for n, s in scores.items() if s.shape[1] % _FOUR == 0}
    _require_some(fitting, ": no layer's input channels are a multiple of four")
    weights = _weights(module)
    fours = {name: _in_fours(score) for name, score in fitting.items()}
    order = {n: four.argsort(dim=1, stable=True) for n, four in fours.items()}
    lost = []
    for name, four in fours.items():
        loss = four.gather(1, order[name][:, :2]).sum(1)
        done = (_in_fours(weights[name]) == 0).sum(1) >= 2
        lost.append(torch.where(done, -1.0, loss))
    flat = torch.cat(lost)
    chosen = torch.zeros(len(flat), dtype=torch.bool)
    chosen[flat.argsort(stable=True)[: round(len(flat) * share)]] = True
    parts = torch.split(chosen, [len(four) for four in fours.values()])
    masks = {}
    for (name, four), part in zip(fours.items(), parts, strict=True):
        keep = torch.ones_like(four, dtype=torch.bool).scatter(1, order[name][:, :2], value=False)
        keep[~part] = True
        masks[name] = _from_fours(keep, scores[name])
    return masks


def apply_masks(module: torch.nn.Module, masks: Scores) -> None:
    """Write the zeros."""
    import torch

    with torch.no_grad():
        for name, mask in masks.items():
            module.get_parameter(name).mul_(mask)


def _in_fours(weight: torch.Tensor) -> torch.Tensor:
    """(fours, 4): the input channels, axis 1, last."""
    return weight.detach().movedim(1, -1).reshape(-1, _FOUR)


def _from_fours(values: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    return values.reshape(like.movedim(1, -1).shape).movedim(-1, 1)


def _weights(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    """The weights of all Conv and Linear layers by the name of their parameter."""
    from torch import nn

    kinds = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
    return {
        f"{name}.weight" if name else "weight": layer.weight
        for name, layer in module.named_modules()
        if isinstance(layer, kinds)
    }


def _require_some(scores: Scores, why: str) -> None:
    if not scores:
        raise UserError(
            f"nothing of this model can be pruned{why or ': it has no Conv and no Linear layer'}",
            remedy="take stages.prune out of the recipe",
        )
