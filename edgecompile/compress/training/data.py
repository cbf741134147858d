"""The samples that a stage trains on or looks at, as a step gets them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgecompile.compress.training.loop import Training
from edgecompile.compress.training.losses import CLASSIFYING, classes_of
from edgecompile.evaluate.dataset import spread
from edgecompile.graph.hub import Array

if TYPE_CHECKING:
    import torch

_MOST_HELD_OUT = 500


def training_data(
    inputs: Mapping[str, Path], stage: str, options: Mapping[str, Any], metric: str
) -> Training:
    """A stage's `finetune` with its data, the files `train_samples` and `train_labels`.

    Raises:
        UserError: the labels are no class numbers, and the metric counts classes.
    """
    samples, classes = load_split(inputs, "train", metric)
    known = {name: options[name] for name in options if name in Training.__dataclass_fields__}
    known["augment"] = tuple(options["augment"])
    return Training(stage=stage, **known, samples=samples, classes=classes)


def held_out(training: Training) -> tuple[Training, tuple[Array, Array]]:
    """The training without a tenth of its samples, at most 500, and these with their labels.

    Labels are empty where the metric counts no classes.
    """
    count = len(training.samples)
    chosen = spread(count, max(1, min(_MOST_HELD_OUT, count // 10)))
    rest, classes = np.delete(np.arange(count), chosen), training.classes
    seen = replace(
        training,
        samples=training.samples[rest],
        classes=None if classes is None else classes[rest],
    )
    labels = np.zeros(0) if classes is None else classes[chosen].numpy()
    return seen, (training.samples[chosen].numpy(), labels)


def load_split(
    inputs: Mapping[str, Path], split: str, metric: str
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Samples of a split, float32, and their classes where the metric counts classes.

    Raises:
        UserError: the labels are no class numbers, and the metric counts classes.
    """
    import torch

    samples = np.load(inputs[f"{split}_samples"], allow_pickle=False)
    labels = np.load(inputs[f"{split}_labels"], allow_pickle=False)
    classes = classes_of(labels, len(samples), split) if metric in CLASSIFYING else None
    return torch.from_numpy(samples), classes
