"""`edgecompile eval`: one artifact on one recipe's data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from edgecompile.cli.app import App
from edgecompile.cli.options import format_option, set_option, verbosity_options


@click.command("eval")
@click.argument("artifact", type=click.Path(exists=True, path_type=Path))
@click.option("--recipe", "-r", required=True, help="The recipe whose data and metric are used.")
@click.option("--target", "-t", "target_name", help="The target whose runtime options are used.")
@click.option(
    "--export",
    "exported",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the evaluation samples to this .npy, for a device to run; nothing is measured.",
)
@click.option(
    "--import",
    "imported",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Measure the outputs that a device made: the JSON file that it left.",
)
@format_option
@set_option
@verbosity_options
@click.pass_obj
def evaluate(
    app: App,
    artifact: Path,
    recipe: str,
    target_name: str | None,
    exported: Path | None,
    imported: Path | None,
    output_format: str,
    overrides: tuple[str, ...],
) -> None:
    """Run ARTIFACT (a file or a target's folder) on the evaluation data of a recipe.

    For a device that this machine cannot reach: --export the samples, run them there, --import
    the result.
    """
    from edgecompile.backends.configure import configure
    from edgecompile.backends.files import main_file
    from edgecompile.build.artifact import (
        evaluate_artifact,
        evaluate_device_result,
        export_samples,
    )
    from edgecompile.build.cache import Cache
    from edgecompile.cache_root import default_cache_root
    from edgecompile.recipe.load import load_recipe, load_target
    from edgecompile.report.progress import build_progress

    loaded = load_recipe(recipe, overrides)
    targets = configure(loaded, [load_target(target_name)] if target_name else [])
    options = targets[0].options if targets else {}
    path, cache = main_file(artifact), Cache(default_cache_root())
    with build_progress(app.verbosity, loaded.recipe.name) as progress:
        watching = (cache, progress.listener, progress.logs)
        if exported is not None:
            export_samples(loaded, exported, *watching)
        elif imported is not None:
            measured = evaluate_device_result(loaded, path, imported, *watching)
        else:
            measured = evaluate_artifact(loaded, path, options, *watching)
    if exported is not None:
        app.result({"file": str(exported)}, str(exported), output_format)
    elif output_format == "json":
        app.json(measured)
    else:
        app.columns(_rows(measured))


def _rows(measured: dict[str, Any]) -> list[tuple[str, str]]:
    agreement = measured["agreement"]["baseline"]
    decibel = "equal" if agreement["sqnr_db"] is None else f"{agreement['sqnr_db']:.1f} dB"
    rows = [
        (measured["name"], f"{measured['metric']:.4f}"),
        ("pytorch", f"{measured['baseline']:.4f}"),
        ("samples", f"{measured['samples']:,}"),
        ("evidence", measured["evidence"]),
        ("SQNR", f"{decibel} against PyTorch, largest difference {agreement['max_abs']:g}"),
    ]
    device = measured.get("device")
    if device is not None:
        rows.append(("device", f"{device['device']}, {device['system']}"))
        latency = device["latency_ms"]
        if latency is not None:
            figures = ", ".join(f"{name} {latency[name]:.3g}" for name in ("p50", "p90", "p99"))
            rows.append(("latency", f"{figures} ms over {latency['runs']:,} runs"))
        places = ", ".join(f"{count} on {name}" for name, count in device["placement"].items())
        if places:
            rows.append(("operators", places))
    return rows
