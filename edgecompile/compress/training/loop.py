"""A few epochs of training, the same bytes for the same arguments."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgecompile.compress.training.augment import Augmented, augment, require_images
from edgecompile.errors import UserError

if TYPE_CHECKING:
    import torch

_THREADS = 1
"""Fixed: sums in another order would change the last bit of a weight, and so every later key. One:
layers as small as these gain little from a second thread, and where the machine is busy threads
wait for each other (12 times the CPU time, measured on two cores under a load of 14)."""
_MOMENTUM = 0.9
_DECAY = {"sgd": 5e-4, "adamw": 1e-2}
"""Weight decay: the usual one of CIFAR networks; torch's default for AdamW."""
_WARM_UP = 0.1
"""Share of the steps in which the learning rate rises: gradients after a cut are large."""


@contextmanager
def fixed_threads() -> Iterator[None]:
    """As many threads of torch on every machine, while it is open."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(_THREADS)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@dataclass(frozen=True)
class Training:
    """A recipe's `finetune`, and what it works on."""

    stage: str
    """Whose: `prune` or `quantize`."""
    epochs: int
    optimizer: str
    learning_rate: float
    schedule: str
    batch: int
    distillation: float
    augment: tuple[str, ...]
    samples: torch.Tensor
    classes: torch.Tensor | None
    """None: only the teacher's outputs teach."""

    @property
    def steps_per_epoch(self) -> int:
        """A rest smaller than a batch is left out: BatchNorm learns badly from few samples."""
        return max(1, len(self.samples) // self.batch)


@dataclass(frozen=True)
class Batch:
    """Samples after their random changes, and the classes of the unchanged ones."""

    mixed: Augmented
    classes: torch.Tensor | None


def train(
    parameters: Sequence[torch.nn.Parameter],
    training: Training,
    seed: int,
    loss_of: Callable[[Batch], torch.Tensor],
    after_step: Callable[[], None] = lambda: None,
) -> list[float]:
    """Change `parameters` in place; returns the mean loss of each epoch.

    Raises:
        UserError: the loss became NaN or infinite, or `augment` is asked for what is no image.
    """
    import torch

    if training.augment:
        require_images(training.samples.shape, training.augment)
    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)  # for a module's own dropout
    optimizer = _optimizer(parameters, training)
    total = training.epochs * training.steps_per_epoch
    history = []
    for epoch in range(training.epochs):
        order = torch.randperm(len(training.samples), generator=generator)
        losses = []
        for step in range(training.steps_per_epoch):
            chosen = order[step * training.batch : (step + 1) * training.batch]
            mixed = augment(training.samples[chosen], training.augment, generator)
            classes = None if training.classes is None else training.classes[chosen]
            rate = _rate(training, epoch * training.steps_per_epoch + step, total)
            for group in optimizer.param_groups:
                group["lr"] = rate
            loss = loss_of(Batch(mixed, classes))
            losses.append(loss.item())
            if not math.isfinite(losses[-1]):
                raise _diverged(epoch, training)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            after_step()
        history.append(sum(losses) / len(losses))
    require_finite(parameters, training)
    return history


def require_finite(tensors: Iterable[torch.Tensor], training: Training) -> None:
    """Raises a UserError where a number of a trained network is none."""
    import torch

    if not all(bool(torch.isfinite(value).all()) for value in tensors):
        raise _diverged(training.epochs - 1, training)


def _diverged(epoch: int, training: Training) -> UserError:
    return UserError(
        f"fine-tuning diverged: the loss is no finite number in epoch {epoch + 1} of "
        f"{training.epochs}, with the learning rate {training.learning_rate:g}",
        remedy=f"choose a smaller stages.{training.stage}.finetune.learning_rate",
    )


def _optimizer(
    parameters: Sequence[torch.nn.Parameter], training: Training
) -> torch.optim.Optimizer:
    """Weight decay for matrices alone: on biases and BatchNorm it only moves the outputs."""
    import torch

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
