"""Model outputs as arrays on disk: one array per output, first axis the samples."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecompile.errors import UserError

Array = npt.NDArray[Any]


def as_arrays(result: Any) -> list[Array]:
    """A module's return value (a tensor, a tuple or a dict of tensors) as a list of arrays.

    Raises:
        UserError: it holds something else.
    """
    if hasattr(result, "detach"):
        return [result.detach().numpy()]
    if isinstance(result, dict):
        result = list(result.values())
    if isinstance(result, (tuple, list)):
        return [array for part in result for array in as_arrays(part)]
    raise UserError(f"the module returns {type(result).__name__}; tensors are supported")


def stack_outputs(batches: Sequence[Sequence[Array]], samples: int) -> list[Array]:
    """One array per output from those of the batches.

    Raises:
        UserError: the outputs are not one per sample, in the same number for each batch.
    """
    if len({len(batch) for batch in batches}) > 1:
        raise UserError("the module returns another number of tensors from batch to batch")
    try:
        outputs = [np.concatenate(parts) for parts in zip(*batches, strict=True)]
    except ValueError as error:
        raise UserError(f"the module's outputs change their shape: {error}") from error
    for index, output in enumerate(outputs):
        if len(output) != samples:
            raise UserError(
                f"the module's output {index} has {len(output)} rows for {samples} samples",
                remedy="the first dimension of every output must be the batch",
            )
    return outputs


def not_finite(outputs: Sequence[Array]) -> int | None:
    """The first sample for which an output holds NaN or infinity."""
    wrong = [
        int(np.argmin(finite))
        for output in outputs
        if not (finite := np.isfinite(output).reshape(len(output), -1).all(axis=1)).all()
    ]
    return min(wrong, default=None)


_SAMPLES = "samples"


def save_outputs(path: Path, outputs: Sequence[Array], samples: Array | None = None) -> None:
    """Write the outputs as float32 to an .npz without compression.

    `samples` are the indices of the evaluation samples that they belong to; None: all.
    """
    arrays = {f"output{i}": np.ascontiguousarray(a, np.float32) for i, a in enumerate(outputs)}
    if samples is not None:
        arrays[_SAMPLES] = samples
    np.savez(path, **arrays)  # type: ignore[arg-type]


def load_outputs(path: Path) -> list[Array]:
    """Read what `save_outputs` wrote."""
    with np.load(path, allow_pickle=False) as stored:
        return [stored[f"output{i}"] for i in range(len(set(stored.files) - {_SAMPLES}))]


def load_samples(path: Path) -> Array | None:
    """Which evaluation samples the outputs in `path` belong to; None: all."""
    with np.load(path, allow_pickle=False) as stored:
        return stored[_SAMPLES] if _SAMPLES in stored.files else None
