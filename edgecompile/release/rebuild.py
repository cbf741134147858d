"""Build again from the sources, and name the first step that does not give the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from edgecompile.backends.configure import configure
from edgecompile.build.build import BuildOptions, build
from edgecompile.build.execute import Execution, Listener
from edgecompile.errors import UserError
from edgecompile.recipe.load import LoadedRecipe, load_target
from edgecompile.release.manifest import MANIFEST, read_manifest, target_folders


async def rebuild(
    path: Path,
    loaded: LoadedRecipe,
    options: BuildOptions,
    how: Execution,
    listener: Listener,
) -> dict[Path, list[str]]:
    """For each target's folder that `path` is or holds, how a build of today differs from it.

    The build goes to `options.output`, which should be empty, as its cache. The folders are taken
    at the word of their manifests: `verify` them first.

    Raises:
        EdgecompileError: another model lies there, or the recipe cannot be planned.
    """
    folders = {folder: read_manifest(folder) for folder in target_folders(path)}
    for folder, manifest in folders.items():
        if manifest["model"] != loaded.recipe.name:
            raise UserError(
                f"{folder} is of the model {manifest['model']}, and the recipe of "
                f"{loaded.recipe.name}",
                remedy="name the folder of one model, and its recipe",
            )
    targets = [load_target(manifest["target"]["name"]) for manifest in folders.values()]
    result = await build(loaded, configure(loaded, targets), options, how, listener)
    errors = {target.target: target.error for target in result.targets}
    found: dict[Path, list[str]] = {}
    for folder, manifest in folders.items():
        name = manifest["target"]["name"]
        error = errors[name]
        if error is not None:
            found[folder] = [f"it could not be built again: {error}"]
            continue
        made = options.output / loaded.recipe.name / name
        found[folder] = list(differing(manifest, read_manifest(made)))
        if not found[folder] and (folder / MANIFEST).read_bytes() != (made / MANIFEST).read_bytes():
            found[folder] = [f"{MANIFEST} differs"]
    return found


def differing(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    """What differs between two manifests, the first step that is to blame first."""
    if old == new:
        return
    yield from _first_step(old, new)
    for name in sorted({*old["files"], *new["files"]}):
        if old["files"].get(name) != new["files"].get(name):
            yield f"{name} differs"
    for part in sorted({*old, *new} - {"files", "lineage"}):
        if old.get(part) != new.get(part):
            yield f"{part} in {MANIFEST} differs"


def _first_step(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    """The first step with another product; where there is none, the first with another key."""
    then, now = ({step["step"]: step for step in m["lineage"]} for m in (old, new))
    names = list(dict.fromkeys([*then, *now]))  # as built: a step comes after what it needs
    for name in names:
        if name not in now:
            yield f"first step that differs: {name} is not made any more"
            return
        if name not in then:
            yield f"first step that differs: {name} was not made then"
            return
        if then[name]["files"] != now[name]["files"]:
            file = min({*then[name]["files"].items()} ^ {*now[name]["files"].items()})[0]
            yield f"first step that differs: {name} (its {file}){_why(then[name], now[name])}"
            return
    for name in names:
        if then[name] != now[name]:
            yield (
                f"first step that differs: {name}, not in its files but"
                f"{_why(then[name], now[name])[1:]}"
            )
            return


def _why(then: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Whether the step was asked for the same: a key is of code, versions, inputs, options."""
    if then["parameters"] != now["parameters"]:
        return ", with other parameters"
    if then["key"] != now["key"]:
        return ", with other code, versions of packages or inputs"
    return ", from the same code and inputs: it is not reproducible"
