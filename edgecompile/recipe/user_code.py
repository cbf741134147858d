"""The Python that a recipe names: import it and call it; what it raises is told with its line."""

from __future__ import annotations

import difflib
import hashlib
import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from edgecompile.errors import EdgecompileError, UserError
from edgecompile.recipe.blame import blame


@contextmanager
def blaming(folder: Path, doing: str, remedy: str | None = None) -> Iterator[None]:
    """Turn what the user's code raises in this block into a `UserError` at the user's line.

    `sys.exit` too: in a worker it would otherwise end the whole build, with the user's status.
    """
    try:
        yield
    except EdgecompileError:
        raise
    except (Exception, SystemExit) as error:
        raise blame(error, folder, doing, remedy) from error


def load_attribute(reference: str, folder: Path) -> Callable[..., Any]:
    """The function that ``model.py:build`` or ``package.module:factory`` names.

    Raises:
        UserError: the module cannot be imported, or has no such function.
    """
    where, _, name = reference.rpartition(":")
    with blaming(folder, f"importing {where} failed"):
        module = _load_file(folder / where) if where.endswith(".py") else _load_module(where)
    function = getattr(module, name, None)
    if not callable(function):
        close = difflib.get_close_matches(name, _functions(module), n=1)
        raise UserError(
            f"{where} has no function named '{name}'",
            remedy=f"did you mean '{close[0]}'?" if close else None,
        )
    return function  # type: ignore[no-any-return]


def forget_user_code() -> None:
    """Forget the modules of recipes that were imported: the next step may be another recipe's, with
    a `layers.py` of its own."""
    for name in _own_modules:
        sys.modules.pop(name, None)
    _own_modules.clear()


_own_modules: set[str] = set()
"""Names of the modules that lie beside a recipe's `model.py`, and its own."""


def _functions(module: ModuleType) -> list[str]:
    return [name for name, value in vars(module).items() if callable(value)]


def _load_module(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(error.name + ".")):
            raise UserError(
                f"there is no module '{name}' to import",
                remedy="install the package that holds it, or name a file: model.py:build",
            ) from error
        raise


def _load_file(path: Path) -> ModuleType:
    """Import a file under a name of its own: two recipes both have a `model.py`."""
    if not path.is_file():
        raise UserError(f"there is no file '{path.name}' in the folder of the recipe")
    source = path.read_bytes()
    identity = hashlib.sha256(str(path.resolve()).encode() + source).hexdigest()[:12]
    name = f"edgecompile_user_{path.stem}_{identity}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise UserError(f"{path.name} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    before = set(sys.modules)
    sys.modules[name] = module
    folder = str(path.parent)
    sys.path.insert(0, folder)  # for the files beside it that it imports
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    finally:
        sys.path.remove(folder)
        _own_modules.update(n for n in sys.modules.keys() - before if _lies_in(path.parent, n))
    return module


def _lies_in(folder: Path, name: str) -> bool:
    file = getattr(sys.modules[name], "__file__", None)
    return file is not None and Path(file).is_relative_to(folder)
