"""The house is built as the design says: who may import whom, and how large a file may be."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "edgecompile"

BELOW: dict[str, set[str]] = {
    "cli": {
        "conformance",
        "scaffold",
        "release",
        "report",
        "build",
        "backends",
        "compress",
        "evaluate",
        "frontend",
        "graph",
        "recipe",
    },
    "release": {"backends", "build", "recipe"},
    "scaffold": {"backends", "recipe"},
    "conformance": {"backends", "build", "compress", "evaluate", "graph", "recipe"},
    "report": {"build", "evaluate", "recipe"},
    "build": {"backends", "compress", "evaluate", "frontend", "graph", "recipe"},
    "backends": {"compress", "evaluate", "formats", "graph", "recipe"},
    "formats": {"evaluate", "graph", "recipe"},
    "frontend": {"evaluate", "graph", "recipe"},
    "compress": {"evaluate", "frontend", "graph", "recipe"},
    "evaluate": {"graph", "recipe"},
    "graph": {"recipe"},
    "recipe": set(),
}
"""The rooms that each room may import from. What lies in no room (errors, findings, digests) is
everybody's, and imports no room."""

SHARED_BACKEND_MODULES = {"protocol", "registry", "files", "steps", "roofline"}
"""What lies in `backends/` itself and belongs to no toolchain."""

FILES = sorted(PACKAGE.rglob("*.py"))


def room(module: str) -> str | None:
    """``build`` of ``edgecompile.build.plan``; None for what lies in no room."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and parts[1] in BELOW else None


def module_of(file: Path) -> str:
    parts = file.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(file: Path) -> Iterator[tuple[int, str]]:
    """Line and module of every import of our own, inside functions too."""
    package = module_of(file).split(".")
    if file.name != "__init__.py":
        package = package[:-1]
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            start = ".".join([*base, *([node.module] if node.module else [])])
            names = [start, *(f"{start}.{alias.name}" for alias in node.names)]
        else:
            continue
        for name in names:
            if name.partition(".")[0] == "edgecompile":
                yield node.lineno, name


def violations(wrong) -> list[str]:
    return sorted(
        {
            f"{file.relative_to(PACKAGE)}:{line} imports {name}"
            for file in FILES
            for line, name in imports(file)
            if wrong(module_of(file), name)
        }
    )


def test_the_allowed_imports_form_no_circle():
    assert next(iter(TopologicalSorter(BELOW).static_order())) == "recipe"


def test_every_folder_of_the_package_is_a_room_of_the_plan():
    folders = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert folders == set(BELOW)


def test_no_room_imports_one_above_it():
    def wrong(importer: str, name: str) -> bool:
        above, below = room(importer), room(name)
        if below is None or above == below:
            return False
        # __main__ is the entrance: it leads to the command line and nowhere else.
        if above is None:
            return not (importer == "edgecompile.__main__" and below == "cli")
        return below not in BELOW[above]

    assert violations(wrong) == []


def toolchain(module: str) -> str | None:
    """``tflite`` of ``edgecompile.backends.tflite.backend``."""
    parts = module.split(".")
    if parts[:2] != ["edgecompile", "backends"] or len(parts) < 3:
        return None
    if parts[2] == SPIKING:
        return parts[3] if len(parts) > 3 and parts[3] in CHIPS else None
    return None if parts[2] in SHARED_BACKEND_MODULES else parts[2]


SPIKING = "spiking"
"""The folder whose modules serve the backends inside it."""

CHIPS = sorted(path.parent.name for path in PACKAGE.glob(f"backends/{SPIKING}/*/__init__.py"))

TOOLCHAINS = sorted(
    {path.parent.name for path in PACKAGE.glob("backends/*/__init__.py")} - {SPIKING} | {*CHIPS}
)


def test_what_the_spiking_chips_share_imports_none_of_them():
    def wrong(importer: str, name: str) -> bool:
        shared = importer.startswith(f"edgecompile.backends.{SPIKING}")
        return shared and toolchain(importer) is None and toolchain(name) in CHIPS

    assert violations(wrong) == []


def test_a_backend_imports_no_other_backend():
    def wrong(importer: str, name: str) -> bool:
        used = toolchain(name)
        return used in TOOLCHAINS and toolchain(importer) != used

    assert violations(wrong) == []


@pytest.mark.parametrize(
    "file",
    [f for f in FILES if room(module_of(f)) in {"build", "report", "cli"}],
    ids=lambda file: file.relative_to(PACKAGE).as_posix(),
)
def test_what_is_above_the_backends_names_none_of_them(file):
    strings = [
        node.value
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    named = [s for s in strings for name in TOOLCHAINS if name in s.lower().split("-")]
    named += [s for s in strings if any(f"backends.{name}" in s for name in TOOLCHAINS)]
    assert named == []


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.relative_to(PACKAGE).as_posix())
def test_no_file_is_longer_than_500_lines(file):
    assert len(file.read_text().splitlines()) <= 500


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.relative_to(PACKAGE).as_posix())
def test_nothing_prints_but_the_command_line_and_the_report(file):
    if room(module_of(file)) in {"cli", "report"}:
        return
    calls = [
        f"line {node.lineno}"
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "print"
        and not any(keyword.arg == "file" for keyword in node.keywords)
    ]
    assert calls == []
