"""The vendor's `edgetpu_compiler`, where it is installed: run, and its report read."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgecompile.errors import ToolchainFailed

PROGRAM = "edgetpu_compiler"
TIME_LIMIT_SECONDS = 600
COMPILER_TIME_LIMIT_SECONDS = 540
"""Its own limit, of 180 s by default, under ours."""

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


def compiler_version(program: Path) -> str:
    """What the program says of itself; ``unknown`` if it says nothing that we know.

    Raises:
        ToolchainFailed: it cannot be started.
    """
    found = _VERSION.search(_run([str(program), "--version"], 30).stdout)
    return found[1] if found else "unknown"


def compile_file(program: Path, file: Path, runtime: int) -> tuple[bytes, CompilerReport]:
    """The compiled file's bytes, and the report.

    Raises:
        ToolchainFailed: the compiler refuses, crashes, takes too long or writes no file.
    """
    with tempfile.TemporaryDirectory(prefix="edgecompile-") as name:
        more = ["-o", name, "-t", str(COMPILER_TIME_LIMIT_SECONDS)]
        arguments = command_line(str(file), runtime)[1:]
        done = _run([str(program), *more, *arguments], TIME_LIMIT_SECONDS)
        result = Path(name, f"{file.stem}_edgetpu.tflite")
        said = f"{done.stdout}\n{done.stderr}"
        if done.returncode != 0 or not result.is_file():
            raise ToolchainFailed(
                f"{PROGRAM} failed (exit {done.returncode}); it said: {_complaint(said)}"
            )
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


def _run(command: Sequence[str], limit: int) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(  # noqa: S603 - a program of that name on PATH, no shell
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=limit,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ToolchainFailed(f"{PROGRAM} took longer than {limit} s") from None
    except OSError as error:
        raise ToolchainFailed(f"{PROGRAM} does not start: {error.strerror or error}") from error


def _complaint(text: str) -> str:
    """The line that says why, or the last one."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    why = [line for line in lines if line.startswith(("ERROR", "Compilation failed:"))]
    return textwrap.shorten((why or lines or ["nothing"])[-1], 300)
