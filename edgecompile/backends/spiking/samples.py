"""Which samples decide what: none of the evaluation data, and none twice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgecompile.evaluate.dataset import spread
from edgecompile.graph.hub import Array

_HELD_BACK = 250
"""At most so many training samples are kept for validation, and at most a fifth."""


@dataclass(frozen=True)
class Split:
    """Numbers of samples: of the calibration data for ceilings, of both for validation, and of the
    training data for training."""

    ceilings: Array
    calibration: Array
    held_back: Array
    training: Array

    def save(self, path: Path) -> None:
        """Write an .npz; the same split gives the same bytes."""
        np.savez(path, **vars(self))


def split_samples(calibration: int, training: int, wanted: int) -> Split:
    """Every other calibration sample, at most `wanted`, is for ceilings, the others for validation;
    with them a part of the training samples, which then train nothing."""
    even, odd = np.arange(0, calibration, 2), np.arange(1, calibration, 2)
    held = np.asarray(spread(training, min(_HELD_BACK, training // 5)), np.int64)
    if training == 0:
        held = np.zeros(0, np.int64)
    return Split(
        even[np.asarray(spread(len(even), wanted), np.int64)],
        odd if len(odd) else even,
        held,
        np.setdiff1d(np.arange(training), held),
    )


def load_split(path: Path) -> Split:
    """Read what `Split.save` wrote."""
    with np.load(path, allow_pickle=False) as archive:
        return Split(**{name: archive[name] for name in archive.files})


Data = Mapping[str, tuple[Array, Array]]
"""Samples and labels by split: calibration, and train where the recipe names it."""


def validation_of(data: Data, split: Split) -> tuple[Array, Array]:
    """The samples, and their labels, by which everything is judged."""
    parts = [_chosen(data["calibration"], split.calibration)]
    if "train" in data and len(split.held_back):
        parts.append(_chosen(data["train"], split.held_back))
    samples, labels = zip(*parts, strict=True)
    if any(one.shape[1:] != labels[0].shape[1:] for one in labels):
        return parts[0]  # labels of another kind: one metric cannot judge both
    return np.concatenate(samples), np.concatenate(labels)


def training_of(data: Data, split: Split) -> tuple[Array, Array] | None:
    """What may be trained on."""
    return _chosen(data["train"], split.training) if "train" in data else None


def _chosen(samples_and_labels: tuple[Array, Array], indices: Array) -> tuple[Array, Array]:
    """Where several samples share one label (windows of a recording), indices are of labels."""
    samples, labels = samples_and_labels
    each = len(samples) // len(labels)
    rows = (indices[:, None] * each + np.arange(each)).ravel()
    return np.ascontiguousarray(samples[rows]), labels[indices]
