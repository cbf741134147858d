"""Programs of others, called in the process that `isolation.py` starts: zig, and QEMU."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

SAMPLES, OUTPUTS = "samples.bin", "outputs.bin"


def run_zig(cache: str, commands: str) -> None:
    """Run zig's command lines, a JSON list of lists of words, one after the other.

    `cache` holds what zig makes for each instruction set once. What it makes of our sources stays
    in the working folder.
    """
    environment = {
        **os.environ,
        "ZIG_GLOBAL_CACHE_DIR": cache,
        "ZIG_LOCAL_CACHE_DIR": str(Path("zig-cache").resolve()),
        "SOURCE_DATE_EPOCH": "0",
    }
    for words in json.loads(commands):
        _call([sys.executable, "-m", "ziglang", *words], environment=environment)


def run_program(command: str, streams: bool) -> None:
    """Run an emulator's command line, a JSON list of words, which reads `samples.bin` and writes
    `outputs.bin`: by itself, or with `streams` as its standard input and output."""
    words = json.loads(command)
    if not streams:
        _call(words)
        return
    with Path(SAMPLES).open("rb") as samples, Path(OUTPUTS).open("wb") as outputs:
        _call(words, stdin=samples.fileno(), stdout=outputs.fileno())


def _call(
    words: Sequence[str],
    *,
    stdin: int = subprocess.DEVNULL,
    stdout: int = subprocess.DEVNULL,
    environment: dict[str, str] | None = None,
) -> None:
    """End as the program ended, unless it ended well."""
    code = subprocess.run(  # noqa: S603 - words of our own, no shell
        words, stdin=stdin, stdout=stdout, env=environment, check=False
    ).returncode
    if code < 0:  # by a signal: so that whoever waits for us sees the same
        signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    if code:
        sys.exit(code)
