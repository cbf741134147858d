"""Packages that bring a backend of their own: found by their entry point, without an import."""

from __future__ import annotations

import importlib.machinery
import importlib.metadata
import importlib.util
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

GROUP = "edgecompile.backends"
"""The entry-point group in which a package names its backends."""


@dataclass(frozen=True)
class Plugin:
    """One backend of an installed package: `reference` is ``module:Class``, `package` the name and
    the version of the distribution."""

    name: str
    reference: str
    package: str

    @property
    def module(self) -> str:
        """The module that defines the backend."""
        return self.reference.partition(":")[0]

    @property
    def folder(self) -> Path | None:
        """The folder of its top-level package, in which `targets/` and `recipes/` may lie."""
        file = find_module(self.module.partition(".")[0])
        return file.parent if file is not None and file.name == "__init__.py" else None


def plugins() -> tuple[Plugin, ...]:
    """Every backend of every installed package, by name; two may claim the same one."""
    return _plugins(tuple(sys.path))


@cache
def _plugins(path: tuple[str, ...]) -> tuple[Plugin, ...]:
    """Once for each `path`: the metadata of all installed packages is read, 10 ms for 150."""
    found = []
    for entry in importlib.metadata.entry_points(group=GROUP):
        package = f"{entry.dist.name} {entry.dist.version}" if entry.dist else "no package"
        found.append(Plugin(entry.name, entry.value, package))
    return tuple(sorted(found, key=lambda plugin: (plugin.name, plugin.package)))


def find_module(name: str) -> Path | None:
    """The file of `package.module`, found without importing the package; None if there is none."""
    top, *inner = name.split(".")
    try:
        spec = importlib.util.find_spec(top)  # also what is installed to be edited
    except ValueError:  # a module without a spec, as __main__
        return None
    path: Sequence[str] | None = spec.submodule_search_locations if spec is not None else None
    for depth in range(len(inner)):
        if path is None:
            return None
        spec = importlib.machinery.PathFinder.find_spec(".".join([top, *inner[: depth + 1]]), path)
        path = spec.submodule_search_locations if spec is not None else None
    return Path(spec.origin) if spec is not None and spec.origin else None
