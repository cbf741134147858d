"""What a build has to say, as values: one row per measured stage, one entry per target."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from edgecompile.artifact_check import OperatorFate
from edgecompile.build.execute import Status, StepOutcome
from edgecompile.build.plan import Measurement, Plan
from edgecompile.errors import ContractError, EdgecompileError
from edgecompile.estimate import Estimate
from edgecompile.evaluate.budget import Verdict, judge
from edgecompile.evaluate.evidence import Evidence
from edgecompile.evaluate.metrics import Metric
from edgecompile.findings import Finding
from edgecompile.measured import Measured
from edgecompile.recipe.schema import Recipe
from edgecompile.recipe.target import Target


@dataclass(frozen=True)
class StageResult:
    """One measured stage. Deltas are points of the metric, negative when something was lost."""

    stage: str
    step: str
    measure: str
    target: str | None
    status: Status
    evidence: str
    previous: str | None = None
    """The `measure` of the step before."""
    metric: float | None = None
    delta_previous: float | None = None
    delta_baseline: float | None = None
    samples: int | None = None
    all_samples: int | None = None
    """Larger than `samples` where an emulator ran only some: `metric` is then what they tell of
    all, and `metric_of_samples` their own."""
    metric_of_samples: float | None = None
    agreement: dict[str, Any] = field(default_factory=dict)
    size_bytes: int | None = None
    cost: dict[str, int] | None = None
    """MACs, parameters and those that are not 0, in a build that prunes."""
    verdicts: tuple[Verdict, ...] = ()
    cpu_seconds: float | None = None

    def as_json(self, *, costs: bool) -> dict[str, Any]:
        """Plain data; see `BuildResult.as_json`."""
        body = asdict(self)
        body["verdicts"] = list(body["verdicts"])
        if not costs:
            del body["cpu_seconds"], body["status"]
        return body


@dataclass(frozen=True)
class TargetResult:
    """What one device gets, or why it gets nothing."""

    target: str
    title: str
    precision: str
    status: str
    exit_code: int
    artifact: str | None = None
    """Relative to the output folder."""
    size_bytes: int | None = None
    findings: tuple[Finding, ...] = ()
    estimates: tuple[Estimate, ...] = ()
    operators: dict[str, int] = field(default_factory=dict)
    """How many of each operator the artifact holds, read back from its bytes."""
    placement: tuple[OperatorFate, ...] = ()
    """Where each is expected to run; empty where the toolchain tells nothing about a file."""
    measured: tuple[Measured, ...] = ()
    error: str | None = None


_ACCOUNT = ("trials", "put_back", "sensitivity", "spiking")
"""What a step of compression may tell beside its hub."""

_COMPRESSING = {"quantize", "spike"}


@dataclass(frozen=True)
class StepResult:
    """How one step of the plan ended; `cpu_seconds` None: nothing was computed."""

    step: str
    status: Status
    cpu_seconds: float | None


@dataclass(frozen=True)
class BuildResult:
    """One recipe's build."""

    model: str
    metric: Metric
    stages: tuple[StageResult, ...]
    targets: tuple[TargetResult, ...]
    exit_code: int
    peak_bytes: int | None = None
    steps: tuple[StepResult, ...] = ()
    compression: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By step: what was tried beyond plain quantization, what stayed in float, what costs most."""
    page_seconds: float | None = None
    """CPU seconds of drawing the pages."""

    def as_json(self, *, costs: bool) -> dict[str, Any]:
        """Plain data. Without `costs`, only what the same inputs give again on any day."""
        body = {
            "schema": "edgecompile.build/1",
            "model": self.model,
            "metric": asdict(self.metric),
            "stages": [stage.as_json(costs=costs) for stage in self.stages],
            "compression": self.compression,
            "targets": [asdict(target) for target in self.targets],
            "exit_code": self.exit_code,
        }
        if costs:
            body["peak_bytes"] = self.peak_bytes
            body["page_seconds"] = self.page_seconds
            body["steps"] = [asdict(step) for step in self.steps]
        return body


def compression_of(outcomes: Mapping[str, StepOutcome]) -> dict[str, dict[str, Any]]:
    """The accounts of the steps of compression that have something to tell."""
    accounts = {}
    for name, outcome in outcomes.items():
        if outcome.record is not None and outcome.step.stage in _COMPRESSING:
            account = {key: outcome.record.result.get(key) for key in _ACCOUNT}
            if any(account.values()):
                accounts[name] = account
    return accounts


def verdicts_of(
    recipe: Recipe,
    metric: Metric,
    measurement: Measurement,
    results: Mapping[str, Mapping[str, Any]],
) -> list[Verdict]:
    """Hold a measurement against the recipe's budgets; `results` are those of finished steps."""
    if not measurement.judged:
        return []
    own = results[measurement.measure]
    before = measurement.judged_from or measurement.previous
    return judge(
        measurement.stage,
        metric,
        _metric_of_all(measurement, results),
        results[before]["metric"] if before else None,
        results["measure[pytorch]"]["metric"],
        _decibel(own, measurement.judged_from is None),
        recipe.budgets.model_dump(),
        recipe.agreement.model_dump(),
        rounding_db=_decibel(results[before]) if before else None,
        resolution=metric.points / own["labels"] if _ran_some(own) else 0.0,
    )


