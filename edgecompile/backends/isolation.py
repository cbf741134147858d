"""A vendor's tool in a process of its own: it may crash, hang, leak, or print what it likes.

What a tool prints on stdout goes nowhere; results come back through files. The process ends with
the one that started it, so that a build that is stopped leaves nothing running.
"""

from __future__ import annotations

import faulthandler
import importlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import textwrap
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import edgecompile
from edgecompile.errors import ToolchainFailed

_ROOT = str(Path(edgecompile.__file__).resolve().parents[1])
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_CRASH = "Fatal Python error: "
"""With these words begins what faulthandler writes."""


@dataclass(frozen=True)
class Ended:
    """How a tool ended: `exit_code` is negative for a signal, None when its time was up."""

    tool: str
    exit_code: int | None
    seconds: float
    """The time that it was allowed."""
    said: str
    """All that it wrote on stderr."""

    @property
    def succeeded(self) -> bool:
        """Did it end by itself, without an error?"""
        return self.exit_code == 0

    def failure(self) -> ToolchainFailed:
        """What went wrong, in the tool's own words where it had any."""
        if self.exit_code is None:
            return ToolchainFailed(f"{self.tool} took longer than {self.seconds:g} s")
        how = f"failed (exit {self.exit_code})"
        if self.exit_code < 0:
            how = f"crashed ({_signal_name(-self.exit_code)})"
        return ToolchainFailed(f"{self.tool} {how}; it said: {self.complaint()}")

    def complaint(self) -> str:
        """The first error, else the last words, out of what may be hundreds of lines."""
        words = self.said.partition(_CRASH)[0]
        found = re.search(r"\berror: (.+)", words)
        lines = [line for line in words.splitlines() if line.strip()] or ["nothing"]
        return textwrap.shorten(found[1] if found else lines[-1], 300)


def run_isolated(
    function: Callable[..., None],
    *arguments: str | int | float | bool,
    tool: str,
    seconds: float,
    folder: Path,
) -> Ended:
    """Call a module's `function` with plain `arguments` in a fresh process that works in `folder`.

    Returns when it ended, or was killed because it took longer than `seconds`. `tool` is its name
    in messages. What it said is passed on to stderr as well.
    """
    name = f"{function.__module__}:{function.__qualname__}"
    command = [sys.executable, "-P", "-m", __name__, name, json.dumps(arguments)]
    paths = [_ROOT, *filter(None, [os.environ.get("PYTHONPATH")])]
    with (
        tempfile.TemporaryFile() as log,
        subprocess.Popen(  # noqa: S603 - our own module, arguments of our own
            command,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
            stdin=subprocess.PIPE,  # its end tells the child that we are gone
            stdout=subprocess.DEVNULL,
            stderr=log,
            start_new_session=True,
        ) as process,
    ):
        exit_code: int | None = None
        try:
            exit_code = process.wait(seconds)
        except subprocess.TimeoutExpired:
            pass
        finally:
            with suppress(ProcessLookupError):  # what it started itself as well
                os.killpg(process.pid, signal.SIGKILL)
        log.seek(0)
        said = _COLOUR.sub("", log.read().decode(errors="replace"))
    print(said, end="", file=sys.stderr, flush=True)
    return Ended(tool, exit_code, seconds, said)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal has no name
        return f"signal {number}"


def _end_with_parent() -> None:
    """Leave as soon as the other end of stdin is closed, with all that was started from here."""

    def watch() -> None:
        while os.read(0, 1):
            pass
        os.killpg(0, signal.SIGKILL)  # an emulator would go on for minutes; the session is our own

    threading.Thread(target=watch, daemon=True).start()


def _child(name: str, arguments: list[Any]) -> None:
    faulthandler.enable()  # a crash in native code leaves the Python line in the log
    _end_with_parent()
    module, _, attribute = name.partition(":")
    getattr(importlib.import_module(module), attribute)(*arguments)


if __name__ == "__main__":
    _child(sys.argv[1], json.loads(sys.argv[2]))
