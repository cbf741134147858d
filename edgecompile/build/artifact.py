"""Measure one artifact, perhaps a stranger's, on the data of a recipe."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgecompile.backends.files import backend_of_file
from edgecompile.build.cache import Cache
from edgecompile.build.execute import Listener, execute
from edgecompile.build.plan import make_artifact_plan
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
    backend.inspect(artifact)  # a damaged file is refused before anything slow
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
    return {
        "artifact": artifact.name,
        "name": metric.name,
        "baseline": results["measure[pytorch]"]["metric"],
        "evidence": results["run[artifact]"]["evidence"],
        **results["measure[artifact]"],
    }
