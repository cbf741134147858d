"""What a lowering that decides by data may look at, read from the files of the steps before it.

It imports little: every lowering, of any backend, depends on it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgecompile.backends.protocol import Tuning
from edgecompile.graph.hub import Array, load

Data = Mapping[str, tuple[Array, Array]]
"""Samples and labels by split: calibration, and train where the recipe names it."""


@dataclass(frozen=True)
class Split:
    """Numbers of samples: of the calibration data for the decisions of the step before, of both
    for validation, and of the training data for training. That step writes it as `split.npz`."""

    decided: Array
    calibration: Array
    held_back: Array
    training: Array

    def save(self, path: Path) -> None:
        """Write an .npz; the same split gives the same bytes."""
        np.savez(path, **vars(self))


def load_split(path: Path) -> Split:
    """Read what `Split.save` wrote."""
    with np.load(path, allow_pickle=False) as archive:
        return Split(**{name: archive[name] for name in archive.files})


def read_tuning(inputs: Mapping[str, Path], parameters: Mapping[str, Any]) -> Tuning:
    """The data that `inputs["split"]` gives to validation and to training."""
    split, data = load_split(inputs["split"]), read_data(inputs)
    return Tuning(
        load(inputs["reference"]),
        validation_of(data, split),
        training_of(data, split),
        parameters["metric"],
        parameters["budget"],
        parameters["stage"],
        Path(parameters["recipe_folder"]),
        _spikes_of(inputs, data, split),
    )


def _spikes_of(inputs: Mapping[str, Path], data: Data, split: Split) -> Array | None:
    """The validation samples as spikes, where there are such."""
    if "calibration_spikes" not in inputs:
        return None
    spikes = {
        name: (np.load(inputs[f"{name}_spikes"], mmap_mode="r"), labels)
        for name, (_, labels) in data.items()
    }
    return validation_of(spikes, split)[0]


def read_data(inputs: Mapping[str, Path]) -> Data:
    """Samples and labels by split, of those that there are."""
    return {
        split: (
            np.load(inputs[f"{split}_samples"], mmap_mode="r"),
            np.load(inputs[f"{split}_labels"], allow_pickle=False),
        )
        for split in ("calibration", "train")
        if f"{split}_samples" in inputs
    }


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
