"""The build of one recipe: plan, execute, judge, package."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import edgecompile
from edgecompile.artifact_check import OperatorFate
from edgecompile.backends.registry import get_backend
from edgecompile.build.cache import Cache, DamagedCache, Record
from edgecompile.build.execute import Execution, Listener, StepOutcome, carry_out_plan, execute
from edgecompile.build.package import (
    copy_artifact,
    readable_json,
    remove_whole,
    replacing,
    sole_writer,
    write_manifest,
    write_whole,
)
from edgecompile.build.plan import Measurement, Plan
from edgecompile.build.planning import make_plan
from edgecompile.build.result import (
    BuildResult,
    StageResult,
    StepResult,
    TargetResult,
    compression_of,
    failure_of,
    losses_by_step,
    stage_results,
    steps_for,
    verdicts_of,
)
from edgecompile.build.step import Step
from edgecompile.errors import (
    BudgetBroken,
    EdgecompileError,
    TargetCannotRun,
    ToolchainMissing,
)
from edgecompile.estimate import Estimate
from edgecompile.evaluate.budget import explain
from edgecompile.evaluate.metrics import Metric, metric_of
from edgecompile.findings import Finding
from edgecompile.frontend.lines import current_place
from edgecompile.measured import Measured
from edgecompile.recipe.load import LoadedRecipe
from edgecompile.recipe.schema import INTEGER_BITS
from edgecompile.recipe.target import Target, precision_for


@dataclass(frozen=True)
class Pages:
    """Files for people to read: beside `summary.json`, and beside each target's artifact."""

    of_model: Mapping[str, bytes] = field(default_factory=dict)
    of_targets: Mapping[str, Mapping[str, bytes]] = field(default_factory=dict)
    cpu_seconds: float | None = None


PageMaker = Callable[
    [LoadedRecipe, BuildResult, Mapping[str, Mapping[str, Any]], Cache, Execution], Awaitable[Pages]
]
"""Called with the result and, by target that was built, the facts of its manifest."""


@dataclass(frozen=True)
class BuildOptions:
    """Where a build writes and reads, and what it makes beside the artifacts."""

    output: Path
    cache: Cache
    pages: PageMaker | None = None
    sign: Callable[[bytes], bytes] | None = None
    """Makes `manifest.sig` of the bytes of a manifest."""


async def build(
    loaded: LoadedRecipe,
    targets: Sequence[Target],
    options: BuildOptions,
    how: Execution,
    listener: Listener,
) -> BuildResult:
    """Build `loaded` for each of `targets`.

    Writes `<output>/<model>/<target>/` for each target that succeeds, removes it for each that
    does not, and writes `<output>/<model>/summary.json`, each with what `options.pages` makes.
    Failures of steps are part of the result.

    Raises:
        EdgecompileError: the recipe cannot be planned, or the output cannot be written.
    """
    plan = make_plan(loaded, targets)
    for _ in targets:
        try:
            return await _build_once(loaded, targets, options, how, listener, plan)
        except DamagedCache as damage:  # found out while copying: make that artifact again
            options.cache.forget(damage.key)
    return await _build_once(loaded, targets, options, how, listener, plan)


async def _build_once(
    loaded: LoadedRecipe,
    targets: Sequence[Target],
    options: BuildOptions,
    how: Execution,
    listener: Listener,
    plan: Plan,
) -> BuildResult:
    metric = metric_of(_plain(loaded.recipe.metric))
    outcomes = await carry_out_plan(plan, options.cache, judge_with(loaded, plan), listener, how)
    result = _result(loaded, targets, plan, outcomes, metric)
    manifests = {
        target.name: _manifest(loaded, target, plan, outcomes, result.stages, made.findings)
        for target, made in zip(targets, result.targets, strict=True)
        if made.error is None
    }
    pages = Pages()
    if options.pages is not None:
        with _unless_failed(result):
            pages = await options.pages(loaded, result, manifests, options.cache, how)
    folder = options.output / loaded.recipe.name
    with sole_writer(folder):
        for target in targets:
            if target.name not in manifests:
                # What an earlier build left here is not what this recipe says now.
                remove_whole(folder / target.name)
                continue
            own = pages.of_targets.get(target.name, {})
            record = outcomes[f"lower[{target.name}]"].record
            assert record is not None
            _package(loaded, record, manifests[target.name], own, options, folder)
        about_all = {"summary.json": readable_json(result.as_json(costs=False)), **pages.of_model}
        for name, data in about_all.items():
            with _unless_failed(result):
                write_whole(folder / name, data)
    return replace(result, page_seconds=pages.cpu_seconds)


