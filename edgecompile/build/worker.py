"""One step, carried out in a worker process, away from the terminal.

Libraries print on stdout, some crash: a worker's own output goes to a file, and its death is one
failed step, not the end of the build.
"""

from __future__ import annotations

import faulthandler
import multiprocessing
import os
import resource
import signal
import sys
import threading
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgecompile.build.cache import Cache, Record
from edgecompile.build.disk import disk_error
from edgecompile.build.step import resolve_function
from edgecompile.errors import ContractError, EdgecompileError


@dataclass(frozen=True)
class Job:
    """What a worker needs to carry out one step."""

    name: str
    key: str
    function: str
    inputs: Mapping[str, Path]
    parameters: Mapping[str, Any]
    cache_root: Path
    use_cache: bool


@dataclass(frozen=True)
class Outcome:
    """A finished step: its record and what it cost just now. `cpu_seconds` None: from the cache."""

    record: Record
    cpu_seconds: float | None
    wall_seconds: float
    peak_bytes: int


def start_worker(log: str) -> None:
    """Send everything that libraries print to `log`, and leave Ctrl-C to the parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(file, 1)
    os.dup2(file, 2)
    sys.stdout = os.fdopen(os.dup(1), "w", buffering=1)
    sys.stderr = os.fdopen(os.dup(2), "w", buffering=1)
    faulthandler.enable(sys.stderr)  # a crash in native code leaves the Python line in the log
    _die_with_parent()


def _die_with_parent() -> None:
    """A killed build must not leave a worker behind, which would wait for jobs for ever."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def carry_out(job: Job) -> Outcome:
    """Run the step unless another build has finished it meanwhile; commit it to the cache.

    Raises:
        EdgecompileError: whatever the step has to say; anything else is a bug of ours and becomes
            a ContractError whose message holds the traceback.
    """
    cache = Cache(job.cache_root)
    started, cpu = time.monotonic(), _cpu_seconds()
    try:
        with cache.locked(job.key):
            if job.use_cache:
                record = cache.lookup(job.key)
                if record is not None and cache.is_intact(record):
                    return Outcome(record, None, time.monotonic() - started, _peak_bytes())
            with cache.writing(job.key) as folder:
                result = resolve_function(job.function)(job.inputs, job.parameters, folder)
                record = cache.commit(job.key, folder, result)
    except EdgecompileError:
        raise
    except OSError as error:
        full = disk_error(error, cache.root, _CACHE_REMEDY)
        raise full or _bug(job, error) from error
    except (Exception, SystemExit) as error:
        raise _bug(job, error) from error
    return Outcome(record, _cpu_seconds() - cpu, time.monotonic() - started, _peak_bytes())


_CACHE_REMEDY = "free space, or set EDGECOMPILE_CACHE to a folder that can be written"


def _bug(job: Job, error: BaseException) -> ContractError:
    print(traceback.format_exc(), file=sys.stderr, flush=True)
    last = traceback.extract_tb(error.__traceback__)[-1]
    return ContractError(
        f"the step {job.name} failed: {type(error).__name__}: {error} "
        f"({Path(last.filename).name}:{last.lineno})",
        remedy="this is a bug of edgecompile; run again with -v for the whole traceback",
    )


def _cpu_seconds() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _peak_bytes() -> int:
    """Largest resident set of this process or of a finished child, in bytes (Linux: ru_maxrss in
    KiB, getrusage(2))."""
    kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    scale = 1 if sys.platform == "darwin" else 1024
    return max(resource.getrusage(kind).ru_maxrss for kind in kinds) * scale
