"""The files of a new backend: a package to install, with a target and a test."""

from __future__ import annotations

import re
from pathlib import Path

from edgecompile.backends.registry import backend_names
from edgecompile.errors import UserError
from edgecompile.scaffold.files import render, require_name, write_new


def write_package(name: str, parent: Path) -> list[Path]:
    """Write `parent/edgecompile-NAME/`, whose backend writes ONNX; returns the files.

    Raises:
        UserError: the name is not usable or taken, or a file is there already.
    """
    require_name(name)
    if name in backend_names():
        raise UserError(f"a backend named '{name}' is there already", remedy="choose another name")
    words = re.split(r"[._-]+", name)
    module = "edgecompile_" + "_".join(words).lower()
    values = {
        "name": name,
        "package": f"edgecompile-{name}",
        "module": module,
        "cls": "".join(word[:1].upper() + word[1:] for word in words) + "Backend",
        "target": f"{name}-board",
    }
    folder = parent / f"edgecompile-{name}"
    files = {
        "pyproject.toml.j2": "pyproject.toml",
        "README.md.j2": "README.md",
        "__init__.py.j2": f"{module}/__init__.py",
        "backend.py.j2": f"{module}/backend.py",
        "board.yaml.j2": f"{module}/targets/{values['target']}.yaml",
        "test_conformance.py.j2": "tests/test_conformance.py",
    }
    return write_new(
        {folder / file: render(f"package/{source}", values) for source, file in files.items()}
    )
