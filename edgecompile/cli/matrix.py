"""`edgecompile matrix`: which builds a CI system may run side by side."""

from __future__ import annotations

import click

from edgecompile.cli.app import App
from edgecompile.cli.options import targets_option, verbosity_options


@click.command()
@click.argument("recipes", nargs=-1, required=True, metavar="RECIPE...")
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
    app: App, recipes: tuple[str, ...], target_names: tuple[str, ...], output_format: str
) -> None:
    """List each RECIPE with each of its targets: one job each, if you like."""
    from edgecompile.recipe.load import load_recipe, load_targets
    from edgecompile.report.ci.github import fan_out

    pairs = [
        (recipe, target.name)
        for recipe in dict.fromkeys(recipes)
        for target in load_targets(load_recipe(recipe), target_names)
    ]
    if output_format == "github":
        app.data(fan_out(pairs))
    elif output_format == "json":
        app.json([{"recipe": recipe, "target": target} for recipe, target in pairs])
    else:
        app.columns([("RECIPE", "TARGET"), *pairs])