def _ran_some(own: Mapping[str, Any]) -> bool:
    """Whether not all evaluation samples were run."""
    return bool(own["samples"] < own["all_samples"])


def _decibel(own: Mapping[str, Any], with_previous: bool = True) -> float | None:
    """The agreement of a measurement with the step before, or with PyTorch; None: equal."""
    agreement = own["agreement"].get("baseline") or {}
    if with_previous:
        agreement = own["agreement"].get("previous") or agreement
    decibel: float | None = agreement.get("sqnr_db")
    return decibel


def _metric_of_all(measurement: Measurement, results: Mapping[str, Mapping[str, Any]]) -> float:
    """The metric over all evaluation samples, as far as those that were run tell it.

    What the step before has on all of them, and the difference on those that were run: nearer than
    the metric of these alone, as both rise and fall with how hard they are (the difference
    estimator: Cochran, Sampling Techniques, 1977, 7.2).
    """
    own = results[measurement.measure]
    value: float = own["metric"]
    if measurement.previous is None or not _ran_some(own):
        return value
    same: float = own["before"].get("previous", own["before"]["baseline"])
    return float(results[measurement.previous]["metric"]) + value - same


def losses_by_step(
    plan: Plan,
    metric: Metric,
    measurement: Measurement,
    results: Mapping[str, Mapping[str, Any]],
) -> list[tuple[str, float]]:
    """Points that each step up to `measurement` lost, in the order of the steps."""
    losses: list[tuple[str, float]] = []
    last: Measurement | None = measurement
    while last is not None and last.previous is not None:
        before, after = results[last.previous]["metric"], _metric_of_all(last, results)
        losses.append((last.product, round(metric.loss(before, after), 4) + 0.0))
        last = plan.measurement_of(last.previous)
    return losses[::-1]


def stage_results(
    plan: Plan, recipe: Recipe, metric: Metric, outcomes: Mapping[str, StepOutcome]
) -> tuple[StageResult, ...]:
    """One row per measurement of the plan, measured or not."""
    results = {n: o.record.result for n, o in outcomes.items() if o.record is not None}
    return tuple(
        _stage_result(plan, measurement, recipe, metric, outcomes, results)
        for measurement in plan.measurements
    )


