"""`edgecompile matrix`: which builds a CI system may run side by side."""

from __future__ import annotations

from pathlib import Path

import click

from edgecompile.cli.app import App
from edgecompile.cli.entries import chosen_pairs
from edgecompile.cli.options import matrix_option, targets_option, verbosity_options


@click.command()
@click.argument("recipes", nargs=-1, metavar="RECIPE...")
@matrix_option
@targets_option
@click.option(
    "--format",
    "output_format",
    type=click.Choice(["text", "json", "github"]),
    default="text",
    envvar="EDGECOMPILE_FORMAT",
    show_envvar=True,
    help="github: one line for strategy.matrix of GitHub Actions.",
)
@verbosity_options
@click.pass_obj
def matrix(
    app: App,
    recipes: tuple[str, ...],
    matrix_file: Path | None,
    target_names: tuple[str, ...],
    output_format: str,
) -> None:
    """List each RECIPE with each of its targets: one job each, if you like."""
    from edgecompile.report.ci.github import fan_out

    pairs = [
        (loaded.named, target.name)
        for loaded, targets in chosen_pairs(recipes, matrix_file, target_names)
        for target in targets
    ]
    if output_format == "github":
        app.data(fan_out(pairs))
    elif output_format == "json":
        app.json([{"recipe": recipe, "target": target} for recipe, target in pairs])
    else:
        app.columns([("RECIPE", "TARGET"), *pairs])
