"""The files of a new recipe: a small model that builds, whose parts say what to put in."""

from __future__ import annotations

from pathlib import Path

from edgecompile.errors import UserError
from edgecompile.recipe.search import find_all
from edgecompile.scaffold.files import require_name

_RECIPE = """\
description: what this model does
model:
  source: model.py:build
  # weights: weights.safetensors
  input: {shape: [1, 3, 32, 32]}
data:
  calibration: model.py:calibration_data   # or an .npz with the arrays `inputs` and `labels`
  evaluation: model.py:evaluation_data
metric: top1
stages:
  quantize: {precision: int8}
# Points of the metric that may be lost; `edgecompile build` ends with exit code 3 if more are.
budgets: {quantize: 100.0, total: 100.0}
# An untrained network's outputs hardly depend on its input: remove this with your own weights.
agreement: {lower: null}
targets: [cpu-onnxruntime, android-tflite]
"""

_MODEL = '''\
"""The network of this recipe. Replace it by yours: build() returns a torch.nn.Module."""

import numpy as np
import torch
from torch import nn


def build():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2, padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, 10),
    )


def _random_data(seed, count):
    generator = np.random.default_rng(seed)
    inputs = generator.normal(size=(count, 3, 32, 32)).astype(np.float32)
    return inputs, generator.integers(0, 10, count)


def calibration_data():
    """Inputs and labels that fix the ranges of int8. Replace by real data."""
    return _random_data(0, 64)


def evaluation_data():
    """Inputs and labels on which every step is measured. Replace by real data."""
    return _random_data(1, 200)
'''


def write_recipe(name: str, parent: Path) -> list[Path]:
    """Write `parent/name/{recipe.yaml, model.py}`; returns the files.

    Raises:
        UserError: the name is not usable or taken, or the folder is there already.
    """
    require_name(name)
    known = find_all("recipes").get(name)
    if known is not None and known.parent != (parent / name).resolve():
        raise UserError(
            f"a recipe named '{name}' is there already: {known}", remedy="choose another name"
        )
    folder = parent / name
    try:
        folder.mkdir(parents=True)
    except FileExistsError as error:
        raise UserError(f"the folder {folder} is there already") from error
    except OSError as error:
        raise UserError(f"cannot make {folder}: {error.strerror}") from error
    files = {folder / "recipe.yaml": _RECIPE, folder / "model.py": _MODEL}
    try:
        for path, text in files.items():
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(f"cannot write to {folder}: {error.strerror}") from error
    return list(files)
