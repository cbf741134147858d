"""Carry out a plan: take from the cache what is there, run the rest, stop what a failure stops."""

from __future__ import annotations

import signal
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import TracebackType
from typing import Literal

from edgecompile.build.cache import Cache, Record
from edgecompile.build.plan import Plan
from edgecompile.build.step import External, Step
from edgecompile.build.worker import Job, Outcome, carry_out, start_worker
from edgecompile.errors import EdgecompileError, ToolchainFailed
from edgecompile.recipe.blame import crash_place

Status = Literal["built", "cached", "failed", "skipped"]


@dataclass(frozen=True)
class StepOutcome:
    """How one step of the plan ended. `error` is there when it failed."""

    step: Step
    status: Status
    record: Record | None = None
    error: EdgecompileError | None = None
    cpu_seconds: float | None = None
    peak_bytes: int | None = None


Judge = Callable[[Step, Record, Mapping[str, Record]], EdgecompileError | None]
"""Called with each finished step: an error makes it count as failed (a broken budget)."""

Listener = Callable[[Step, StepOutcome | None], None]
"""Called when a step starts (None) and when it ended."""


class WorkerPool(AbstractContextManager["WorkerPool"]):
    """One worker process that is started at the first job and replaced when it dies."""

    def __init__(self, log: Path) -> None:
        self.log = log
        self._pool: ProcessPoolExecutor | None = None

    def run(self, job: Job) -> Outcome:
        """Carry out one job.

        Raises:
            ToolchainFailed: the worker died.
        """
        if self._pool is None:
            self._pool = ProcessPoolExecutor(
                1, get_context("spawn"), initializer=start_worker, initargs=(str(self.log),)
            )
        said_before = len(self._said())
        waiting = self._pool.submit(carry_out, job)
        processes = list((self._pool._processes or {}).values())
        try:
            return waiting.result()
        except BrokenProcessPool as error:
            self._pool = None
            said = self._said()[said_before:]
            words, _, dump = said.partition(_CRASH)
            last = words.strip().splitlines()[-1:] or ["nothing"]
            raise ToolchainFailed(
                f"the process that ran the step {job.name} died{_how(processes)}; "
                f"it said: {last[0]}",
                location=crash_place(dump, Path(job.parameters.get("recipe_folder", "."))),
                remedy="if memory ran out, close other programs; run again with -v to see its log",
            ) from error

    def _said(self) -> str:
        """All that the workers printed."""
        try:
            return self.log.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._pool is None:
            return
        if kind is not None:  # Ctrl-C: do not wait for a step that may take minutes
            for process in list((self._pool._processes or {}).values()):
                process.terminate()
        self._pool.shutdown(wait=True, cancel_futures=True)


_STATUS_SECONDS = 5.0
"""How long to wait for the status of a process that is known to be dead."""

_CRASH = "Fatal Python error: "
"""With these words begins what faulthandler writes."""


def _how(processes: Sequence[BaseProcess]) -> str:
    """`` (SIGSEGV)`` or `` (exit status 7)`` of the process that died first.

    Asked again until it is known: the pool's own thread waits for the same process, and while it
    collects the status, `join` returns here without one.
    """
    deadline = time.monotonic() + _STATUS_SECONDS
    while time.monotonic() < deadline:
        for process in processes:
            code = process.exitcode
            if code is not None:
                return f" ({signal.Signals(-code).name})" if code < 0 else f" (exit status {code})"
        time.sleep(0.01)
    return ""


def execute(
    plan: Plan,
    cache: Cache,
    judge: Judge,
    listener: Listener,
    *,
    use_cache: bool = True,
    log: Path | None = None,
) -> dict[str, StepOutcome]:
    """Carry out every step of `plan` that no failure makes pointless.

    A failed step ends the steps that need it, and shared steps that only ended targets would use;
    the other targets go on.
    """
    with ExitStack() as stack:
        if log is None:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="edgecompile-"))
            log = Path(folder) / "worker.log"
        pool = stack.enter_context(WorkerPool(log))
        run = _Execution(plan, cache, judge, listener, pool, use_cache)
        for step in plan.steps:
            run.reach(step)
        return run.outcomes


