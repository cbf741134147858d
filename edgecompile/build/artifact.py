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
from edgecompile.build.package import write_whole
from edgecompile.build.plan import Plan
from edgecompile.build.planning import make_artifact_plan, make_device_plan, make_samples_plan
from edgecompile.digest import digest_path
from edgecompile.errors import UserError
from edgecompile.evaluate.device import read_device_result
from edgecompile.evaluate.metrics import metric_of
from edgecompile.recipe.load import LoadedRecipe


def evaluate_artifact(
    loaded: LoadedRecipe,
    artifact: Path,
    options: Mapping[str, Any],
    cache: Cache,
    listener: Listener,
    logs: Path | None = None,
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
    return _measured(loaded, artifact, plan, cache, listener, logs)


def evaluate_device_result(
    loaded: LoadedRecipe,
    artifact: Path,
    file: Path,
    cache: Cache,
    listener: Listener,
    logs: Path | None = None,
) -> dict[str, Any]:
    """The same from the outputs that a device made with `artifact`, as `file` describes them.

    Raises:
        UserError: the file is no result of this artifact on this recipe's evaluation data.
    """
    result = read_device_result(file)
    if result.artifact != digest_path(artifact):
        raise UserError(
            f"{file.name} is the result of another artifact than {artifact.name}",
            remedy="run the device with the artifact as it lies here",
        )
    plan = make_device_plan(loaded, file.parent / result.outputs, result.samples)
    measured = _measured(loaded, artifact, plan, cache, listener, logs)
    return {**measured, "device": result.model_dump(mode="json")}


def export_samples(
    loaded: LoadedRecipe, output: Path, cache: Cache, listener: Listener, logs: Path | None = None
) -> Path:
    """The recipe's evaluation samples, float32 (samples, *shape without batch) -> `output`, .npy.

    Raises:
        EdgecompileError: the data cannot be prepared, or the file not be written.
    """
    (outcome,) = execute(
        make_samples_plan(loaded), cache, lambda *_: None, listener, logs=logs
    ).values()
    if outcome.error is not None:
        raise outcome.error
    assert outcome.record is not None
    write_whole(output, (cache.files(outcome.record.key) / "samples.npy").read_bytes())
    return output


def _measured(
    loaded: LoadedRecipe,
    artifact: Path,
    plan: Plan,
    cache: Cache,
    listener: Listener,
    logs: Path | None,
) -> dict[str, Any]:
    outcomes = execute(plan, cache, lambda *_: None, listener, logs=logs)
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
        "figures": results["run[artifact]"].get("measured", []),
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
