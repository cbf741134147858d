"""`edgecompile lock`: write down what a build depends on."""

from __future__ import annotations

from pathlib import Path

import click

from edgecompile.cli.app import App
from edgecompile.cli.options import format_option, set_option, targets_option, verbosity_options


@click.command()
@click.argument("recipe")
@targets_option
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file to write; without it, edgecompile.lock beside the recipe.",
)
@format_option
@set_option
@verbosity_options
@click.pass_obj
def lock(
    app: App,
    recipe: str,
    target_names: tuple[str, ...],
    output: Path | None,
    output_format: str,
    overrides: tuple[str, ...],
) -> None:
    """Write the versions, files and seeds that RECIPE depends on, for `build --locked`."""
    from edgecompile.backends.configure import configure
    from edgecompile.build.package import readable_json, sole_writer, write_whole
    from edgecompile.recipe.load import load_recipe, load_targets
    from edgecompile.release.lock import LOCK, make_lock

    loaded = load_recipe(recipe, overrides)
    targets = configure(loaded, load_targets(loaded, target_names))
    file = output or loaded.folder / LOCK
    data = readable_json(make_lock(loaded, targets))
    with sole_writer(file.parent):
        write_whole(file, data)
    app.result({"file": str(file)}, str(file), output_format)
