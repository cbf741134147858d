"""A process that carries out steps, away from the terminal.

Libraries print on stdout, some crash: what a process prints goes to a file, and its death is one
failed step, not the end of the build.
"""

from __future__ import annotations

import faulthandler
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path

from edgecompile.build.worker import Job, Outcome, carry_out
from edgecompile.errors import ToolchainFailed
from edgecompile.parallel import share_cores
from edgecompile.recipe.blame import crash_place


_NO_LEAKS = "ignore::UserWarning:multiprocessing.resource_tracker"
"""For the interpreter that cleans up behind workers. Libraries of a worker that is ended at once
leave a semaphore; it is removed, and no user need read of it."""


class WorkerKilled(ToolchainFailed):
    """The system or a person ended a process by SIGKILL: most likely memory ran out."""


class WorkerProcess:
    """One process, started at the first job and replaced when it dies.

    `log` is where it prints; `threads` how many cores it may keep busy.
    """

    def __init__(self, log: Path, threads: int) -> None:
        self.log = log
        self.threads = threads
        self._pool: ProcessPoolExecutor | None = None
        self._processes: list[BaseProcess] = []
        self._said_before = 0

    def submit(self, job: Job) -> Future[Outcome]:
        """Begin one job; only one at a time."""
        if self._pool is None:
            if _NO_LEAKS not in sys.warnoptions:
                sys.warnoptions.append(_NO_LEAKS)
            self._pool = ProcessPoolExecutor(
                1,
                get_context("spawn"),
                initializer=_start,
                initargs=(str(self.log), self.threads),
            )
        self._said_before = len(self._said())
        waiting = self._pool.submit(carry_out, job)
        self._processes = list((self._pool._processes or {}).values())
        return waiting

    def death(self, job: Job) -> ToolchainFailed:
        """What to say when the process died over `job`; the next job gets a new one."""
        if self._pool is not None:
            self._pool.shutdown()
            self._pool = None
        said = self._said()[self._said_before :]
        words, _, dump = said.partition(_CRASH)
        last = words.strip().splitlines()[-1:] or ["nothing"]
        code = _exit_code(self._processes)
        self._processes = []
        kind = WorkerKilled if code == -signal.SIGKILL else ToolchainFailed
        return kind(
            f"the process that ran the step {job.name} died{_how(code)}; it said: {last[0]}",
            location=crash_place(dump, Path(job.parameters.get("recipe_folder", "."))),
            remedy="if memory ran out, close other programs; run again with -v to see its log",
        )

    def close(self, *, at_once: bool) -> None:
        """End the process. `at_once` does not wait for a step that may take minutes."""
        if self._pool is None:
            return
        if at_once:
            for process in self._processes:
                process.terminate()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _said(self) -> str:
        """All that the process printed."""
        try:
            return self.log.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""


def _start(log: str, threads: int) -> None:
    """Send everything that libraries print to `log`, and leave Ctrl-C to the parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(file, 1)
    os.dup2(file, 2)
    sys.stdout = os.fdopen(os.dup(1), "w", buffering=1)
    sys.stderr = os.fdopen(os.dup(2), "w", buffering=1)
    faulthandler.enable(sys.stderr)  # a crash in native code leaves the Python line in the log
    share_cores(threads)
    _die_with_parent()


def _die_with_parent() -> None:
    """A killed build must not leave a worker behind, which would wait for jobs for ever."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


_STATUS_SECONDS = 5.0
"""How long to wait for the status of a process that is known to be dead."""

_CRASH = "Fatal Python error: "
"""With these words begins what faulthandler writes."""


def _exit_code(processes: Sequence[BaseProcess]) -> int | None:
    """The status of the process that died first, negative for a signal; None: unknown.

    Asked again until it is known: the pool's own thread waits for the same process, and while it
    collects the status, `join` returns here without one.
    """
    deadline = time.monotonic() + _STATUS_SECONDS
    while time.monotonic() < deadline:
        for process in processes:
            if process.exitcode is not None:
                return process.exitcode
        time.sleep(0.01)
    return None


def _how(code: int | None) -> str:
    """`` (SIGSEGV)`` or `` (exit status 7)``."""
    if code is None:
        return ""
    return f" ({signal.Signals(-code).name})" if code < 0 else f" (exit status {code})"