class _Execution:
    """One pass over a plan. `outcomes` grows by one entry a step."""

    def __init__(
        self,
        plan: Plan,
        cache: Cache,
        judge: Judge,
        listener: Listener,
        pool: WorkerPool,
        use_cache: bool,
    ) -> None:
        self.cache, self.judge, self.listener = cache, judge, listener
        self.pool, self.use_cache = pool, use_cache
        self.outcomes: dict[str, StepOutcome] = {}
        self.intact: set[str] = set()
        """Steps whose files were read through in this build, or made in it."""
        self.by_name = {step.name: step for step in plan.steps}
        self.users = _targets_that_use(plan)
        self.ended: set[str] = set()
        """Targets that will not be built any more."""

    def reach(self, step: Step) -> None:
        """Finish one step; all that it needs were reached before."""
        if self._is_pointless(step):
            self._end(StepOutcome(step, "skipped"))
            return
        self.listener(step, None)
        try:
            outcome = self._finish(step)
        except EdgecompileError as error:
            outcome = StepOutcome(step, "failed", error=error)
        if outcome.record is not None:
            verdict = self.judge(step, outcome.record, self._records())
            if verdict is not None:
                outcome = replace(outcome, status="failed", error=verdict)
        self._end(outcome)

    def _end(self, outcome: StepOutcome) -> None:
        self.outcomes[outcome.step.name] = outcome
        if outcome.status == "failed":
            self.ended |= self.users[outcome.step.name]
        self.listener(outcome.step, outcome)

    def _is_pointless(self, step: Step) -> bool:
        for name in (*step.needs, *step.after):
            if self.outcomes[name].status in {"failed", "skipped"}:
                return True
        users = self.users[step.name]
        return bool(users) and users <= self.ended

    def _finish(self, step: Step) -> StepOutcome:
        key = step.key(_input_digests(step, self._records()))
        record = self.cache.lookup(key) if self.use_cache else None
        if record is not None:
            return StepOutcome(step, "cached", record)
        for name in step.needs:
            self._mend(name)
        key = step.key(_input_digests(step, self._records()))  # what was mended may differ
        result = self.pool.run(self._job(step, key))
        self.intact.add(step.name)
        return StepOutcome(
            step,
            "cached" if result.cpu_seconds is None else "built",
            result.record,
            cpu_seconds=result.cpu_seconds,
            peak_bytes=result.peak_bytes,
        )

    def _mend(self, name: str) -> None:
        """Rebuild a needed step whose cached bytes are damaged; they are read only now."""
        outcome = self.outcomes[name]
        if outcome.record is None or name in self.intact:
            return
        if self.cache.is_intact(outcome.record):
            self.intact.add(name)
            return
        self.cache.forget(outcome.record.key)
        self.outcomes[name] = self._finish(outcome.step)

    def _job(self, step: Step, key: str) -> Job:
        inputs: dict[str, Path] = {}
        for name, source in step.inputs.items():
            if isinstance(source, External):
                inputs[name] = source.path
                continue
            record = self.outcomes[source.step].record
            assert record is not None
            folder = self.cache.files(record.key)
            inputs[name] = folder if source.file is None else folder / source.file
        parameters = {**step.parameters, **step.context}
        return Job(
            step.name, key, step.function, inputs, parameters, self.cache.root, self.use_cache
        )

    def _records(self) -> dict[str, Record]:
        return {
            name: outcome.record
            for name, outcome in self.outcomes.items()
            if outcome.record is not None
        }


def _targets_that_use(plan: Plan) -> dict[str, set[str]]:
    """For each step, the targets that need it directly or through other steps."""
    users: dict[str, set[str]] = {
        step.name: {step.target} if step.target else set() for step in plan.steps
    }
    for step in reversed(plan.steps):
        for name in (*step.needs, *step.after):
            users[name] |= users[step.name]
    return users


def preview(plan: Plan, cache: Cache) -> list[tuple[Step, Literal["cached", "to build"]]]:
    """What a build would do: runs nothing. A step behind one that is to be built counts as to be
    built, though its input may turn out equal."""
    found: dict[str, Record] = {}
    rows: list[tuple[Step, Literal["cached", "to build"]]] = []
    for step in plan.steps:
        record = None
        if all(name in found for name in step.needs):
            record = cache.lookup(step.key(_input_digests(step, found)))
        if record is not None:
            found[step.name] = record
        rows.append((step, "to build" if record is None else "cached"))
    return rows


def _input_digests(step: Step, records: Mapping[str, Record]) -> dict[str, str]:
    digests = {}
    for name, source in step.inputs.items():
        if isinstance(source, External):
            digests[name] = source.sha256
        else:
            digests[name] = records[source.step].digest_of(source.file)
    return digests
