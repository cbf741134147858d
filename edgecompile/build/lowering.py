"""What the steps that turn a hub into an artifact read, beside the hub: as values."""

from __future__ import annotations

from typing import Any

from edgecompile.backends.protocol import RunsPrograms
from edgecompile.backends.registry import get_backend
from edgecompile.build.step import External, Product
from edgecompile.recipe.schema import Recipe
from edgecompile.recipe.target import Target

SPIKE = "spike"
"""The step, shared by all targets of spiking neurons, that converts the hub."""


def lower_parameters(target: Target) -> dict[str, Any]:
    """What the lowering for a target depends on beside its hub: the device's facts, and the
    programs that its backend calls where they are installed."""
    backend = get_backend(target.backend)
    programs = dict(backend.programs()) if isinstance(backend, RunsPrograms) else {}
    return {
        "target": target.model_dump(mode="json"),
        **({"programs": programs} if programs else {}),
    }


def samples_of(split: str) -> dict[str, External | Product]:
    """What a step reads of a split."""
    return {
        f"{split}_{file}": Product(f"data[{split}]", f"{file}.npy")
        for file in ("samples", "labels")
    }


def spike_inputs(recipe: Recipe) -> dict[str, External | Product]:
    """The float hub, and data that may decide how it spikes: never evaluation data."""
    splits = ["calibration"] + ["train"] * (recipe.data.train is not None)
    inputs: dict[str, External | Product] = {"reference": Product("simplify", "hub.onnx")}
    for split in splits:
        inputs |= samples_of(split)
    return inputs


def lower_inputs(recipe: Recipe, previous: str) -> dict[str, External | Product]:
    """The hub of the step `previous`; behind the spike step also its data, split as it says."""
    hub: dict[str, External | Product] = {"hub": Product(previous, "hub.onnx")}
    if previous != SPIKE:
        return hub
    inputs = hub | spike_inputs(recipe) | {"split": Product(SPIKE, "split.npz")}
    if recipe.model.input.steps is not None:
        for split in ("calibration", "train"):
            if f"{split}_samples" in inputs:
                inputs[f"{split}_spikes"] = Product(f"data[{split}]", "spikes.npy")
    return inputs


def tuning_parameters(recipe: Recipe, metric: Any) -> dict[str, Any]:
    """How it judges what it tries."""
    return {
        "metric": metric,
        "budget": recipe.budgets.spike,
        "stage": recipe.stages.spike.model_dump(mode="json"),
    }
