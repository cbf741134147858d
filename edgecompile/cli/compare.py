"""`edgecompile compare`: what a change cost, target by target."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgecompile.cli.app import App
from edgecompile.cli.options import format_option, verbosity_options

if TYPE_CHECKING:
    from edgecompile.report.comparison.compare import Comparison

BUDGET_BROKEN = 3


@click.command()
@click.argument("old", type=click.Path(exists=True, path_type=Path))
@click.argument("new", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--allow",
    "allowed",
    multiple=True,
    metavar="NAME=NUMBER",
    help="What may get worse: total (points), size (%), agreement (dB), findings (warnings that "
    "appear). Without total, the recipe's budgets.total.",
)
@format_option
@verbosity_options
@click.pass_obj
def compare(app: App, old: Path, new: Path, allowed: tuple[str, ...], output_format: str) -> int:
    """Hold the build in NEW against the one in OLD.

    Each is an output folder, a model's or a target's folder in it, or the JSON of a build. Exit
    code 3 when something is worse than allowed, or a target is not built any more.
    """
    from edgecompile.report.comparison.compare import allowances, compare_builds
    from edgecompile.report.comparison.read import read_builds
    from edgecompile.report.comparison.show import rows_of, words_about

    limits = allowances(allowed)
    found = compare_builds(read_builds(old), read_builds(new), limits)
    exit_code = BUDGET_BROKEN if any(comparison.broken for comparison in found) else 0
    if output_format == "json":
        app.json(
            {
                "schema": "edgecompile.comparison/1",
                "targets": [comparison.as_json() for comparison in found],
                "exit_code": exit_code,
            }
        )
    else:
        app.columns(rows_of(found))
        for line in words_about(found):
            app.data(line)
    _tell_broken(app, found)
    return exit_code


def _tell_broken(app: App, found: Sequence[Comparison]) -> None:
    for comparison in found:
        for sentence in comparison.broken:
            app.error(f"error: {comparison.model} on {comparison.target}: {sentence}")
