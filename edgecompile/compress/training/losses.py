"""What a network is trained towards: labels, what it was before it was cut or rounded, or both."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgecompile.compress.training.augment import Augmented
from edgecompile.errors import UserError
from edgecompile.evaluate.outputs import Array

if TYPE_CHECKING:
    import torch

CLASSIFYING = {"top1", "top5"}
TEMPERATURE = 2.0
"""Softens the teacher's probabilities, so that the wrong classes count (Hinton et al., 2015,
arXiv:1503.02531, find 2.5 to 4 best for small students)."""


def classes_of(labels: Array, samples: int, split: str) -> torch.Tensor:
    """Labels as class numbers, one a sample.

    Raises:
        UserError: they are something else.
    """
    import numpy as np
    import torch

    whole = labels.astype(np.int64) if labels.ndim == 1 else labels
    if labels.shape != (samples,) or (whole != labels).any() or (whole < 0).any():
        raise UserError(
            f"the labels of the {split} data are not one class number per sample, "
            "which cross-entropy wants"
        )
    return torch.from_numpy(np.ascontiguousarray(whole))


def training_loss(
    outputs: object,
    wanted: object | None,
    classes: torch.Tensor | None,
    distillation: float,
    mixed: Augmented | None = None,
) -> torch.Tensor:
    """`distillation` of the distance to the outputs `wanted`, the rest cross-entropy to `classes`.

    Without `classes`, the mean squared distance to `wanted` alone. `mixed` tells which samples
    were mixed with which others: then so are their classes.
    """
    import torch
    from torch.nn import functional

    found = flat_outputs(outputs)
    if classes is None:
        return torch.stack(
            [functional.mse_loss(f, w) for f, w in zip(found, flat_outputs(wanted), strict=True)]
        ).sum()
    logits = found[0]
    loss = (1 - distillation) * cross_entropy(logits, classes, mixed)
    if wanted is not None:
        teacher = flat_outputs(wanted)[0]
        divergence = functional.kl_div(
            functional.log_softmax(logits / TEMPERATURE, dim=1),
            functional.log_softmax(teacher / TEMPERATURE, dim=1),
            reduction="batchmean",
            log_target=True,
        )
        loss = loss + distillation * TEMPERATURE**2 * divergence
    return loss


def cross_entropy(
    logits: torch.Tensor, classes: torch.Tensor, mixed: Augmented | None
) -> torch.Tensor:
    """Cross-entropy to the classes (samples,), and to those of the images mixed in."""
    from torch.nn import functional

    if mixed is None:
        return functional.cross_entropy(logits, classes)
    own = functional.cross_entropy(logits, classes, reduction="none")
    others = functional.cross_entropy(logits, classes[mixed.partner], reduction="none")
    return (mixed.share * own + (1 - mixed.share) * others).mean()


def flat_outputs(result: Any) -> list[Any]:
    """A module's return value as a list of tensors, in the order of the baseline's outputs."""
    if isinstance(result, dict):
        result = list(result.values())
    if isinstance(result, (tuple, list)):
        return [tensor for part in result for tensor in flat_outputs(part)]
    return [result]
