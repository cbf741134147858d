"""What a piece of Python code depends on, found by reading it, never by running it.

The fingerprint of a module is the syntax tree of its source and of every local module that it
imports (so that a comment changes nothing), the C and the templates beside the `__init__.py` of
their packages, and the version of every installed package that they import. It is part of the key
of each step: of the user's `model.py`, and of edgecompile's own code.
"""

from __future__ import annotations

import ast
import importlib.metadata
import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from edgecompile.digest import digest_bytes, digest_json

_DISTRIBUTIONS = {
    "google": "protobuf",
    "sklearn": "scikit-learn",
    "tensorflow": "tensorflow-cpu",
    "vl_convert": "vl-convert-python",
    "yaml": "pyyaml",
}
"""Import names that differ from the name of their distribution (else the same, normalized)."""


DATA_SUFFIXES = frozenset({".c", ".h", ".j2"})
"""Files of a package that are no Python, and that its code reads."""


@dataclass(frozen=True)
class Fingerprint:
    """Digests of the local sources by relative name, and versions of the packages they import."""

    sources: dict[str, str]
    packages: dict[str, str]

    @property
    def digest(self) -> str:
        """One digest of all of it."""
        return digest_json({"sources": self.sources, "packages": self.packages})


@dataclass(frozen=True)
class Root:
    """A folder that local imports start from. With `package`, only those of that package: beside
    an installed package lie all the others, which are known by their version."""

    folder: Path
    package: str | None = None


def fingerprint(module: Path, roots: tuple[Root, ...]) -> Fingerprint:
    """Fingerprint the module in file `module`; imports are local when found under `roots`."""
    sources: dict[str, str] = {}
    packages: dict[str, str] = {}
    waiting, seen = [module.resolve()], set[Path]()
    local_of: dict[str, list[Path]] = {}
    while waiting:
        file = waiting.pop()
        if file in seen:
            continue
        seen.add(file)
        tree_digest, imports = _read_source(file.read_bytes())
        name = _relative_name(file, roots)
        while name in sources:  # two roots, a file of the same name in each
            name += "'"
        sources[name] = tree_digest
        if file.name == "__init__.py":
            sources |= _data_beside(file, name)
        waiting += _packages_around(file, roots)
        for imported in imports:
            relative = imported.startswith(".")
            local = None if relative else local_of.get(imported)
            if local is None:
                local = _resolve(imported, file, roots)
            if not relative:  # what an absolute import means does not depend on the importer
                local_of[imported] = local
            if local:
                waiting += local
            else:
                version = _package_version(imported.lstrip(".").partition(".")[0])
                if version is not None:
                    packages[version[0]] = version[1]
    return Fingerprint(dict(sorted(sources.items())), dict(sorted(packages.items())))


def merged(fingerprints: Iterable[Fingerprint]) -> Fingerprint:
    """One fingerprint of several modules."""
    sources: dict[str, str] = {}
    packages: dict[str, str] = {}
    for one in fingerprints:
        sources |= one.sources
        packages |= one.packages
    return Fingerprint(dict(sorted(sources.items())), dict(sorted(packages.items())))


@cache
def _read_source(source: bytes) -> tuple[str, tuple[str, ...]]:
    """Cached by content: a process that builds twice sees what changed in between."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        # Not importable either: whoever imports it will say so, with the line.
        return digest_bytes(source), ()
    return digest_bytes(ast.dump(tree).encode()), tuple(sorted(set(_imports(tree))))


def _imports(tree: ast.AST) -> Iterator[str]:
    for node in _statements(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            yield base
            separator = "" if base.endswith(".") else "."
            yield from (f"{base}{separator}{alias.name}" for alias in node.names)


def _statements(tree: ast.AST) -> Iterator[ast.AST]:
    """Every statement, also inside functions and branches; expressions hold no imports."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        for block in ("body", "orelse", "finalbody", "handlers", "cases"):
            waiting += getattr(node, block, None) or ()


def _resolve(name: str, importer: Path, roots: tuple[Root, ...]) -> list[Path]:
    """The local files that `import name` reads: the module and the packages around it."""
    parts = [part for part in name.lstrip(".").split(".") if part]
    if name.startswith("."):
        starts = [importer.parents[len(name) - len(name.lstrip(".")) - 1]]
    else:
        starts = [root.folder for root in roots if root.package in (None, parts[0])]
    for start in starts:
        files = []
        place = str(start)  # strings, not paths: this is asked a thousand times in each build
        for part in parts:
            place = f"{place}/{part}"
            found = [f for f in (f"{place}/__init__.py", f"{place}.py") if os.path.isfile(f)]  # noqa: PTH113
            if not found and not os.path.isdir(place):  # noqa: PTH112 (no folder without __init__)
                break
            files += found
        if files:
            return [Path(file).resolve() for file in files]
    return []


def _packages_around(file: Path, roots: tuple[Root, ...]) -> list[Path]:
    """The `__init__.py` that Python runs before the module itself, innermost first."""
    tops = {root.folder.resolve() for root in roots}
    found = []
    for folder in file.parents:
        if folder in tops or not (folder / "__init__.py").is_file():
            break
        found.append(folder / "__init__.py")
    return found


def _data_beside(package: Path, name: str) -> dict[str, str]:
    """Digests of what lies beside an `__init__.py`, whose name in the fingerprint is `name`."""
    folder = name.rpartition("/")[0]
    return {
        f"{folder}/{file.name}": digest_bytes(file.read_bytes())
        for file in package.parent.iterdir()
        if file.suffix in DATA_SUFFIXES
    }


def _relative_name(file: Path, roots: tuple[Root, ...]) -> str:
    for root in roots:
        folder = root.folder.resolve()
        if file.is_relative_to(folder):
            return file.relative_to(folder).as_posix()
    return file.name


@cache
def _package_version(top_level: str) -> tuple[str, str] | None:
    if not top_level or top_level in sys.stdlib_module_names:
        return None
    for name in (_DISTRIBUTIONS.get(top_level, top_level), top_level.replace("_", "-")):
        try:
            return name, importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    for name in importlib.metadata.packages_distributions().get(top_level, []):
        return name, importlib.metadata.version(name)
    return None
