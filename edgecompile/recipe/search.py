"""Where recipes and targets are: built in, in ./ of the user, $EDGECOMPILE_PATH, plug-ins."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import edgecompile
from edgecompile.errors import UserError
from edgecompile.plugins import plugins

Kind = Literal["targets", "recipes"]

PATH_VARIABLE = "EDGECOMPILE_PATH"


def builtin_root() -> Path:
    """The folder that holds the built-in `targets/` and `recipes/`.

    Inside a wheel they lie in the package; in a checkout they lie beside it.
    """
    package = Path(edgecompile.__file__).parent
    packed = package / "builtin"
    return packed if packed.is_dir() else package.parent


def search_roots() -> list[Path]:
    """Folders that may hold `targets/` and `recipes/`, the built-in one first, none twice."""
    roots = [builtin_root(), Path.cwd()]
    roots += [Path(part) for part in os.environ.get(PATH_VARIABLE, "").split(os.pathsep) if part]
    roots += [folder for plugin in plugins() if (folder := plugin.folder) is not None]
    unique = {root.resolve(): root for root in reversed(roots) if root.is_dir()}
    return list(reversed(unique.values()))


def find_all(kind: Kind) -> dict[str, Path]:
    """All files of one kind by name: targets `**/NAME.yaml`, recipes `NAME/recipe.yaml`.

    Raises:
        UserError: two files claim the same name.
    """
    found: dict[str, Path] = {}
    for root in search_roots():
        for path in _files(root / kind, kind):
            name = path.parent.name if kind == "recipes" else path.stem
            if name in found:
                raise UserError(
                    f"two {kind} are named '{name}': {found[name]} and {path}",
                    remedy="rename one of them",
                )
            found[name] = path
    return dict(sorted(found.items()))


def _files(folder: Path, kind: Kind) -> Iterator[Path]:
    pattern = "*/recipe.yaml" if kind == "recipes" else "**/*.yaml"
    yield from sorted(folder.glob(pattern))


def find_one(kind: Kind, name: str) -> Path:
    """The file of one name.

    Raises:
        UserError: there is none; the message suggests the nearest name.
    """
    found = find_all(kind)
    if name in found:
        return found[name]
    close = difflib.get_close_matches(name, found, n=1)
    remedy = f"did you mean '{close[0]}'?" if close else f"`edgecompile {kind} list` shows them all"
    raise UserError(f"there is no {kind[:-1]} named '{name}'", remedy=remedy)
