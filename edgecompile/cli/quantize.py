"""`edgecompile quantize`: the hub with its numbers decided, before a backend writes them."""

from __future__ import annotations

from pathlib import Path

import click

from edgecompile.cli.app import App
from edgecompile.cli.options import file_option, format_option, set_option, verbosity_options


@click.command()
@click.argument("recipe")
@click.option("--target", "-t", "target_name", required=True, help="Decides the scheme.")
@click.option(
    "--hub",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A float ONNX file in place of the recipe's model (`edgecompile export`).",
)
@file_option("quantized.onnx")
@set_option
@format_option
@verbosity_options
@click.pass_obj
def quantize(
    app: App,
    recipe: str,
    target_name: str,
    hub: Path | None,
    output: Path,
    overrides: tuple[str, ...],
    output_format: str,
) -> None:
    """Quantize RECIPE's model for a target, with the recipe's calibration data and wishes."""
    from edgecompile.backends.configure import configure
    from edgecompile.build.cache import Cache
    from edgecompile.build.stage import quantize_hub
    from edgecompile.cache_root import default_cache_root
    from edgecompile.recipe.load import load_recipe, load_targets
    from edgecompile.report.compression import print_account
    from edgecompile.report.progress import build_progress

    loaded = load_recipe(recipe, overrides)
    (target,) = configure(loaded, load_targets(loaded, [target_name]))
    with build_progress(app.verbosity, loaded.recipe.name) as progress:
        cache = Cache(default_cache_root())
        _, account = quantize_hub(
            loaded, target, hub, output, cache, progress.listener, progress.logs
        )
    if app.verbosity >= 0:
        print_account(account)
    app.result({"file": str(output), **account}, str(output), output_format)
