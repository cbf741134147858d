"""`edgecompile eval`: one artifact on one recipe's data."""

from __future__ import annotations

from pathlib import Path

import click

from edgecompile.cli.app import App
from edgecompile.cli.options import format_option, set_option, verbosity_options


@click.command("eval")
@click.argument("artifact", type=click.Path(exists=True, path_type=Path))
@click.option("--recipe", "-r", required=True, help="The recipe whose data and metric are used.")
@click.option("--target", "-t", "target_name", help="The target whose runtime options are used.")
@format_option
@set_option
@verbosity_options
@click.pass_obj
def evaluate(
    app: App,
    artifact: Path,
    recipe: str,
    target_name: str | None,
    output_format: str,
    overrides: tuple[str, ...],
) -> None:
    """Run ARTIFACT (a file or a target's folder) on the evaluation data of a recipe."""
    from edgecompile.backends.configure import configure
    from edgecompile.backends.files import main_file
    from edgecompile.build.artifact import evaluate_artifact
    from edgecompile.build.cache import Cache, default_cache_root
    from edgecompile.recipe.load import load_recipe, load_target
    from edgecompile.report.progress import build_progress

    loaded = load_recipe(recipe, overrides)
    targets = configure(loaded, [load_target(target_name)] if target_name else [])
    options = targets[0].options if targets else {}
    with build_progress(app.verbosity, loaded.recipe.name) as progress:
        measured = evaluate_artifact(
            loaded,
            main_file(artifact),
            options,
            Cache(default_cache_root()),
            progress.listener,
            progress.log,
        )
    if output_format == "json":
        app.json(measured)
        return
    from edgecompile.report.terminal import samples_sentence

    agreement = measured["agreement"]["baseline"]
    decibel = "equal" if agreement["sqnr_db"] is None else f"{agreement['sqnr_db']:.1f} dB"
    app.columns(
        [
            (measured["name"], f"{measured['metric']:.4f}"),
            ("pytorch", f"{measured['baseline']:.4f}"),
            ("samples", samples_sentence(measured["samples"], measured["all_samples"])),
            ("evidence", measured["evidence"]),
            ("SQNR", f"{decibel} against PyTorch, largest difference {agreement['max_abs']:g}"),
        ]
    )
