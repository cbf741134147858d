"""The code that a step depends on, by fingerprint: ours, a backend's, an installed package's."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import edgecompile
from edgecompile.backends.registry import backend_source
from edgecompile.build.fingerprint import DATA_SUFFIXES, Fingerprint, Root, fingerprint
from edgecompile.digest import digest_file, digest_json
from edgecompile.plugins import find_module

_PACKAGE = Path(edgecompile.__file__).parent


def step_code(function: str) -> Fingerprint:
    """The fingerprint of the module of edgecompile that defines a step's function."""
    module = function.partition(":")[0]
    return _code_of(_PACKAGE.parent.joinpath(*module.split(".")).with_suffix(".py"))


def backend_code(name: str) -> Fingerprint:
    """The fingerprint of a backend, built in or installed."""
    return _code_of(backend_source(name))


def installed_code(module: str) -> Fingerprint | None:
    """The fingerprint of an installed `package.module`; None if there is none."""
    file = find_module(module)
    outer = None if file is None else _outermost(file, module)
    if file is None or outer is None:
        return None
    return fingerprint(file, (Root(outer, module.partition(".")[0]),))


@cache
def package_digest() -> str:
    """One digest of all code of edgecompile: two machines with the same one build alike."""
    return digest_json(
        {
            file.relative_to(_PACKAGE).as_posix(): digest_file(file)
            for file in sorted(_PACKAGE.rglob("*"))
            if file.suffix in {".py", *DATA_SUFFIXES}
        }
    )


@cache
def _code_of(file: Path) -> Fingerprint:
    return fingerprint(file, (Root(_PACKAGE.parent, _PACKAGE.name), *_plugin_roots(file)))


def _plugin_roots(file: Path) -> tuple[Root, ...]:
    """A backend from another package imports its own modules by that package's name."""
    if file.is_relative_to(_PACKAGE):
        return ()
    outer = file.parent
    while (outer / "__init__.py").is_file():
        outer = outer.parent
    return (Root(outer, file.relative_to(outer).parts[0].removesuffix(".py")),)


def _outermost(file: Path, module: str) -> Path | None:
    """The folder that holds the top-level package of `module`, whose file is `file`."""
    depth = module.count(".") + (file.name == "__init__.py")
    return file.parents[depth] if depth < len(file.parents) else None
