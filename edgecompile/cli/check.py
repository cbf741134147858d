"""`edgecompile check`: what will not work, before anything slow."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgecompile.cli.app import App
from edgecompile.cli.options import format_option, set_option, targets_option, verbosity_options
from edgecompile.findings import Finding

if TYPE_CHECKING:
    from edgecompile.artifact_check import ArtifactCheck


@click.command()
@click.argument("recipe_or_file", metavar="RECIPE|FILE")
@targets_option
@format_option
@set_option
@verbosity_options
@click.pass_obj
def check(
    app: App,
    recipe_or_file: str,
    target_names: tuple[str, ...],
    output_format: str,
    overrides: tuple[str, ...],
) -> int:
    """Hold RECIPE's model, or a FILE in a target's own format, against the rules of targets.

    Nothing is quantized, compiled or measured. Exit code 4 when a target cannot run the model, 5
    when a toolchain that the check needs is missing.
    """
    if _is_artifact(recipe_or_file):
        return _check_artifact(app, Path(recipe_or_file), target_names, output_format)
    return _check_recipe(app, recipe_or_file, target_names, output_format, overrides)


def _is_artifact(argument: str) -> bool:
    path = Path(argument)
    return path.is_file() and path.suffix not in {".yaml", ".yml"}


def _check_recipe(
    app: App,
    recipe: str,
    target_names: tuple[str, ...],
    output_format: str,
    overrides: tuple[str, ...],
) -> int:
    from dataclasses import asdict

    from edgecompile.backends.configure import configure
    from edgecompile.build.build import check_targets
    from edgecompile.build.cache import Cache
    from edgecompile.cache_root import default_cache_root
    from edgecompile.recipe.load import load_recipe, load_targets
    from edgecompile.report.progress import build_progress

    loaded = load_recipe(recipe, overrides)
    targets = configure(loaded, load_targets(loaded, target_names))
    with build_progress(app.verbosity, loaded.recipe.name) as progress:
        found = check_targets(
            loaded, targets, Cache(default_cache_root()), progress.listener, progress.logs
        )
    if output_format == "json":
        app.json({name: [asdict(f) for f in findings] for name, findings in found.items()})
    else:
        for name, findings in found.items():
            _show_findings(app, name, findings)
    if any(_misses_toolchain(finding) for finding in chain(*found.values())):
        return 5
    return 4 if any(_has_error(findings) for findings in found.values()) else 0


def _check_artifact(app: App, file: Path, target_names: tuple[str, ...], output_format: str) -> int:
    from dataclasses import asdict

    from edgecompile.backends.files import check_artifact
    from edgecompile.recipe.load import load_target

    targets = [load_target(name) for name in target_names]
    found = {target.name: check_artifact(file, target) for target in targets}
    if not found:
        raise click.UsageError(f"which device is {file.name} for? Name it with -t TARGET")
    if output_format == "json":
        app.json({name: asdict(checked) for name, checked in found.items()})
    else:
        for name, checked in found.items():
            _show_findings(app, name, checked.findings)
            _show_operators(app, checked)
    return 4 if any(_has_error(checked.findings) for checked in found.values()) else 0


def _show_findings(app: App, name: str, findings: Sequence[Finding]) -> None:
    from edgecompile.report.words import finding_lines

    verdict = "cannot run it" if _has_error(findings) else "can run it"
    if any(_misses_toolchain(finding) for finding in findings):
        verdict = "not checked"
    app.data(f"{name}: {verdict}")
    for finding in findings:
        app.data("\n".join(f"  {line}" for line in finding_lines(finding)))


def _show_operators(app: App, checked: ArtifactCheck) -> None:
    """The operators counted by status, as a toolchain's own log has them; then the estimates."""
    from collections import Counter

    from edgecompile.report.words import estimate_line

    counts = Counter((fate.operator, fate.status) for fate in checked.operators)
    if counts:
        app.data("")
        rows = [(name, str(count), status) for (name, status), count in sorted(counts.items())]
        app.columns([("OPERATOR", "COUNT", "PREDICTED STATUS"), *rows])
        app.data("")
    for found in checked.estimates:
        app.data(estimate_line(found))


def _has_error(findings: Sequence[Finding]) -> bool:
    return any(finding.level == "error" for finding in findings)


def _misses_toolchain(finding: Finding) -> bool:
    from edgecompile.build.build import TOOLCHAIN_RULE

    return finding.rule == TOOLCHAIN_RULE
