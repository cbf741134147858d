"""A recipe's network and data, as the build itself reads them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from edgecompile.evaluate.dataset import prepare_split
from edgecompile.frontend.module import build_module
from edgecompile.recipe.load import LoadedRecipe
from edgecompile.recipe.paths import resolve_file


def load_module(loaded: LoadedRecipe) -> torch.nn.Module:
    """The network with its weights."""
    weights = loaded.recipe.model.weights
    file = None if weights is None else resolve_file(weights, loaded.folder)
    return build_module(loaded.recipe.model.source, file, loaded.folder)


def load_split(loaded: LoadedRecipe, split: str, work: Path) -> tuple[np.ndarray, np.ndarray]:
    """Model inputs and labels of one split."""
    folder = work / split
    folder.mkdir()
    written: str = getattr(loaded.recipe.data, split)
    parameters = {
        "split": split,
        "shape": loaded.recipe.model.input.shape,
        "prepare": loaded.recipe.data.prepare,
        "recipe_folder": str(loaded.folder),
    }
    inputs = {}
    if ":" in written:
        parameters["function"] = written
    else:
        inputs["archive"] = resolve_file(written, loaded.folder)
    prepare_split(inputs, parameters, folder)
    return np.load(folder / "samples.npy"), np.load(folder / "labels.npy")
