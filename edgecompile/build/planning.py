"""From a recipe and its targets to a plan: a DAG of steps, shared work appearing once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from edgecompile.backends.registry import get_backend
from edgecompile.backends.toolchain import missing_toolchain
from edgecompile.build.plan import Plan
from edgecompile.build.plan_builder import PlanBuilder
from edgecompile.errors import EdgecompileError, TargetCannotRun, UserError
from edgecompile.recipe.load import LoadedRecipe
from edgecompile.recipe.schema import training_stages
from edgecompile.recipe.target import Target, precision_for


def make_plan(
    loaded: LoadedRecipe,
    targets: Sequence[Target],
    *,
    measured: bool = True,
    lowered: bool = True,
) -> Plan:
    """Plan a build. Reads the recipe's files to know their content, runs nothing.

    Without `measured`, the plan ends with the checks of the targets. Without `lowered`, it is made
    for a step before the targets' toolchains are needed.

    Raises:
        UserError: a file that the recipe names is missing or leaves its folder.
        TargetCannotRun: no target holds the recipe's precision.
        ToolchainMissing: no target has its toolchain.
    """
    _require_training_data(loaded)
    errors = _refusals(loaded, targets, lowered)
    refused = {name: error for name, error in errors.items() if error is not None}
    if targets and len(refused) == len(errors):
        raise next(iter(refused.values()))
    targets = [target for target in targets if target.name not in refused]
    builder = PlanBuilder(loaded)
    if measured:
        builder.add_data(targets)
        builder.add_baseline()
        builder.add_pruning()
    builder.add_hub(measured)
    for target in targets:
        builder.add_check(target)
    if measured:
        for target in targets:
            builder.add_target(target)
    return replace(builder.plan(), refused=refused)


def make_artifact_plan(
    loaded: LoadedRecipe, artifact: Path, backend: str, options: Mapping[str, Any]
) -> Plan:
    """Plan the measurement of one artifact file beside the recipe's PyTorch model."""
    builder = PlanBuilder(loaded)
    builder.add_split("evaluation")
    builder.add_baseline()
    builder.add_artifact(artifact, backend, options)
    return builder.plan()


def make_device_plan(loaded: LoadedRecipe, outputs: Path, samples: str) -> Plan:
    """Plan the measurement of outputs that a device made of the samples with that digest."""
    builder = PlanBuilder(loaded)
    builder.add_split("evaluation")
    builder.add_baseline()
    builder.add_device_run(outputs, samples)
    return builder.plan()


def make_samples_plan(loaded: LoadedRecipe) -> Plan:
    """Plan nothing but the evaluation samples."""
    builder = PlanBuilder(loaded)
    builder.add_split("evaluation")
    return builder.plan()


def _refusals(
    loaded: LoadedRecipe, targets: Sequence[Target], lowered: bool
) -> dict[str, EdgecompileError | None]:
    """Why a target cannot be built for, where that is known before any work."""
    backends = {target.backend for target in targets} if lowered else set()
    missing = {name: missing_toolchain(get_backend(name)) for name in sorted(backends)}
    return {
        target.name: _precision_error(loaded, target) or missing.get(target.backend)
        for target in targets
    }


def _precision_error(loaded: LoadedRecipe, target: Target) -> TargetCannotRun | None:
    precision = precision_for(loaded.recipe.stages.quantize, target)
    if precision in target.precisions:
        return None
    return TargetCannotRun(
        f"the target {target.name} has no precision '{precision}'",
        location=loaded.locate("stages", "quantize", "precision"),
        remedy=f"it has: {', '.join(target.precisions)}",
    )


def _require_training_data(loaded: LoadedRecipe) -> None:
    if loaded.recipe.data.train is not None:
        return
    for stage in training_stages(loaded.recipe):
        raise UserError(
            f"stages.{stage}.finetune needs data to train on, and the recipe names no data.train",
            location=loaded.locate("stages", stage, "finetune"),
            remedy="name an .npz with inputs and labels, or a function: model.py:training_data",
        )