def _stage_result(
    plan: Plan,
    measurement: Measurement,
    recipe: Recipe,
    metric: Metric,
    outcomes: Mapping[str, StepOutcome],
    results: Mapping[str, Mapping[str, Any]],
) -> StageResult:
    steps = _steps_behind(plan, measurement)
    ended = [outcomes[name] for name in steps]
    row = StageResult(
        measurement.stage,
        measurement.product,
        measurement.measure,
        measurement.target,
        _worst_status(ended),
        _evidence(measurement, steps, results),
        measurement.previous,
        cpu_seconds=_sum([o.cpu_seconds for o in ended]),
    )
    own = results.get(measurement.measure)
    if own is None:
        return row
    baseline, previous = results["measure[pytorch]"]["metric"], None
    if measurement.previous is not None:
        previous = results[measurement.previous]["metric"]
    value = _metric_of_all(measurement, results)
    return replace(
        row,
        metric=round(value, 6),
        metric_of_samples=own["metric"] if _ran_some(own) else None,
        delta_previous=None if previous is None else _gain(metric, previous, value),
        delta_baseline=None if previous is None else _gain(metric, baseline, value),
        samples=own["samples"],
        all_samples=own["all_samples"],
        agreement=own["agreement"],
        size_bytes=_size(measurement, outcomes),
        cost=_cost(plan, measurement, results),
        verdicts=tuple(verdicts_of(recipe, metric, measurement, results)),
    )


def _steps_behind(plan: Plan, measurement: Measurement) -> list[str]:
    """The product, its run and its measure: the steps that belong to this row alone."""
    by_name = {step.name: step for step in plan.steps}
    measure = by_name[measurement.measure]
    own = [name for name in measure.needs if by_name[name].stage == measure.stage]
    own = [n for n in own if by_name[n].target == measurement.target]
    return list(dict.fromkeys([measurement.product, *own, measurement.measure]))


def _worst_status(outcomes: list[StepOutcome]) -> Status:
    ranking: tuple[Status, ...] = ("failed", "skipped", "built", "cached")
    return min((outcome.status for outcome in outcomes), key=ranking.index)


def _evidence(
    measurement: Measurement, steps: list[str], results: Mapping[str, Mapping[str, Any]]
) -> str:
    if measurement.previous is None:
        return str(Evidence.PYTORCH)
    for name in steps:
        if "evidence" in results.get(name, {}):
            return str(results[name]["evidence"])
    return str(Evidence.GRAPH) if measurement.target is None else "not measured"


def _size(measurement: Measurement, outcomes: Mapping[str, StepOutcome]) -> int | None:
    record = outcomes[measurement.product].record
    if record is None:
        return None
    size = record.result.get("size_bytes") or record.result.get("parameter_bytes")
    if size is None:
        models = [f.size for name, f in record.files.items() if name.endswith(".onnx")]
        size = models[0] if models else None
    return size


def _cost(
    plan: Plan, measurement: Measurement, results: Mapping[str, Mapping[str, Any]]
) -> dict[str, int] | None:
    """As pruning counted: its own network, and the one before all pruning for the baseline."""
    if measurement.stage == "prune":
        counted: dict[str, int] | None = results[measurement.product]["cost"]
        return counted
    pruned = next((m.product for m in plan.measurements if m.stage == "prune"), None)
    if measurement.stage != "pytorch" or pruned is None or pruned not in results:
        return None
    before: dict[str, int] = results[pruned]["cost_before"]
    return before


def _gain(metric: Metric, before: float, after: float) -> float:
    return round(-metric.loss(before, after), 4) + 0.0  # + 0.0: no minus zero in a report


def _sum(values: list[float | None]) -> float | None:
    there = [value for value in values if value is not None]
    return round(sum(there), 3) if there else None


def failure_of(
    target: Target, plan: Plan, outcomes: Mapping[str, StepOutcome]
) -> EdgecompileError | None:
    """Why `target` was not built: the first failed step that it depends on."""
    if target.name in plan.refused:
        return plan.refused[target.name]
    needed = steps_for(plan, target.name)
    for step in plan.steps:
        outcome = outcomes[step.name]
        if step.name in needed and outcome.status == "failed":
            return outcome.error or ContractError(f"the step {step.name} failed without a reason")
    return None


def steps_for(plan: Plan, target: str) -> set[str]:
    """Names of the steps that `target` depends on."""
    by_name = {step.name: step for step in plan.steps}
    needed: set[str] = set()
    waiting = [step.name for step in plan.steps if step.target == target]
    while waiting:
        name = waiting.pop()
        if name not in needed:
            needed.add(name)
            waiting += [*by_name[name].needs, *by_name[name].after]
    return needed