@contextmanager
def _unless_failed(result: BuildResult) -> Iterator[None]:
    """A failure of the block is told unless another came first, which one must hear."""
    try:
        yield
    except EdgecompileError:
        if result.exit_code == 0:
            raise


def _result(
    loaded: LoadedRecipe,
    targets: Sequence[Target],
    plan: Plan,
    outcomes: Mapping[str, StepOutcome],
    metric: Metric,
) -> BuildResult:
    results = tuple(
        _target_result(loaded, target, outcomes, failure_of(target, plan, outcomes))
        for target in targets
    )
    return BuildResult(
        loaded.recipe.name,
        metric,
        stage_results(plan, loaded.recipe, metric, outcomes),
        results,
        max((r.exit_code for r in results), default=0),
        max((o.peak_bytes for o in outcomes.values() if o.peak_bytes), default=None),
        tuple(StepResult(n, o.status, o.cpu_seconds) for n, o in outcomes.items()),
        compression_of(outcomes),
    )


def _package(
    loaded: LoadedRecipe,
    record: Record,
    manifest: Mapping[str, Any],
    pages: Mapping[str, bytes],
    options: BuildOptions,
    folder: Path,
) -> None:
    """Put one target's artifact under its final name, beside what tells about it."""
    with replacing(folder / manifest["target"]["name"]) as staged:
        copy_artifact(options.cache, record, staged)
        (staged / "recipe.json").write_bytes(readable_json(loaded.recipe.model_dump(mode="json")))
        for name, data in pages.items():
            (staged / name).write_bytes(data)
        data = write_manifest(staged, manifest)
        if options.sign is not None:
            (staged / "manifest.sig").write_bytes(options.sign(data))


def check_targets(
    loaded: LoadedRecipe,
    targets: Sequence[Target],
    cache: Cache,
    listener: Listener,
    logs: Path | None = None,
) -> dict[str, tuple[Finding, ...]]:
    """Each target's findings about the recipe's model, without quantizing or measuring it.

    Raises:
        EdgecompileError: the model cannot be exported.
    """
    plan = make_plan(loaded, targets, measured=False)
    outcomes = execute(plan, cache, lambda *_: None, listener, logs=logs)
    for outcome in outcomes.values():
        if outcome.error is not None:
            raise outcome.error
    records = {name: o.record for name, o in outcomes.items() if o.record is not None}
    found: dict[str, tuple[Finding, ...]] = {
        name: (Finding("error", _rule_of(error), error.message, remedy=error.remedy),)
        for name, error in plan.refused.items()
    }
    for target in targets:
        if target.name not in found:
            record = records[f"check[{target.name}]"]
            found[target.name] = resolved_findings(record, records, loaded.folder)
    return found


TOOLCHAIN_RULE = "toolchain"
"""Of the finding that a target's toolchain is not installed."""


def _rule_of(refusal: EdgecompileError) -> str:
    return TOOLCHAIN_RULE if isinstance(refusal, ToolchainMissing) else "precision"


def judge_with(
    loaded: LoadedRecipe, plan: Plan
) -> Callable[[Step, Record, Mapping[str, Record]], EdgecompileError | None]:
    """The judge of a plan: a broken budget or a failed check is an error of that step."""
    metric = metric_of(_plain(loaded.recipe.metric))

    def judge(step: Step, record: Record, records: Mapping[str, Record]) -> EdgecompileError | None:
        if step.stage == "check":
            return _judge_findings(step, resolved_findings(record, records, loaded.folder))
        measurement = plan.measurement_of(step.name)
        if measurement is None:
            return None
        results = {name: other.result for name, other in records.items()} | {
            step.name: record.result
        }
        verdicts = verdicts_of(loaded.recipe, metric, measurement, results)
        broken = [verdict for verdict in verdicts if not verdict.holds]
        if not broken:
            return None
        sentences = [explain(verdict) for verdict in broken]
        if any(verdict.name == "budgets.total" for verdict in broken):
            losses = losses_by_step(plan, metric, measurement, results)
            sentences.append(
                "the loss arose in: " + ", ".join(f"{step} {loss:g}" for step, loss in losses)
            )
        first = broken[0].name
        return BudgetBroken(
            f"the step {measurement.product} broke its budget: {'; '.join(sentences)}",
            location=loaded.locate(*first.split(".")),
            remedy=_remedy(loaded, measurement, first),
        )

    return judge


def _remedy(loaded: LoadedRecipe, measurement: Measurement, budget: str) -> str:
    if measurement.stage == "quantize" and loaded.recipe.stages.quantize.precision in INTEGER_BITS:
        if not loaded.recipe.stages.quantize.fallback:
            return (
                "put the operators that cost most back to float: stages.quantize.fallback=true, "
                f"or change {budget} (docs/quantize.md)"
            )
        trained = loaded.recipe.stages.quantize.finetune is not None
        more = "train for longer" if trained else "train with stages.quantize.finetune"
        if "+float" not in measurement.product:
            return (
                "its targets hold integers only, so that no operator can be put back to float: "
                f"{more}, or change {budget} (docs/quantize.md)"
            )
        if not trained:
            return f"{more}, or change {budget} (docs/quantize.md)"
    return f"spend more on this step, or change {budget} (docs/budgets.md)"


