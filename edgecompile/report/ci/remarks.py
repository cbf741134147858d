"""What a build has to remark on lines of the user's files: findings, broken budgets, failures."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from edgecompile.build.result import BuildResult, TargetResult
from edgecompile.errors import Location
from edgecompile.evaluate.budget import explain
from edgecompile.findings import Finding, Level
from edgecompile.recipe.load import LoadedRecipe


@dataclass(frozen=True)
class Remark:
    """One thing to say about one place. `file` is relative to the root of the sources, or absolute
    where it lies elsewhere; `line` counts from 1."""

    level: Level
    rule: str
    message: str
    file: str
    line: int | None
    targets: tuple[str, ...]
    module: str | None = None
    remedy: str | None = None
    reference: str | None = None


RULES = {
    2: ("input", "What the user wrote, or the data, is wrong."),
    3: ("budget", "A measured loss is larger than the recipe allows."),
    4: ("target", "The target cannot run this model."),
    5: ("toolchain", "A toolchain that the target needs is not installed."),
    6: ("toolchain-failed", "A toolchain crashed, hung or refused."),
    70: ("internal", "A part of edgecompile broke a promise."),
}
"""By the exit code: the rule of a failure, and what it says."""


def remarks_of(loaded: LoadedRecipe, result: BuildResult, root: Path) -> list[Remark]:
    """All remarks, one for the targets that share it. A remark without a line of the user's Python
    is about the recipe."""
    recipe = loaded.locate("model").file
    found = [
        _of_finding(finding, target.target, loaded.folder, _shown(Path(recipe), root), root)
        for target in result.targets
        for finding in target.findings
    ]
    for target in result.targets:
        found += _of_failure(loaded, result, target, root)
    return _merged(found)


def _of_finding(finding: Finding, target: str, folder: Path, recipe: str, root: Path) -> Remark:
    file, line = recipe, None
    if finding.source:
        name, _, number = finding.source.rpartition(":")
        if number.isdecimal() and (folder / name).is_file():
            file, line = _shown(folder / name, root), int(number)
    return Remark(
        finding.level,
        finding.rule,
        finding.message,
        file,
        line,
        (target,),
        finding.module,
        finding.remedy,
        finding.reference,
    )


def _of_failure(
    loaded: LoadedRecipe, result: BuildResult, target: TargetResult, root: Path
) -> list[Remark]:
    if target.error is None or any(f.level == "error" for f in target.findings):
        return []
    rule = RULES[target.exit_code][0]
    broken = [
        (row.step, verdict)
        for row in result.stages
        for verdict in row.verdicts
        if not verdict.holds and row.target in (None, target.target)
    ]
    if target.exit_code == 3 and broken:
        remarks = []
        for step, verdict in broken:
            place = loaded.locate(*verdict.name.split("."))
            message = f"{step}: {explain(verdict)}"
            remarks.append(_at(place, rule, message, loaded, target.target, root))
        return remarks
    first = target.error.splitlines()[0].partition(": ")[2]
    return [_at(loaded.locate("targets"), rule, first, loaded, target.target, root)]


def _at(
    place: Location, rule: str, message: str, loaded: LoadedRecipe, target: str, root: Path
) -> Remark:
    # What a --set says stands in no file: the recipe as a whole is the place.
    file = place.file if place.line is not None else loaded.written.document.file
    return Remark("error", rule, message, _shown(Path(file), root), place.line, (target,))


def _shown(file: Path, root: Path) -> str:
    """Relative to `root`, with slashes, where it lies below it."""
    full = Path(os.path.abspath(file))  # noqa: PTH100 (a link in the checkout stays what it is)
    for base in (root, root.resolve()):
        if full.is_relative_to(base):
            return full.relative_to(base).as_posix()
    return full.as_posix()


def _merged(remarks: Sequence[Remark]) -> list[Remark]:
    merged: dict[Remark, list[str]] = {}
    for remark in remarks:
        merged.setdefault(replace(remark, targets=()), []).extend(remark.targets)
    return [replace(r, targets=tuple(dict.fromkeys(names))) for r, names in merged.items()]
