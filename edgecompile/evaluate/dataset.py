"""Calibration and evaluation samples, prepared once and shared by every step."""

from __future__ import annotations

import inspect
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgecompile.errors import UserError
from edgecompile.evaluate.outputs import Array


def prepare_split(
    inputs: Mapping[str, Path], parameters: Mapping[str, Any], folder: Path
) -> dict[str, Any]:
    """Model inputs of one split -> samples.npy, float32 (samples, *shape), and labels.npy.

    Where samples are spikes in a number of steps, also spikes.npy, float32 (samples, steps,
    *shape), of which samples.npy has the means.
    """
    split = parameters["split"]
    recipe_folder = Path(parameters["recipe_folder"])
    if "archive" in inputs:
        raw, labels = _read_archive(inputs["archive"], split)
    else:
        raw, labels = _call_source(parameters["function"], recipe_folder, split)
    samples = raw
    if parameters["prepare"] is not None:
        samples = _call_user(parameters["prepare"], (raw,), recipe_folder, split)
    if "steps" in parameters:
        _, *shape = parameters["shape"]
        spikes = check_samples(samples, (1, parameters["steps"], *shape), split)
        _save(folder / "spikes.npy", spikes)
        samples = spikes.mean(axis=1)
    samples = check_samples(samples, parameters["shape"], split)
    labels = check_labels(labels, len(samples), split)
    _save(folder / "samples.npy", samples)
    _save(folder / "labels.npy", labels)
    return {"samples": len(samples), "labels": len(labels)}


def _save(path: Path, array: Array) -> None:
    """As numpy.save, whose writer of C would report a full disk without its errno."""
    array = np.ascontiguousarray(array)
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, np.lib.format.header_data_from_array_1_0(array))
        file.write(array.data)


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
    except _DAMAGE as error:
        raise UserError(
            f"the {split} data in {path.name} are not an .npz of plain arrays",
            remedy="write them with numpy.savez(file, inputs=..., labels=...)",
        ) from error


_DAMAGE = (
    OSError,
    ValueError,  # an array of objects, which only unpickling could read
    TypeError,  # a single .npy: no context manager
    AttributeError,
    EOFError,
    NotImplementedError,
    zipfile.BadZipFile,
    zlib.error,
)
"""What numpy and zipfile raise for a file that is no archive, or a damaged one."""


def _call_user(reference: str, arguments: tuple[Any, ...], folder: Path, split: str) -> Any:
    from edgecompile.recipe.user_code import blaming, load_attribute

    function = load_attribute(reference, folder)
    with blaming(folder, f"{reference} failed on the {split} data"):
        return function(*arguments)


def _call_source(reference: str, folder: Path, split: str) -> tuple[Any, Any]:
    returned = _call_user(reference, (), folder, split)
    if not isinstance(returned, (tuple, list)) or len(returned) != 2:
        raise UserError(
            f"{reference} returned {type(returned).__name__}: "
            f"the {split} data are two arrays, inputs and labels"
        )
    return returned[0], returned[1]


def _as_array(value: Any, what: str) -> Array:
    """A numpy array of a tensor, a list or an array."""
    if hasattr(value, "detach"):
        value = value.detach().cpu()
    try:
        return np.asarray(value)
    except (TypeError, ValueError, RuntimeError) as error:
        raise UserError(f"{what} are no array: {error}") from error


def check_labels(labels: Any, samples: int, split: str) -> Array:
    """`labels` as an array of numbers: one entry per sample, or per run of as many samples.

    A recording of many windows has one label; `prepare` makes the windows, clip after clip.

    Raises:
        UserError: they are none, or do not divide the number of samples.
    """
    array = _as_array(labels, f"the labels of the {split} data")
    if array.dtype.kind not in "biuf":
        raise UserError(
            f"the labels of the {split} data have dtype {array.dtype}: they must be numbers"
        )
    count = len(array) if array.ndim else 0
    if count == 0 or samples % count:
        raise UserError(f"the {split} data hold {samples} samples and {count or 'no'} labels")
    return array


def check_samples(samples: Any, shape: Sequence[int], split: str) -> Array:
    """`samples` as a contiguous float32 array (samples, *shape without its batch dimension).

    Raises:
        UserError: no samples, another shape or dtype, NaN or infinity.
    """
    array = _as_array(samples, f"the {split} data")
    wanted = tuple(shape[1:])
    if array.ndim and len(array) == 0:
        raise UserError(f"the {split} data hold no samples")
    if array.ndim != len(shape) or array.shape[1:] != wanted:
        raise UserError(
            f"the {split} data have the shape {list(array.shape)}, "
            f"the model takes {['samples', *wanted]}".replace("'", ""),
            remedy="model.input.shape is [1, *sample shape]; data.prepare may reshape them",
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
    return np.ascontiguousarray(array)


def spread(count: int, wanted: int) -> Array:
    """Indices of `wanted` samples spread evenly over `count`: neighbours are often alike."""
    return np.unique(np.linspace(0, count - 1, min(wanted, count)).round().astype(np.int64))


def takes_inputs(function: Any) -> bool:
    """Does a user's scoring function want the model inputs as a third argument?"""
    return len(inspect.signature(function).parameters) >= 3
