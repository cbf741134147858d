"""What a page shows, as plain data: the same inputs give the same on any day in any folder."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import edgecompile
from edgecompile.build.result import BuildResult, TargetResult
from edgecompile.digest import digest_json
from edgecompile.recipe.load import LoadedRecipe
from edgecompile.report.html.pareto import UNITS, points_of

_AROUND = 1
"""Lines of the user's file before and after the one that a finding is about."""
_LONGEST = 200
"""Characters of a line."""


def target_facts(
    loaded: LoadedRecipe, result: BuildResult, manifest: Mapping[str, Any]
) -> dict[str, Any]:
    """The facts of one built target's page; `manifest` is its manifest without its files."""
    name = manifest["target"]["name"]
    (own,) = (target for target in result.targets if target.target == name)
    steps = {step["step"]: step for step in manifest["lineage"]}
    return {
        **_common(loaded, result),
        "target": manifest["target"],
        "result": asdict(own),
        "stages": manifest["stages"],
        "compression": {k: v for k, v in result.compression.items() if k in steps},
        "code": _code(loaded.folder, [own]),
        "files": steps[f"lower[{name}]"]["files"],
        "lineage": [{key: step[key] for key in ("step", "key")} for step in manifest["lineage"]],
        "tools": manifest["tools"],
        "sources": manifest["sources"],
        "command": _command(loaded, [name]),
    }


def summary_facts(
    loaded: LoadedRecipe, result: BuildResult, manifests: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """The facts of the page about all targets of a build, built or not."""
    some: Mapping[str, Any] = next(iter(manifests.values()), {})
    stages = [stage.as_json(costs=False) for stage in result.stages]
    rows = {row["target"]: row for row in stages if row["target"]}
    built = [rows[name] for name in manifests if rows[name]["delta_baseline"] is not None]
    return {
        **_common(loaded, result),
        "results": [asdict(target) for target in result.targets],
        "stages": stages,
        "rows": rows,
        "charted": {quantity: _charted(result, stages, quantity) for quantity in UNITS},
        "worst": min(built, key=lambda row: float(row["delta_baseline"]), default=None),
        "compression": result.compression,
        "code": _code(loaded.folder, result.targets),
        "tools": some.get("tools", {}),
        "sources": some.get("sources", {}),
        "command": _command(loaded, [target.target for target in result.targets]),
    }


def _common(loaded: LoadedRecipe, result: BuildResult) -> dict[str, Any]:
    recipe = loaded.recipe.model_dump(mode="json")
    return {
        "model": result.model,
        "description": loaded.recipe.description,
        "metric": asdict(result.metric),
        "edgecompile": edgecompile.__version__,
        "recipe": recipe,
        "recipe_digest": digest_json(recipe),
    }


def _charted(result: BuildResult, stages: Sequence[Mapping[str, Any]], quantity: str) -> list[str]:
    """The targets whose cost of that kind is known."""
    points = points_of([asdict(target) for target in result.targets], stages, quantity)
    return [target for point in points for target in point.targets]


def _command(loaded: LoadedRecipe, targets: Sequence[str]) -> str:
    """What builds the same again, where the recipe is known by its name."""
    words = ["edgecompile", "build", loaded.recipe.name]
    words += [word for name in targets for word in ("-t", name)]
    words += [word for text in loaded.written.overrides.values() for word in ("--set", text)]
    return shlex.join(words)


def _code(folder: Path, targets: Iterable[TargetResult]) -> dict[str, list[dict[str, Any]]]:
    """The lines of the user's files that findings are about, with their neighbors."""
    places = {f.source for target in targets for f in target.findings if f.source}
    return {place: found for place in sorted(places) if (found := code_lines(folder, place))}


def code_lines(folder: Path, place: str) -> list[dict[str, Any]]:
    """The line ``model.py:41`` of the recipe in `folder` and those around it, numbered from 1.

    None where there is no such file in it any more, or no such line.
    """
    name, _, number = place.rpartition(":")
    file = folder / name
    if not number.isdecimal() or not file.resolve().is_relative_to(folder.resolve()):
        return []
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return []
    line = int(number)
    if not 1 <= line <= len(lines):
        return []
    around = range(max(1, line - _AROUND), min(len(lines), line + _AROUND) + 1)
    return [{"line": at, "text": lines[at - 1][:_LONGEST], "named": at == line} for at in around]
