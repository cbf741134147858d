"""A few epochs of training that make up for what pruning took."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgecompile.compress.prune.hints import Seen, hint_loss, inputs_of_layers, variances
from edgecompile.compress.prune.surgery import Kept
from edgecompile.compress.training.loop import Batch, Training, require_finite, train
from edgecompile.compress.training.losses import training_loss

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Hints:
    """How what both networks see within pulls."""

    kept: Kept
    weight: float
    variance: Mapping[str, float]
    """Of what goes into each layer of the teacher."""


def fine_tune(
    module: torch.nn.Module,
    teacher: torch.nn.Module,
    training: Training,
    seed: int,
    kept: Kept,
    *,
    hints: float = 0.0,
    masks: Mapping[str, torch.Tensor] | None = None,
) -> list[float]:
    """Train `module` in place; returns the mean loss of each epoch.

    `kept` names the channels of `teacher`, the unpruned network, that `module` has; `hints` weighs
    what both see within. Weights where a mask is false stay 0. The same arguments give the same
    bytes.

    Raises:
        UserError: the loss became NaN or infinite.
    """
    import torch

    if training.samples.dim() == 4:
        # A fifth faster on CPUs; the weights that come out have the usual order again.
        teacher = copy.deepcopy(teacher)
        for network in (module, teacher):
            network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    module.requires_grad_(True)
    module.train()

    pull = Hints(kept, hints, variances(teacher, training.samples)) if hints > 0 else None

    def loss_of(batch: Batch) -> torch.Tensor:
        return _loss(module, teacher, training, batch, pull)

    def keep_zeros() -> None:
        _keep_zeros(module, masks or {})

    history = train(list(module.parameters()), training, seed, loss_of, keep_zeros)
    require_finite(module.state_dict().values(), training)  # means and variances, too
    module.eval()
    module.requires_grad_(False)
    return history


def _loss(
    module: torch.nn.Module,
    teacher: torch.nn.Module,
    training: Training,
    batch: Batch,
    hints: Hints | None,
) -> torch.Tensor:
    images = batch.mixed.images
    wanted: object = None
    aims: Seen = {}
    if batch.classes is None or training.distillation > 0 or hints is not None:
        wanted, aims = _teach(teacher, images)
    with inputs_of_layers(module) as seen:
        outputs = module(images)
    loss = training_loss(outputs, wanted, batch.classes, training.distillation, batch.mixed)
    if hints is not None:
        loss = loss + hints.weight * hint_loss(seen, aims, hints.kept, hints.variance)
    return loss


def _teach(teacher: torch.nn.Module, images: torch.Tensor) -> tuple[object, Seen]:
    import torch

    with torch.no_grad(), inputs_of_layers(teacher) as seen:
        return teacher(images), seen


def _keep_zeros(module: torch.nn.Module, masks: Mapping[str, torch.Tensor]) -> None:
    import torch

    with torch.no_grad():
        for name, mask in masks.items():
            module.get_parameter(name).mul_(mask)