def _judge_findings(step: Step, findings: Sequence[Finding]) -> TargetCannotRun | None:
    errors = [finding for finding in findings if finding.level == "error"]
    if not errors:
        return None
    first = errors[0]
    place = ", ".join(part for part in (first.module, first.source) if part)
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return TargetCannotRun(
        f"{step.target} cannot run this model: {first.message}"
        + (f" [{place}]" if place else "")
        + more,
        remedy=first.remedy or "`edgecompile check` lists all findings",
    )


def resolved_findings(
    record: Record, records: Mapping[str, Record], folder: Path
) -> tuple[Finding, ...]:
    """A check's findings, with the lines of the user's files as they are today."""
    export = records.get("export")
    tables = export.result["lines"] if export is not None else {}
    findings = (Finding(**fields) for fields in record.result["findings"])
    return tuple(
        Finding(**{**vars(f), "source": current_place(f.source, tables, folder)}) if f.source else f
        for f in findings
    )


def _target_result(
    loaded: LoadedRecipe,
    target: Target,
    outcomes: Mapping[str, StepOutcome],
    error: EdgecompileError | None,
) -> TargetResult:
    records = {name: o.record for name, o in outcomes.items() if o.record is not None}
    checked, lowered = (records.get(f"{stage}[{target.name}]") for stage in ("check", "lower"))
    findings = resolved_findings(checked, records, loaded.folder) if checked else ()
    if lowered is not None:
        told = {finding.rule for finding in findings}
        more = resolved_findings(lowered, records, loaded.folder)
        # What the check of the hub said, it said with the place in the user's model: not again.
        findings += tuple(finding for finding in more if finding.rule not in told)
    common: dict[str, Any] = {
        "target": target.name,
        "title": target.title,
        "precision": precision_for(loaded.recipe.stages.quantize, target),
        "findings": findings,
    }
    if error is not None:
        return TargetResult(
            **common, status="failed", exit_code=error.exit_code, error=error.render()
        )
    assert lowered is not None
    return TargetResult(
        **common,
        status="built",
        exit_code=0,
        artifact=f"{loaded.recipe.name}/{target.name}/{get_backend(target.backend).main_file}",
        size_bytes=lowered.result["size_bytes"],
        estimates=tuple(Estimate(**fields) for fields in lowered.result["estimates"]),
        operators=lowered.result["operators"],
        placement=tuple(OperatorFate(**fields) for fields in lowered.result["placement"]),
        measured=tuple(Measured(**fields) for fields in _measured(target, records)),
    )


def _measured(target: Target, records: Mapping[str, Record]) -> list[dict[str, Any]]:
    """What the run of the artifact found out beside its outputs."""
    ran = records.get(f"run[{target.name}]")
    found: list[dict[str, Any]] = [] if ran is None else ran.result["measured"]
    return found


def _manifest(
    loaded: LoadedRecipe,
    target: Target,
    plan: Plan,
    outcomes: Mapping[str, StepOutcome],
    stages: Sequence[StageResult],
    findings: Sequence[Finding],
) -> dict[str, Any]:
    lineage = []
    needed = steps_for(plan, target.name)
    records = {name: o.record for name, o in outcomes.items() if o.record is not None}
    for step in plan.steps:
        record = outcomes[step.name].record
        if record is not None and step.name in needed:
            lineage.append(
                {
                    "step": step.name,
                    "key": record.key,
                    "function": step.function,
                    "parameters": dict(step.parameters),
                    "needs": list(step.needs),
                    "files": {name: file.sha256 for name, file in record.files.items()},
                }
            )
    lowered = outcomes[f"lower[{target.name}]"].record
    assert lowered is not None
    return {
        "edgecompile": edgecompile.__version__,
        "model": loaded.recipe.name,
        "target": target.model_dump(mode="json"),
        "precision": precision_for(loaded.recipe.stages.quantize, target),
        "estimates": lowered.result["estimates"],
        "measured": _measured(target, records),
        "findings": [asdict(finding) for finding in findings],
        "sources": plan.user_code.sources,
        "tools": plan.packages,
        "lineage": lineage,
        "stages": [row.as_json(costs=False) for row in stages if row.measure in needed],
    }


def _plain(metric: Any) -> Any:
    return metric if isinstance(metric, str) else metric.model_dump(mode="json")
