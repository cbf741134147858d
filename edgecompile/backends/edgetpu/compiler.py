"""The vendor's `edgetpu_compiler`, where it is installed: run, and its report read."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgecompile.backends.isolation import run_isolated
from edgecompile.errors import ToolchainFailed

PROGRAM = "edgetpu_compiler"
TIME_LIMIT_SECONDS = 600
COMPILER_TIME_LIMIT_SECONDS = 540
"""Its own limit, of 180 s by default, under ours."""

VERSION_SECONDS = 30

_SAID = "said.txt"

INSTALL = "https://coral.ai/docs/edgetpu/compiler/ (Debian, x86-64)"

_ROW = re.compile(r"^([A-Z][A-Z0-9_]*)\s+(\d+)\s+(\S.*)$")
_MEMORY = re.compile(r"^(O(?:n|ff)-chip memory [a-z ]+): (\S+)$")
_VERSION = re.compile(r"Edge TPU Compiler version (\S+)")


@dataclass(frozen=True)
class OperatorCount:
    """One line of the compiler's table."""

    operator: str
    count: int
    status: str


@dataclass(frozen=True)
class CompilerReport:
    """What the compiler said, without its times."""

    version: str
    operators: tuple[OperatorCount, ...]
    memory: dict[str, str]


def command_line(file: str, runtime: int) -> list[str]:
    """What to type to compile a file."""
    return [PROGRAM, "-s", "-m", str(runtime), file]


def find_compiler() -> Path | None:
    """The compiler on PATH."""
    found = shutil.which(PROGRAM)
    return None if found is None else Path(found)


def programs() -> dict[str, str]:
    """The compiler's version, if it is on PATH."""
    program = find_compiler()
    return {} if program is None else {PROGRAM: compiler_version(program)}


def compiler_version(program: Path) -> str:
    """What the program says of itself; ``unknown`` if it says nothing that we know.

    Raises:
        ToolchainFailed: it cannot be started, fails or hangs.
    """
    with tempfile.TemporaryDirectory(prefix="edgecompile-") as name:
        return parse_report(_run(program, ["--version"], VERSION_SECONDS, Path(name))).version


def compile_file(program: Path, file: Path, runtime: int) -> tuple[bytes, CompilerReport]:
    """The compiled file's bytes, and the report.

    Raises:
        ToolchainFailed: the compiler refuses, crashes, takes too long or writes no file.
    """
    with tempfile.TemporaryDirectory(prefix="edgecompile-") as name:
        folder = Path(name)
        more = ["-o", name, "-t", str(COMPILER_TIME_LIMIT_SECONDS)]
        arguments = [*more, *command_line(str(file.resolve()), runtime)[1:]]
        said = _run(program, arguments, TIME_LIMIT_SECONDS, folder)
        result = folder / f"{file.stem}_edgetpu.tflite"
        if not result.is_file():
            raise ToolchainFailed(f"{PROGRAM} wrote no file; it said: {_complaint(said)}")
        return result.read_bytes(), parse_report(said)


def parse_report(text: str) -> CompilerReport:
    """Version, table and memory of the compiler's output."""
    version = _VERSION.search(text)
    lines = [line.strip() for line in text.splitlines()]
    rows = [row for line in lines if (row := _ROW.match(line))]
    memory = [found for line in lines if (found := _MEMORY.match(line))]
    return CompilerReport(
        version[1] if version else "unknown",
        tuple(OperatorCount(row[1], int(row[2]), row[3].strip()) for row in rows),
        {found[1]: found[2] for found in memory},
    )


def _run(program: Path, arguments: Sequence[str], seconds: float, folder: Path) -> str:
    """All that the program said."""
    ended = run_isolated(
        _call, str(program), *arguments, tool=PROGRAM, seconds=seconds, folder=folder
    )
    if not ended.succeeded:
        raise ended.failure()
    return (folder / _SAID).read_text(errors="replace")


def _call(program: str, *arguments: str) -> None:
    """In a process of its own: run the program, with what it says in a file."""
    said = Path(_SAID)
    try:
        with said.open("wb") as file:
            done = subprocess.run(  # noqa: S603 - a program of that name on PATH, no shell
                [program, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                check=False,
            )
    except OSError as error:
        sys.exit(f"it does not start: {error.strerror or error}")
    if done.returncode != 0:
        print(_complaint(said.read_text(errors="replace")), file=sys.stderr)
        # As a shell has it: 128 and the number of the signal.
        sys.exit(done.returncode if done.returncode > 0 else 128 - done.returncode)


def _complaint(text: str) -> str:
    """The line that says why, or the last one."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    why = [line for line in lines if line.startswith(("ERROR", "Compilation failed:"))]
    return textwrap.shorten((why or lines or ["nothing"])[-1], 300)
