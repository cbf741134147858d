"""Which of several cuts to take: each is tried by a short training, none is believed in.

What a cut does at once says little about what training makes up for. Of `cifar_resnet20` at half
the MACs, the same share of each layer, the channels that least squares choose diverge by 1.55 and
the largest by 1.77; after five epochs by 0.67 and 0.59 (in the loss that distillation makes small).
So the cuts are compared after about a sixteenth of the training, on samples held out of it.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from edgecompile.compress.prune.cuts import Cut
from edgecompile.compress.prune.finetune import fine_tune
from edgecompile.compress.training.data import held_out
from edgecompile.compress.training.loop import Training
from edgecompile.compress.training.losses import training_loss
from edgecompile.errors import UserError

if TYPE_CHECKING:
    import torch

_SHARE_OF_EPOCHS = 1 / 16
_BATCH = 128


def divergences(
    cuts: Sequence[Cut],
    unpruned: torch.nn.Module,
    training: Training | None,
    calibration: tuple[torch.Tensor, torch.Tensor | None],
    seed: int,
    hints: float,
) -> list[float]:
    """How far each cut is from `unpruned`: infinite where training breaks it.

    After a short training and on samples held out of it; without `training` as it is, on the
    samples (samples, ...) and classes (samples,) of `calibration`. The cuts stay as they are.
    """
    import torch

    if training is None:
        return [_divergence(cut.module, unpruned, *calibration) for cut in cuts]
    rest, (samples, labels) = held_out(training)
    unseen = torch.from_numpy(samples)
    classes = None if training.classes is None else torch.from_numpy(labels)
    epochs = math.ceil(training.epochs * _SHARE_OF_EPOCHS)
    found = []
    for cut in cuts:
        module = copy.deepcopy(cut.module)
        try:
            fine_tune(module, unpruned, replace(rest, epochs=epochs), seed, cut.kept, hints=hints)
        except UserError:  # the whole training will tell it, with its own numbers
            found.append(math.inf)
            continue
        found.append(_divergence(module, unpruned, unseen, classes))
    return found


def _divergence(
    module: torch.nn.Module,
    unpruned: torch.nn.Module,
    samples: torch.Tensor,
    classes: torch.Tensor | None,
) -> float:
    """The distance that distillation makes small: of classes where there are any."""
    import torch

    total = 0.0
    with torch.no_grad():
        for start in range(0, len(samples), _BATCH):
            batch = samples[start : start + _BATCH]
            named = None if classes is None else classes[start : start + _BATCH]
            loss = training_loss(module(batch), unpruned(batch), named, 1.0)
            total += float(loss) * len(batch)
    return total / len(samples)
