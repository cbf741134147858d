"""One step, carried out where nothing of the build but its job is known."""

from __future__ import annotations

import os
import resource
import sys
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgecompile.build.cache import Cache, DamagedCache, Record
from edgecompile.build.disk import disk_error
from edgecompile.build.step import External, resolve_function
from edgecompile.errors import ContractError, EdgecompileError
from edgecompile.recipe.user_code import forget_user_code


@dataclass(frozen=True)
class Stored:
    """A file, or a folder, of a finished step; without `file`, all that the step made."""

    key: str
    file: str | None = None


@dataclass(frozen=True)
class Job:
    """What a worker needs to carry out one step."""

    name: str
    key: str
    function: str
    inputs: Mapping[str, External | Stored]
    parameters: Mapping[str, Any]
    cache: Cache
    use_cache: bool
    sources: tuple[str, ...] = ()
    """Names of the user's modules in `parameters["recipe_folder"]`."""
    packages: Mapping[str, str] = field(default_factory=dict)
    """Versions of the packages that the plan's steps depend on."""


@dataclass(frozen=True)
class Outcome:
    """A finished step: its record and what it cost just now. `cpu_seconds` None: from the cache."""

    record: Record
    cpu_seconds: float | None
    peak_bytes: int


def carry_out(job: Job) -> Outcome:
    """Run the step unless another build has finished it meanwhile; commit it to the cache.

    Raises:
        DamagedCache: an input has not the bytes that were recorded.
        EdgecompileError: whatever the step has to say; anything else is a bug of ours and becomes
            a ContractError whose message holds the traceback.
    """
    cache = job.cache
    cpu = _cpu_seconds()
    try:
        with cache.locked(job.key):
            if job.use_cache:
                record = cache.lookup(job.key)
                if record is not None and _is_here(record, cache):
                    return Outcome(record, None, _peak_bytes())
            inputs = {name: _path_of(source, cache) for name, source in job.inputs.items()}
            forget_user_code()
            with cache.writing(job.key) as folder:
                result = resolve_function(job.function)(inputs, job.parameters, folder)
                record = cache.commit(job.key, folder, result)
    except (EdgecompileError, DamagedCache):
        raise
    except OSError as error:
        full = disk_error(error, cache.root, _CACHE_REMEDY)
        raise full or _bug(job, error) from error
    except (Exception, SystemExit) as error:
        raise _bug(job, error) from error
    return Outcome(record, _cpu_seconds() - cpu, _peak_bytes())


def _path_of(source: External | Stored, cache: Cache) -> Path:
    """Where an input lies, every byte of it checked."""
    if isinstance(source, External):
        return source.path
    record = cache.lookup(source.key)
    if record is None or not _is_here(record, cache):
        raise DamagedCache(source.key)
    folder = cache.files(source.key)
    return folder if source.file is None else folder / source.file


def _is_here(record: Record, cache: Cache) -> bool:
    cache.bring(record)
    return cache.is_intact(record)


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
