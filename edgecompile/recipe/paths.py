"""Files that a recipe names: they lie in its own folder or in $EDGECOMPILE_DATA, nowhere else."""

from __future__ import annotations

import os
from pathlib import Path

from edgecompile.errors import Location, UserError

DATA_VARIABLE = "EDGECOMPILE_DATA"
DATA_PREFIX = "${" + DATA_VARIABLE + "}/"


def data_folder() -> Path | None:
    """The folder of shared models and data sets, if the user named one."""
    value = os.environ.get(DATA_VARIABLE)
    return Path(value) if value else None


def resolve_file(written: str, folder: Path, location: Location | None = None) -> Path:
    """The file that a recipe in `folder` means by `written`.

    Raises:
        UserError: the path leaves the folder, $EDGECOMPILE_DATA is needed and not set, or there
            is no such file.
    """
    if written.startswith(DATA_PREFIX):
        root = data_folder()
        if root is None:
            raise UserError(
                f"'{written}' needs the folder of pretrained models and data sets, "
                f"and {DATA_VARIABLE} is not set",
                location=location,
                remedy=f"export {DATA_VARIABLE}=/path/to/data (docs/data.md says how to get it), "
                "or build recipes/digits_cnn, which needs no data",
            )
        relative = written[len(DATA_PREFIX) :]
    else:
        root, relative = folder, written
    inside = root.resolve()
    try:
        path = (inside / relative).resolve()
        is_file = path.is_file()
    except (OSError, ValueError, RuntimeError):  # too long, holds a NUL, links in a circle
        raise UserError(f"'{written}' is not a usable path", location=location) from None
    if not path.is_relative_to(inside):
        raise UserError(
            f"'{written}' leaves the folder {root}",
            location=location,
            remedy=f"copy the file beside the recipe, or put it under ${DATA_VARIABLE}",
        )
    if not is_file:
        raise UserError(f"there is no file '{relative}' in {root}", location=location)
    return path
