"""One stage by itself, from a file to a file: to stop and look anywhere in the pipeline.

The steps are those of a build, with the same keys: what a build has finished is not done again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from edgecompile.backends.registry import get_backend
from edgecompile.backends.toolchain import require_toolchain
from edgecompile.build.cache import Cache, Record
from edgecompile.build.code import backend_code, step_code
from edgecompile.build.execute import Listener, execute
from edgecompile.build.fingerprint import merged
from edgecompile.build.lowering import SPIKE, lower_parameters
from edgecompile.build.package import copy_artifact, replacing, write_whole
from edgecompile.build.plan import Plan
from edgecompile.build.planning import make_plan
from edgecompile.build.step import External, Product, Step
from edgecompile.digest import digest_file, digest_json
from edgecompile.errors import TargetCannotRun, UserError
from edgecompile.recipe.load import LoadedRecipe
from edgecompile.recipe.target import Target

HUB = "simplify"
"""The step whose product is the float hub."""


def export_hub(
    loaded: LoadedRecipe, output: Path, cache: Cache, listener: Listener, logs: Path
) -> Path:
    """The recipe's model as a simplified ONNX hub -> `output`.

    Raises:
        EdgecompileError: the model cannot be exported, or the file not be written.
    """
    plan = _leading_to(make_plan(loaded, (), measured=False), HUB)
    return _write(cache, _last(plan, cache, listener, logs), "hub.onnx", output)


def prune_module(
    loaded: LoadedRecipe, output: Path, cache: Cache, listener: Listener, logs: Path
) -> Mapping[str, Any]:
    """The recipe's network after all iterations of pruning -> the folder `output`.

    Returns `cost_before` and `cost`: multiply-accumulates, parameters and those that are not 0.

    Raises:
        UserError: the recipe prunes nothing.
        EdgecompileError: the network cannot be pruned, or the folder not be written.
    """
    if loaded.recipe.stages.prune is None:
        raise UserError(
            f"the recipe {loaded.recipe.name} has no stage that prunes",
            location=loaded.locate("stages"),
            remedy="for instance --set 'stages.prune={ratio: 0.3}' (docs/prune.md)",
        )
    plan = make_plan(loaded, [], lowered=False)
    last = [m.product for m in plan.measurements if m.stage == "prune"][-1]
    plan = _leading_to(plan, last)
    outcomes = execute(plan, cache, lambda *_: None, listener, logs=logs)
    records = [_record(outcome) for outcome in outcomes.values()]
    with replacing(output) as staged:
        copy_artifact(cache, records[-1], staged)
    first = next(r for r, step in zip(records, plan.steps, strict=True) if step.stage == "prune")
    return {"cost_before": first.result["cost_before"], "cost": records[-1].result["cost"]}


def quantize_hub(
    loaded: LoadedRecipe,
    target: Target,
    hub: Path | None,
    output: Path,
    cache: Cache,
    listener: Listener,
    logs: Path,
) -> tuple[Path, Mapping[str, Any]]:
    """The hub with its numbers decided for `target` -> `output`.

    `hub` is a float ONNX file in place of the recipe's own model. Returns the file and the
    account of the step.

    Raises:
        UserError: the precision is fp32: there is nothing to decide.
        EdgecompileError: the model cannot be exported or quantized, or the file not be written.
    """
    plan = make_plan(loaded, [target], lowered=False)
    deciding = [m.product for m in plan.measurements if m.stage in {"quantize", SPIKE}]
    product = deciding[0] if deciding else None
    if product is None:
        raise UserError(
            "in fp32 there is nothing to quantize",
            location=loaded.locate("stages", "quantize", "precision"),
            remedy="for instance --set stages.quantize.precision=int8",
        )
    plan = _leading_to(_with_hub(plan, hub), product)
    record = _last(plan, cache, listener, logs)
    return _write(cache, record, "hub.onnx", output), record.result


def compile_hub(
    hub: Path, target: Target, output: Path, cache: Cache, listener: Listener, logs: Path
) -> Path:
    """The artifact of a hub file for `target` -> the folder `output`; returns the main file.

    Raises:
        ToolchainMissing: what the target's backend needs is not installed.
        TargetCannotRun: the target lacks an operator of the hub.
        EdgecompileError: the file is no hub, or the folder cannot be written.
    """
    require_toolchain(get_backend(target.backend))
    plan = _compile_plan(hub, target)
    outcomes = execute(plan, cache, _refuse_findings, listener, logs=logs)
    records = [_record(outcome) for outcome in outcomes.values()]
    with replacing(output) as staged:
        copy_artifact(cache, records[-1], staged)
    return output / get_backend(target.backend).main_file


def _compile_plan(hub: Path, target: Target) -> Plan:
    if not hub.is_file():
        raise UserError(f"there is no file {hub}")
    inputs = {"hub": External(hub, digest_file(hub))}
    parameters = {"target": target.model_dump(mode="json")}
    code = backend_code(target.backend)

    def step(stage: str, more: dict[str, Any], after: tuple[str, ...]) -> Step:
        function = f"edgecompile.backends.steps:{stage}"
        digest = digest_json([step_code(function).digest, code.digest])
        name = f"{stage}[{target.name}]"
        return Step(
            name, stage, function, digest, inputs, {**parameters, **more}, {}, after, target.name
        )

    # A hub's precision is in its numbers: whatever it is, the emitter writes all or refuses.
    check = step("check", {"precision": "int8"}, ())
    lower = step("lower", lower_parameters(target), (check.name,))
    return Plan((check, lower), (), merged([code]), code.packages)


def _refuse_findings(
    step: Step, record: Record, records: Mapping[str, Record]
) -> TargetCannotRun | None:
    errors = [f for f in record.result.get("findings", ()) if f["level"] == "error"]
    if not errors:
        return None
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return TargetCannotRun(
        f"{step.target} cannot run this model: {errors[0]['message']}{more}",
        remedy=errors[0]["remedy"],
    )


def _with_hub(plan: Plan, hub: Path | None) -> Plan:
    """The plan with a file of the user's in place of the exported hub."""
    if hub is None:
        return plan
    if not hub.is_file():
        raise UserError(f"there is no file {hub}")
    own = External(hub, digest_file(hub))
    return replace(
        plan,
        steps=tuple(
            replace(
                step,
                inputs={
                    name: own if source == Product(HUB, "hub.onnx") else source
                    for name, source in step.inputs.items()
                },
            )
            for step in plan.steps
        ),
    )


def _leading_to(plan: Plan, name: str) -> Plan:
    """Only the steps whose products `name` is made of: no measurement, no budget."""
    by_name = {step.name: step for step in plan.steps}
    needed, waiting = set[str](), [name]
    while waiting:
        step = by_name[waiting.pop()]
        if step.name not in needed:
            needed.add(step.name)
            waiting += step.needs
    steps = tuple(replace(step, after=()) for step in plan.steps if step.name in needed)
    return replace(plan, steps=steps, measurements=())


def _last(plan: Plan, cache: Cache, listener: Listener, logs: Path) -> Record:
    outcomes = execute(plan, cache, lambda *_: None, listener, logs=logs)
    records: Sequence[Record] = [_record(outcome) for outcome in outcomes.values()]
    return records[-1]


def _record(outcome: Any) -> Record:
    if outcome.error is not None:
        raise outcome.error
    record: Record = outcome.record
    return record


def _write(cache: Cache, record: Record, name: str, output: Path) -> Path:
    write_whole(output, (cache.files(record.key) / name).read_bytes())
    return output
