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


def save_outputs(path: Path, outputs: Sequence[Array]) -> None:
    """Write the outputs as float32 to an .npz without compression."""
    arrays = {f"output{i}": np.ascontiguousarray(a, np.float32) for i, a in enumerate(outputs)}
    np.savez(path, **arrays)  # type: ignore[arg-type]


def load_outputs(path: Path) -> list[Array]:
    """Read what `save_outputs` wrote."""
    with np.load(path, allow_pickle=False) as stored:
        return [stored[f"output{i}"] for i in range(len(stored.files))]
