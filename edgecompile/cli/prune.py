"""`edgecompile prune`: the network that pruning leaves, before it is exported."""

from __future__ import annotations

from pathlib import Path

import click

from edgecompile.cli.app import App
from edgecompile.cli.options import format_option, set_option, verbosity_options


@click.command()
@click.argument("recipe")
@click.option(
    "-o",
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("pruned"),
    show_default=True,
    help="Folder for weights.safetensors and pruning.json; what is there is replaced.",
)
@set_option
@format_option
@verbosity_options
@click.pass_obj
def prune(
    app: App, recipe: str, output: Path, overrides: tuple[str, ...], output_format: str
) -> None:
    """Prune RECIPE's network as its stages.prune says, and tune it on the training data.

    Nothing is measured: `edgecompile build` measures every iteration.
    """
    from edgecompile.build.cache import Cache
    from edgecompile.build.stage import prune_module
    from edgecompile.cache_root import default_cache_root
    from edgecompile.recipe.load import load_recipe
    from edgecompile.report.progress import build_progress

    loaded = load_recipe(recipe, overrides)
    with build_progress(app.verbosity, loaded.recipe.name) as progress:
        cache = Cache(default_cache_root())
        account = prune_module(loaded, output, cache, progress.listener, progress.logs)
    app.result({"folder": str(output), **account}, str(output), output_format)
