"""Training with staircase activations (QCFS), so that few spikes are enough.

Bu et al., Optimal ANN-SNN conversion, ICLR 2022. The ANN teaches by its outputs; where labels are
classes, they teach as well.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from edgecompile.backends.spiking.network import RateNetwork
from edgecompile.backends.spiking.rates import forward, images, tensors, with_tensors
from edgecompile.errors import UserError
from edgecompile.graph.hub import Array

if TYPE_CHECKING:
    import torch

_LEAST_CEILING = 1e-4
_USUAL_FACTOR = 12.0
"""Learning rates are meant for weights of about 1 / 12: a kernel of 3 x 3 over 16 channels."""


@dataclass(frozen=True)
class Training:
    """How to train, and on what. `classes` is None where the labels are no classes."""

    samples: Array
    teacher: Array
    classes: Array | None
    epochs: int
    learning_rate: float
    batch: int
    seed: int
    levels: int


def fine_tune(network: RateNetwork, training: Training) -> tuple[RateNetwork, list[float]]:
    """The network with weights, biases and ceilings that went on learning; the mean loss of each
    epoch. The same arguments give the same bytes.

    Raises:
        UserError: the loss became NaN or infinite.
    """
    import torch

    values = tensors(network)
    for value in values.values():
        value.requires_grad_(True)
    optimizer = torch.optim.Adam(scaled_rates(values, training.learning_rate))
    rows = max(1, len(training.samples) // training.batch)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, training.epochs * rows)
    generator = torch.Generator().manual_seed(training.seed)
    loss_of = Loss(training.teacher, training.classes)
    history = []
    for epoch in range(training.epochs):
        order = torch.randperm(len(training.samples), generator=generator).numpy()
        losses = []
        for row in range(rows):
            chosen = order[row * training.batch : (row + 1) * training.batch]
            x = images(training.samples[chosen], network)
            loss = loss_of(forward(network, x, values, levels=training.levels), chosen)
            losses.append(loss.item())
            if not math.isfinite(losses[-1]):
                raise UserError(
                    f"training for spikes diverged in epoch {epoch + 1} of {training.epochs}",
                    remedy="choose a smaller stages.spike.learning_rate",
                )
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
            with torch.no_grad():
                for name, value in values.items():
                    if name.endswith(".ceiling"):
                        value.clamp_(min=_LEAST_CEILING)
        history.append(round(sum(losses) / len(losses), 6))
    return with_tensors(network, values), history


def scaled_rates(values: Mapping[str, torch.Tensor], rate: float) -> list[dict[str, Any]]:
    """Groups of parameters for Adam, whose steps are as large as the learning rate whatever the
    parameter's size: weights of a network that is scaled so that thresholds are 1 may have any.
    """
    return [{"params": [value], "lr": rate * _size(name, value)} for name, value in values.items()]


def _size(name: str, value: torch.Tensor) -> float:
    if name.endswith((".bias", ".ceiling")):
        return 1.0  # in units of the threshold
    return _USUAL_FACTOR * float(value.detach().square().mean().sqrt())


class Loss:
    """Half the squared distance to the teacher's outputs, in units of their variance, and half the
    cross-entropy to the classes; the first alone where there are none."""

    def __init__(self, teacher: Array, classes: Array | None) -> None:
        self._teacher, self._classes = teacher, classes
        self._variance = float(teacher.var()) or 1.0

    def __call__(self, outputs: torch.Tensor, chosen: Array) -> torch.Tensor:
        """The mean loss of the samples whose numbers are `chosen`."""
        import torch
        import torch.nn.functional as F

        wanted = torch.from_numpy(self._teacher[chosen])
        distance = F.mse_loss(outputs, wanted) / self._variance
        if self._classes is None:
            return distance
        return 0.5 * distance + 0.5 * F.cross_entropy(
            outputs, torch.from_numpy(self._classes[chosen])
        )


def classes_of(labels: Array, outputs: Array) -> Array | None:
    """The labels as numbers of classes; None where they are something else."""
    if outputs.ndim != 2 or labels.shape != outputs.shape[:1] or labels.dtype.kind not in "iu":
        return None
    inside = ((labels >= 0) & (labels < outputs.shape[1])).all()
    return labels.astype(np.int64) if inside else None
