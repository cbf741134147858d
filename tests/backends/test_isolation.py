"""A vendor's tool in a process of its own: whatever it does, the caller learns it and goes on."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from edgecompile.backends.isolation import run_isolated
from tests.conftest import REPOSITORY


def write(name: str, text: str) -> None:
    """Leave a result, and noise where a tool may make it."""
    print("noise on stdout")
    print("\x1b[31mred\x1b[0m noise on stderr", file=sys.stderr)
    Path(name).write_text(text)


def refuse() -> None:
    print("loading\ntool.py: error: no operator Foo\ngoodbye", file=sys.stderr)
    sys.exit(3)


def crash() -> None:
    print("about to fall", file=sys.stderr, flush=True)
    import faulthandler

    faulthandler._sigsegv()


def hang(started: str) -> None:
    Path(started).write_text(str(os.getpid()))
    time.sleep(60)


def start_a_program(started: str) -> None:
    """As who runs an emulator."""
    program = subprocess.Popen(["sleep", "60"])
    Path(started).write_text(str(program.pid))
    program.wait()


def call(folder, function, *arguments, seconds=30.0):
    return run_isolated(function, *arguments, tool="the tool", seconds=seconds, folder=folder)


def test_its_result_is_a_file_and_its_noise_is_kept_from_stdout(tmp_path, capfd):
    ended = call(tmp_path, write, "result", "ü")
    assert ended.succeeded
    assert (tmp_path / "result").read_text() == "ü"
    out, err = capfd.readouterr()
    assert out == ""
    assert err == ended.said == "red noise on stderr\n"


def test_a_refusal_is_told_in_the_tools_own_words(tmp_path):
    failure = call(tmp_path, refuse).failure()
    assert failure.message == "the tool failed (exit 3); it said: no operator Foo"
    assert failure.exit_code == 6


def test_a_crash_names_the_signal_and_the_last_words(tmp_path):
    failure = call(tmp_path, crash).failure()
    assert failure.message == "the tool crashed (SIGSEGV); it said: about to fall"


def test_what_takes_too_long_is_killed(tmp_path):
    ended = call(tmp_path, hang, "started", seconds=5)
    assert ended.failure().message == "the tool took longer than 5 s"
    assert is_gone(int((tmp_path / "started").read_text()))


@pytest.mark.parametrize("function", [hang, start_a_program])
def test_nothing_of_it_outlives_the_process_that_started_it(tmp_path, function):
    code = (
        "from pathlib import Path; from tests.backends import test_isolation as here;"
        f"here.call(Path({str(tmp_path)!r}), here.{function.__name__}, 'started')"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], cwd=REPOSITORY)
    deadline = time.monotonic() + 30
    started = tmp_path / "started"
    while not (started.is_file() and started.read_text()) and time.monotonic() < deadline:
        time.sleep(0.02)
    parent.kill()
    parent.wait()
    child = int(started.read_text())
    while not is_gone(child) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert is_gone(child)


def is_gone(process: int) -> bool:
    """Zombies count as gone: where nobody reaps orphans they stay in the table."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True
