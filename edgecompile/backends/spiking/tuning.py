"""What a chip's lowering may look at, read from the files of a step.

It imports little: every lowering, of any backend, depends on it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from edgecompile.backends.protocol import Tuning
from edgecompile.backends.spiking.samples import Data, load_split, training_of, validation_of
from edgecompile.graph.hub import load


def read_tuning(inputs: Mapping[str, Path], parameters: Mapping[str, Any]) -> Tuning:
    """The data that the spike step's split gives to validation and to training."""
    split, data = load_split(inputs["split"]), read_data(inputs)
    return Tuning(
        load(inputs["reference"]),
        validation_of(data, split),
        training_of(data, split),
        parameters["metric"],
        parameters["budget"],
        parameters["stage"],
        Path(parameters["recipe_folder"]),
    )


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
