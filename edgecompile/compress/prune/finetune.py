"""A few epochs of training that make up for what pruning took."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgecompile.compress.prune.augment import Augmented, augment, require_images
from edgecompile.compress.prune.hints import Seen, hint_loss, inputs_of_layers
from edgecompile.compress.prune.losses import training_loss
from edgecompile.compress.prune.surgery import Kept
from edgecompile.errors import UserError

if TYPE_CHECKING:
    import torch

_MOMENTUM = 0.9
_DECAY = {"sgd": 5e-4, "adamw": 1e-2}
"""Weight decay: the usual one of CIFAR networks; torch's default for AdamW."""
_WARM_UP = 0.1
"""Share of the steps in which the learning rate rises: gradients after a cut are large."""


@dataclass(frozen=True)
class Training:
    """A recipe's `finetune`, and what it works on."""

    epochs: int
    optimizer: str
    learning_rate: float
    schedule: str
    batch: int
    distillation: float
    hints: float
    augment: tuple[str, ...]
    samples: torch.Tensor
    classes: torch.Tensor | None
    """None: only the unpruned network's outputs teach."""

    @property
    def steps_per_epoch(self) -> int:
        """A rest smaller than a batch is left out: BatchNorm learns badly from few samples."""
        return max(1, len(self.samples) // self.batch)


def fine_tune(
    module: torch.nn.Module,
    teacher: torch.nn.Module,
    training: Training,
    seed: int,
    kept: Kept,
    masks: Mapping[str, torch.Tensor] | None = None,
) -> list[float]:
    """Train `module` in place; returns the mean loss of each epoch.

    `kept` names the channels of `teacher`, the unpruned network, that `module` has. Weights where a
    mask is false stay 0. The same arguments give the same bytes.

    Raises:
        UserError: the loss became NaN or infinite.
    """
    import torch

    if training.augment:
        require_images(training.samples.shape, training.augment)
    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)  # for the module's own dropout
    if training.samples.dim() == 4:
        # A fifth faster on CPUs; the weights that come out have the usual order again.
        teacher = copy.deepcopy(teacher)
        for network in (module, teacher):
            network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    module.requires_grad_(True)
    module.train()
    optimizer = _optimizer(module, training)
    total = training.epochs * training.steps_per_epoch
    history = []
    for epoch in range(training.epochs):
        order = torch.randperm(len(training.samples), generator=generator)
        losses = []
        for step in range(training.steps_per_epoch):
            chosen = order[step * training.batch : (step + 1) * training.batch]
            batch = augment(training.samples[chosen], training.augment, generator)
            rate = _rate(training, epoch * training.steps_per_epoch + step, total)
            for group in optimizer.param_groups:
                group["lr"] = rate
            loss = _loss(module, teacher, training, batch, chosen, kept)
            losses.append(loss.item())
            if not math.isfinite(losses[-1]):
                raise _diverged(epoch, training)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            _keep_zeros(module, masks or {})
        history.append(sum(losses) / len(losses))
    module.eval()
    module.requires_grad_(False)
    if not all(bool(torch.isfinite(value).all()) for value in module.state_dict().values()):
        raise _diverged(training.epochs - 1, training)
    return history


def _diverged(epoch: int, training: Training) -> UserError:
    return UserError(
        f"fine-tuning diverged: the loss is no finite number in epoch {epoch + 1} of "
        f"{training.epochs}, with the learning rate {training.learning_rate:g}",
        remedy="choose a smaller stages.prune.finetune.learning_rate",
    )


def _loss(
    module: torch.nn.Module,
    teacher: torch.nn.Module,
    training: Training,
    batch: Augmented,
    chosen: torch.Tensor,
    kept: Kept,
) -> torch.Tensor:
    wanted: object = None
    aims: Seen = {}
    if training.classes is None or training.distillation > 0 or training.hints > 0:
        wanted, aims = _teach(teacher, batch.images)
    with inputs_of_layers(module) as seen:
        outputs = module(batch.images)
    classes = None if training.classes is None else training.classes[chosen]
    loss = training_loss(outputs, wanted, classes, training.distillation, batch)
    if training.hints > 0:
        loss = loss + training.hints * hint_loss(seen, aims, kept)
    return loss


def _teach(teacher: torch.nn.Module, images: torch.Tensor) -> tuple[object, Seen]:
    import torch

    with torch.no_grad(), inputs_of_layers(teacher) as seen:
        return teacher(images), seen


def _optimizer(module: torch.nn.Module, training: Training) -> torch.optim.Optimizer:
    """Weight decay for matrices alone: on biases and BatchNorm it only moves the outputs."""
    import torch

    parameters = list(module.parameters())
    groups: list[dict[str, Any]] = [
        {
            "params": [p for p in parameters if p.dim() > 1],
            "weight_decay": _DECAY[training.optimizer],
        },
        {"params": [p for p in parameters if p.dim() <= 1], "weight_decay": 0.0},
    ]
    if training.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=training.learning_rate, momentum=_MOMENTUM, nesterov=True)
    return torch.optim.AdamW(groups, lr=training.learning_rate)


def _rate(training: Training, step: int, total: int) -> float:
    warm = max(1, round(total * _WARM_UP))
    rate = training.learning_rate * min(1.0, (step + 1) / warm)
    if training.schedule == "cosine":
        rate *= 0.5 * (1 + math.cos(math.pi * step / total))
    return rate


def _keep_zeros(module: torch.nn.Module, masks: Mapping[str, torch.Tensor]) -> None:
    import torch

    with torch.no_grad():
        for name, mask in masks.items():
            module.get_parameter(name).mul_(mask)
