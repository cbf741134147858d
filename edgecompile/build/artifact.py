"""Measure one artifact, perhaps a stranger's, on the data of a recipe."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgecompile.backends.files import backend_of_file
from edgecompile.backends.protocol import Inspection
from edgecompile.backends.toolchain import require_toolchain
from edgecompile.build.cache import Cache
from edgecompile.build.execute import Listener, execute
from edgecompile.build.planning import make_artifact_plan
from edgecompile.errors import UserError
from edgecompile.evaluate.metrics import metric_of
from edgecompile.recipe.load import LoadedRecipe


def evaluate_artifact(
    loaded: LoadedRecipe,
    artifact: Path,
    options: Mapping[str, Any],
    cache: Cache,
    listener: Listener,
    log: Path | None = None,
) -> dict[str, Any]:
    """The metric of `artifact` and its agreement with the recipe's PyTorch model.

    Raises:
        EdgecompileError: the file is no artifact, or does not run on this model's inputs.
    """
    backend = backend_of_file(artifact)
    facts = backend.inspect(artifact)  # a damaged file is refused before anything slow
    _require_same_input(artifact, facts, loaded)
    require_toolchain(backend)
    plan = make_artifact_plan(loaded, artifact, backend.name, options)
    outcomes = execute(plan, cache, lambda *_: None, listener, log=log)
    for outcome in outcomes.values():
        if outcome.error is not None:
            raise outcome.error
    results = {n: o.record.result for n, o in outcomes.items() if o.record is not None}
    metric = metric_of(
        loaded.recipe.metric
        if isinstance(loaded.recipe.metric, str)
        else loaded.recipe.metric.model_dump()
    )
    measured = dict(results["measure[artifact]"])
    before = {"baseline": results["measure[pytorch]"]["metric"], **measured.pop("before")}
    return {
        "artifact": artifact.name,
        "name": metric.name,
        "baseline": before["baseline"],
        "evidence": results["run[artifact]"]["evidence"],
        **measured,
    }


def _require_same_input(artifact: Path, facts: Inspection, loaded: LoadedRecipe) -> None:
    """An artifact may hold the input's dimensions in another order, never other ones."""
    shape = loaded.recipe.model.input.shape
    if [sorted(tensor.shape) for tensor in facts.inputs] != [sorted(shape)]:
        found = ", ".join(str(list(tensor.shape)) for tensor in facts.inputs)
        raise UserError(
            f"{artifact.name} takes {found}, and the model of {loaded.recipe.name} takes {shape}",
            remedy="name the recipe that the artifact was built from",
        )
