"""Calibration and evaluation samples, prepared once and shared by every step."""

from __future__ import annotations

import inspect
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgecompile.errors import UserError
from edgecompile.evaluate.outputs import Array


def prepare_split(
    inputs: Mapping[str, Path], parameters: Mapping[str, Any], folder: Path
) -> dict[str, Any]:
    """Model inputs of one split -> samples.npy, float32 (samples, *shape), and labels.npy."""
    split = parameters["split"]
    recipe_folder = Path(parameters["recipe_folder"])
    if "archive" in inputs:
        raw, labels = _read_archive(inputs["archive"], split)
    else:
        raw, labels = _call_user(parameters["function"], (), recipe_folder, split)
    samples = raw
    if parameters["prepare"] is not None:
        samples = _call_user(parameters["prepare"], (raw,), recipe_folder, split)
    samples = check_samples(samples, parameters["shape"], split)
    np.save(folder / "samples.npy", samples)
    np.save(folder / "labels.npy", np.asarray(labels), allow_pickle=False)
    return {"samples": len(samples), "labels": len(labels)}


def _read_archive(path: Path, split: str) -> tuple[Array, Array]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            missing = [name for name in ("inputs", "labels") if name not in archive.files]
            if missing:
                raise UserError(
                    f"the {split} data in {path.name} hold no array named '{missing[0]}'; "
                    f"there are: {', '.join(archive.files) or 'none'}"
                )
            return archive["inputs"], archive["labels"]
    except (OSError, ValueError, zipfile.BadZipFile, EOFError, AttributeError) as error:
        raise UserError(
            f"the {split} data in {path.name} are not an .npz of plain arrays",
            remedy="write them with numpy.savez(file, inputs=..., labels=...)",
        ) from error


def _call_user(reference: str, arguments: tuple[Any, ...], folder: Path, split: str) -> Any:
    from edgecompile.frontend.blame import blame
    from edgecompile.frontend.module import load_attribute

    function = load_attribute(reference, folder)
    try:
        return function(*arguments)
    except Exception as error:
        raise blame(error, folder, f"{reference} failed on the {split} data") from error


def check_samples(samples: Any, shape: Sequence[int], split: str) -> Array:
    """`samples` as a contiguous float32 array (samples, *shape without its batch dimension).

    Raises:
        UserError: no samples, another shape or dtype, NaN or infinity.
    """
    array = np.ascontiguousarray(samples.numpy() if hasattr(samples, "numpy") else samples)
    wanted = tuple(shape[1:])
    if array.shape[:1] == (0,) or array.size == 0:
        raise UserError(f"the {split} data hold no samples")
    if array.shape[1:] != wanted:
        raise UserError(
            f"the {split} data have samples of shape {list(array.shape[1:])}, "
            f"the model takes {list(wanted)}",
            remedy="model.input.shape is [1, *sample shape]; data.prepare may reshape",
        )
    if array.dtype != np.float32:
        raise UserError(
            f"the {split} data have dtype {array.dtype}, the model takes float32",
            remedy="name a function in data.prepare that converts and normalizes them",
        )
    finite = np.isfinite(array).reshape(len(array), -1).all(axis=1)
    if not finite.all():
        raise UserError(
            f"the {split} data hold NaN or infinity, first in sample {int(np.argmin(finite))}"
        )
    return array


def spread(count: int, wanted: int) -> Array:
    """Indices of `wanted` samples spread evenly over `count`: neighbours are often alike."""
    return np.unique(np.linspace(0, count - 1, min(wanted, count)).round().astype(np.int64))


def takes_inputs(function: Any) -> bool:
    """Does a user's scoring function want the model inputs as a third argument?"""
    return len(inspect.signature(function).parameters) >= 3
