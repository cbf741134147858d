"""Who carries out steps: processes of this machine, or whatever else fulfils `Workers`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from types import TracebackType
from typing import Protocol

from edgecompile.build.process import WorkerKilled, WorkerProcess
from edgecompile.build.room import Room
from edgecompile.build.worker import Job, Outcome
from edgecompile.parallel import cores


class Pointless(Exception):
    """While a step waited for its turn, another failed that makes it pointless."""


class Workers(Protocol):
    """Carries out jobs, several at once; the order among those that wait is by priority."""

    async def size(self) -> int:
        """How many at once."""

    async def run(
        self, job: Job, priority: tuple[int, ...], still: Callable[[], bool] = lambda: True
    ) -> Outcome:
        """Carry out one job, once there is room and if it is `still` wanted then.

        Raises:
            Pointless: it is not wanted any more.
            DamagedCache: an input is not what was recorded.
            EdgecompileError: what the step has to say.
            ToolchainFailed: the worker died.
        """


class LocalWorkers:
    """Up to `jobs` processes on this machine, as far as the memory that is free goes.

    An asynchronous context manager: the processes end with it. Each prints to a file of its own in
    `logs`.
    """

    def __init__(self, logs: Path, jobs: int = 1) -> None:
        self._logs = logs
        self._room = Room(jobs)
        self._threads = max(1, cores() // jobs)
        self._idle: list[WorkerProcess] = []
        self._all: list[WorkerProcess] = []

    async def size(self) -> int:
        """As `Workers.size`."""
        return self._room.jobs

    async def run(
        self, job: Job, priority: tuple[int, ...], still: Callable[[], bool] = lambda: True
    ) -> Outcome:
        """As `Workers.run`. A process that was killed beside others is tried once more, alone."""
        async with self._room.place(job.function, priority) as place:
            if not still():
                raise Pointless
            try:
                return await self._carry_out(job)
            except WorkerKilled:
                if not place.crowded:
                    raise
        async with self._room.place(job.function, priority, alone=True):
            return await self._carry_out(job)

    async def _carry_out(self, job: Job) -> Outcome:
        process = self._idle.pop() if self._idle else self._new()
        waiting = process.submit(job)
        try:
            outcome = await asyncio.wrap_future(waiting)
        except BrokenProcessPool as error:
            raise process.death(job) from error
        finally:
            self._idle.append(process)
        self._room.saw(job.function, outcome.peak_bytes)
        return outcome

    def _new(self) -> WorkerProcess:
        process = WorkerProcess(self._logs / f"worker-{len(self._all) + 1}.log", self._threads)
        self._all.append(process)
        return process

    async def __aenter__(self) -> LocalWorkers:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for process in self._all:
            process.close(at_once=kind is not None)
