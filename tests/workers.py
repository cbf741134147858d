"""Worker processes for the builds of the tests, forked from one that has imported the libraries.

A build starts a fresh worker, which imports PyTorch and its exporter: about eight seconds, of which
the step of a tiny model takes a tenth. Here one process imports them once, and each worker is a
fork of it. The command line in a process of its own (`edgecompile_process`) starts its workers as
users do.
"""

from __future__ import annotations

import contextlib
import os
import sys
from functools import cache
from multiprocessing import get_context
from multiprocessing.context import ForkServerContext, ForkServerProcess
from multiprocessing.forkserver import ensure_running
from pathlib import Path

_PRELOAD = "tests.preload"


class _Worker(ForkServerProcess):
    """A process with the variables that its parent has now, not those of the fork server."""

    def __init__(self, *arguments: object, **named: object) -> None:
        super().__init__(*arguments, **named)
        self.environment = dict(os.environ)

    def run(self) -> None:
        assert _PRELOAD in sys.modules, "the fork server could not import it"
        os.environ.clear()
        os.environ.update(self.environment)
        super().run()


class _Context(ForkServerContext):
    Process = _Worker


@cache
def preloaded_context() -> ForkServerContext:
    """A context of `multiprocessing` whose processes have all imported already."""
    get_context("forkserver").set_forkserver_preload([_PRELOAD])
    with contextlib.chdir(Path(__file__).resolve().parents[1]):  # where it finds `tests`
        ensure_running()
    return _Context()
