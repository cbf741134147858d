"""`edgecompile export`: the hub, before any number is made small."""

from __future__ import annotations

from pathlib import Path

import click

from edgecompile.cli.app import App
from edgecompile.cli.options import file_option, format_option, set_option, verbosity_options


@click.command()
@click.argument("recipe")
@file_option("model.onnx")
@set_option
@format_option
@verbosity_options
@click.pass_obj
def export(
    app: App, recipe: str, output: Path, overrides: tuple[str, ...], output_format: str
) -> None:
    """Export RECIPE's model to ONNX, simplified. Each node keeps its module and Python line."""
    from edgecompile.build.cache import Cache
    from edgecompile.build.stage import export_hub
    from edgecompile.cache_root import default_cache_root
    from edgecompile.recipe.load import load_recipe
    from edgecompile.report.progress import build_progress

    loaded = load_recipe(recipe, overrides)
    with build_progress(app.verbosity, loaded.recipe.name) as progress:
        cache = Cache(default_cache_root())
        export_hub(loaded, output, cache, progress.listener, progress.logs)
    app.result({"file": str(output)}, str(output), output_format)
