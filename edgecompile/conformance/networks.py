"""Whole networks, out of recipes: their float hub and their evaluation samples, as a build has."""

from __future__ import annotations

from pathlib import Path

from edgecompile.build.artifact import export_samples
from edgecompile.build.cache import Cache
from edgecompile.build.execute import Listener
from edgecompile.build.stage import export_hub
from edgecompile.conformance.suite import Network
from edgecompile.recipe.load import load_recipe


def network_of(recipe: str, folder: Path, cache: Cache, listener: Listener, logs: Path) -> Network:
    """The recipe's network -> two files in `folder`.

    Raises:
        UserError: a file that the recipe names is not here.
        EdgecompileError: the model cannot be exported.
    """
    loaded = load_recipe(recipe)
    hub, samples = folder / f"{recipe}.onnx", folder / f"{recipe}.npy"
    export_hub(loaded, hub, cache, listener, logs)
    export_samples(loaded, samples, cache, listener, logs)
    return Network(recipe, hub, samples)
