"""`edgecompile compile`: a hub file in a target's own format."""

from __future__ import annotations

from pathlib import Path

import click

from edgecompile.cli.app import App
from edgecompile.cli.options import format_option, verbosity_options


@click.command("compile")
@click.argument("hub", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--target", "-t", "target_name", required=True, help="The device.")
@click.option(
    "-o",
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="Folder for the artifact; what is there is replaced.",
)
@format_option
@verbosity_options
@click.pass_obj
def compile_file(app: App, hub: Path, target_name: str, output: Path, output_format: str) -> None:
    """Lower HUB (an ONNX file of `edgecompile export` or `quantize`) for a target.

    Nothing is measured: `edgecompile eval` measures the artifact.
    """
    from edgecompile.build.cache import Cache
    from edgecompile.build.stage import compile_hub
    from edgecompile.cache_root import default_cache_root
    from edgecompile.recipe.load import load_target
    from edgecompile.report.progress import build_progress

    target = load_target(target_name)
    with build_progress(app.verbosity, hub.name) as progress:
        cache = Cache(default_cache_root())
        artifact = compile_hub(hub, target, output, cache, progress.listener, progress.logs)
    app.result({"file": str(artifact)}, str(artifact), output_format)
