"""Carry out a plan: take from the cache what is there, run the rest, stop what a failure stops."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from edgecompile.build.cache import Cache, DamagedCache, Record
from edgecompile.build.plan import Plan
from edgecompile.build.step import External, Step
from edgecompile.build.worker import Job, Stored
from edgecompile.build.workers import LocalWorkers, Pointless, Workers
from edgecompile.errors import EdgecompileError, ToolchainFailed

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


@dataclass(frozen=True)
class Execution:
    """How the steps of a plan are carried out."""

    workers: Workers
    use_cache: bool = True
    rank: int = 0
    """Of several builds at once, the steps of the one with the least rank come first."""
    in_work: dict[str, asyncio.Lock] = field(default_factory=dict)
    """By key: of two builds at once that need the same step, one does it."""
    finished: set[str] = field(default_factory=set)
    """Keys of the steps that were carried out in this run: also without the cache, they are not
    again, while others may be reading what they made."""


def execute(
    plan: Plan, cache: Cache, judge: Judge, listener: Listener, *, logs: Path | None = None
) -> dict[str, StepOutcome]:
    """Carry out `plan` with a worker of its own, which prints to a file in `logs`.

    As `carry_out_plan`, for who has nothing else to do meanwhile.
    """

    async def alone(folder: Path) -> dict[str, StepOutcome]:
        async with LocalWorkers(folder) as workers:
            return await carry_out_plan(plan, cache, judge, listener, Execution(workers))

    if logs is not None:
        return asyncio.run(alone(logs))
    with tempfile.TemporaryDirectory(prefix="edgecompile-") as folder:
        return asyncio.run(alone(Path(folder)))


async def carry_out_plan(
    plan: Plan, cache: Cache, judge: Judge, listener: Listener, how: Execution
) -> dict[str, StepOutcome]:
    """Carry out every step of `plan` that no failure makes pointless.

    Steps that do not need each other may run at once. A failed step ends the steps that need it,
    and shared steps that only ended targets would use; the other targets go on.
    """
    run = _PlanRun(plan, cache, judge, listener, how)
    await asyncio.gather(*(run.reach(step, index) for index, step in enumerate(plan.steps)))
    return {step.name: run.outcomes[step.name] for step in plan.steps}


class _PlanRun:
    """One pass over a plan. `outcomes` grows by one entry a step."""

    def __init__(
        self, plan: Plan, cache: Cache, judge: Judge, listener: Listener, how: Execution
    ) -> None:
        self.plan, self.cache, self.judge, self.listener = plan, cache, judge, listener
        self.how = how
        self.outcomes: dict[str, StepOutcome] = {}
        self.ends = {step.name: asyncio.Event() for step in plan.steps}
        self.users = _targets_that_use(plan)
        self.ended: set[str] = set()
        """Targets that will not be built any more."""
        self.mending: dict[str, asyncio.Future[None]] = {}

    async def reach(self, step: Step, index: int) -> None:
        """Finish one step, when all that it waits for has ended."""
        for name in (*step.needs, *step.after):
            await self.ends[name].wait()
        if self._is_pointless(step):
            self._end(StepOutcome(step, "skipped"))
            return
        try:
            outcome = await self._finish(step, index)
        except Pointless:
            outcome = StepOutcome(step, "skipped")
        except EdgecompileError as error:
            outcome = StepOutcome(step, "failed", error=error)
        if outcome.record is not None:
            records = {**self._records(), step.name: outcome.record}
            verdict = self.judge(step, outcome.record, records)
            if verdict is not None:
                outcome = replace(outcome, status="failed", error=verdict)
        self._end(outcome)

    def _end(self, outcome: StepOutcome) -> None:
        self.outcomes[outcome.step.name] = outcome
        if outcome.status == "failed":
            self.ended |= self.users[outcome.step.name]
        self.listener(outcome.step, outcome)
        self.ends[outcome.step.name].set()

    def _is_pointless(self, step: Step) -> bool:
        for name in (*step.needs, *step.after):
            if self.outcomes[name].status in {"failed", "skipped"}:
                return True
        users = self.users[step.name]
        return bool(users) and users <= self.ended

    async def _finish(self, step: Step, index: int) -> StepOutcome:
        """From the cache, else by a worker; what it finds damaged is made again first."""
        for _ in range(1 + len(step.needs)):
            key = step.key(_input_digests(step, self._records()))
            try:
                async with self.how.in_work.setdefault(key, asyncio.Lock()):
                    known = self.how.use_cache or key in self.how.finished
                    record = self.cache.lookup(key) if known else None
                    if record is not None:
                        return StepOutcome(step, "cached", record)
                    return await self._work(step, index, key)
            except DamagedCache as damage:
                await self._mend(damage.key)
        raise ToolchainFailed(
            f"the cache loses what the step {step.name} needs as soon as it is made",
            remedy="set EDGECOMPILE_CACHE to a folder on a disk that keeps what is written",
        )

    async def _work(self, step: Step, index: int, key: str) -> StepOutcome:
        def still_wanted() -> bool:
            if self._is_pointless(step):
                return False
            self.listener(step, None)
            return True

        job = self._job(step, key)
        priority = (self.how.rank, index)
        result = await self.how.workers.run(job, priority, still_wanted)
        self.how.finished.add(key)
        return StepOutcome(
            step,
            "cached" if result.cpu_seconds is None else "built",
            result.record,
            cpu_seconds=result.cpu_seconds,
            peak_bytes=result.peak_bytes,
        )

    async def _mend(self, key: str) -> None:
        """Rebuild the step of `key`, whose cached bytes are damaged; they are read only now."""
        if key not in self.mending:
            self.mending[key] = asyncio.ensure_future(self._make_again(key))
        await self.mending[key]

    async def _make_again(self, key: str) -> None:
        self.cache.forget(key)
        for index, step in enumerate(self.plan.steps):
            outcome = self.outcomes.get(step.name)
            if outcome is not None and outcome.record is not None and outcome.record.key == key:
                self.outcomes[step.name] = await self._finish(step, index)

    def _job(self, step: Step, key: str) -> Job:
        inputs: dict[str, External | Stored] = {}
        for name, source in step.inputs.items():
            if isinstance(source, External):
                inputs[name] = source
                continue
            record = self.outcomes[source.step].record
            assert record is not None
            inputs[name] = Stored(record.key, source.file)
        return Job(
            step.name,
            key,
            step.function,
            inputs,
            {**step.parameters, **step.context},
            self.cache,
            self.how.use_cache,
            tuple(self.plan.user_code.sources),
            self.plan.packages,
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
