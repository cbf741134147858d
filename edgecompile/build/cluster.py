"""Steps carried out by the workers of a Dask cluster, on other machines.

Nothing but what is in the shared cache need be common to the machines: finished steps, the recipe's
files by their digest, and the recipe's own modules.
"""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from types import TracebackType
from typing import Any

from edgecompile.build.code import package_digest
from edgecompile.build.shared_cache import SharedCache
from edgecompile.build.step import External
from edgecompile.build.store import Store, move_into_place
from edgecompile.build.worker import Job, Outcome, carry_out
from edgecompile.build.workers import Pointless
from edgecompile.cache_root import default_cache_root
from edgecompile.digest import digest_file, digest_json, digest_path
from edgecompile.errors import ToolchainFailed, ToolchainMissing

_FOLDER = "recipe_folder"
_CONNECT_SECONDS = 10


@dataclass(frozen=True)
class FarJob:
    """A job for another machine: its files are known by their digests, in `store`."""

    job: Job
    store: Store
    files: Mapping[str, tuple[str, str]]
    """By input from outside the build: the digest and the name."""
    modules: str | None
    """The digest of the recipe's own modules."""
    code: str
    """The digest of edgecompile's code."""


class ClusterWorkers:
    """The workers of the Dask scheduler at `address`; what they make goes through `store`.

    An asynchronous context manager. A step whose worker dies is carried out by another, as Dask
    does; one that kills each worker fails.

    Raises:
        ToolchainMissing: on entering, if Dask is not installed here.
        ToolchainFailed: on entering, if there is no scheduler.
    """

    def __init__(self, address: str, store: Store) -> None:
        self._address = address
        self._store = store
        self._client: Any = None
        self._given: set[str] = set()

    async def __aenter__(self) -> ClusterWorkers:
        try:
            from distributed import Client
        except ImportError as error:
            raise ToolchainMissing(
                "Dask is not installed, which --scheduler needs",
                remedy="pip install 'edgecompile[cluster]'",
            ) from error
        try:
            self._client = await Client(
                self._address, asynchronous=True, timeout=_CONNECT_SECONDS, set_as_default=False
            )
        except (OSError, ValueError) as error:
            raise ToolchainFailed(
                f"there is no Dask scheduler at {self._address}: {error}",
                remedy="`dask scheduler` prints the address of the one that it starts",
            ) from error
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._client.close()

    async def size(self) -> int:
        """Steps that the cluster carries out at once."""
        threads: dict[str, int] = await self._client.nthreads()
        return max(1, sum(threads.values()))

    async def run(
        self, job: Job, priority: tuple[int, ...], still: Callable[[], bool] = lambda: True
    ) -> Outcome:
        """As `Workers.run`. Whether it is still wanted is asked when it is handed to Dask."""
        from distributed import KilledWorker

        if not still():
            raise Pointless
        rank, index = priority
        future = self._client.submit(
            carry_out_far,
            self._packed(job),
            key=f"{job.name} {job.key}",
            priority=-(rank * 1000 + index),
            pure=False,
        )
        try:
            outcome: Outcome = await future
        except KilledWorker as error:
            raise ToolchainFailed(
                f"each of the cluster's workers that ran the step {job.name} died",
                remedy="their logs say why; if memory ran out, give each more",
            ) from error
        return outcome

    def _packed(self, job: Job) -> FarJob:
        files = {}
        for name, source in job.inputs.items():
            if isinstance(source, External):
                self._give(source.sha256, _files_of(source.path))
                files[name] = (source.sha256, source.path.name)
        modules = None
        if _FOLDER in job.parameters:
            own = _modules(Path(job.parameters[_FOLDER]), job.sources)
            modules = _digest_of(own)
            self._give(modules, own)
        return FarJob(job, self._store, files, modules, package_digest())

    def _give(self, digest: str, files: dict[str, Path]) -> None:
        """Put files into the store, unless they are there."""
        if digest not in self._given and not self._store.has(_blob(digest)):
            self._store.pack(_blob(digest), files)
        self._given.add(digest)


_one_at_a_time = threading.Lock()


def carry_out_far(far: FarJob) -> Outcome:
    """Carry out a job in a worker of a cluster, one at a time in each of its processes.

    Raises:
        ToolchainMissing: this machine has another edgecompile, or another version of a package.
        DamagedCache, EdgecompileError: as `carry_out`.
    """
    with _one_at_a_time:
        _require_same(far)
        root = default_cache_root()
        cache = SharedCache(root, far.store)
        parameters = dict(far.job.parameters)
        if far.modules is not None:
            folder = Path(parameters[_FOLDER])
            if _digest_of(_modules(folder, far.job.sources)) != far.modules:
                folder = _taken(far.store, root, far.modules, lambda f: _digest_of(_all(f)))
            parameters[_FOLDER] = str(folder)
        inputs = dict(far.job.inputs)
        for name, (digest, file) in far.files.items():
            folder = _taken(far.store, root, digest, _digest_below(file))
            inputs[name] = External(folder / file, digest)
        return carry_out(replace(far.job, inputs=inputs, parameters=parameters, cache=cache))


def _require_same(far: FarJob) -> None:
    import platform

    wrong = []
    if package_digest() != far.code:
        wrong.append("another edgecompile")
    for package, version in far.job.packages.items():
        try:
            here = metadata.version(package)
        except metadata.PackageNotFoundError:
            here = "not at all"
        if here != version:
            wrong.append(f"{package} {here} (not {version})")
    if wrong:
        raise ToolchainMissing(
            f"the worker on {platform.node()} has {', '.join(wrong)}",
            remedy="install the same there as on the machine that starts the build",
        )


def _taken(store: Store, root: Path, digest: str, digest_of: Callable[[Path], str]) -> Path:
    """The folder into which the files of `digest` were unpacked, checked byte by byte.

    Raises:
        ToolchainFailed: the store does not hold them.
    """
    final = root / "inputs" / digest
    if final.is_dir() and digest_of(final) == digest:
        return final
    shutil.rmtree(final, ignore_errors=True)
    area = root / "unfinished"
    area.mkdir(parents=True, exist_ok=True)
    staged = Path(tempfile.mkdtemp(prefix=f"{digest}.", dir=area))
    try:
        if not store.unpack(_blob(digest), staged) or digest_of(staged) != digest:
            raise ToolchainFailed(
                f"the shared cache at {store.url} has lost a file of the recipe",
                remedy="build again: it is put there anew",
            )
        move_into_place(staged, final)
    finally:
        shutil.rmtree(staged, ignore_errors=True)
    return final


def _digest_below(name: str) -> Callable[[Path], str]:
    return lambda folder: digest_path(folder / name)


def _blob(digest: str) -> str:
    return f"inputs/{digest}.zip"


def _files_of(path: Path) -> dict[str, Path]:
    """A file, or all files of a folder, below its own name."""
    if not path.is_dir():
        return {path.name: path}
    return {f"{path.name}/{name}": file for name, file in _all(path).items()}


def _all(folder: Path) -> dict[str, Path]:
    return {
        file.relative_to(folder).as_posix(): file
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


def _modules(folder: Path, sources: tuple[str, ...]) -> dict[str, Path]:
    """The recipe's modules that lie in its folder; others are of installed packages."""
    return {name: folder / name for name in sources if (folder / name).is_file()}


def _digest_of(files: Mapping[str, Path]) -> str:
    return digest_json({name: digest_file(file) for name, file in files.items()})
