"""`edgecompile targets`: the devices that are known, and a start for a new one."""

from __future__ import annotations

from pathlib import Path

import click

from edgecompile.cli.app import App
from edgecompile.cli.options import format_option, verbosity_options


@click.group()
def targets() -> None:
    """List, show and start devices."""


@targets.command("list")
@format_option
@verbosity_options
@click.pass_obj
def list_targets(app: App, output_format: str) -> int:
    """List every target: name, backend, precisions, title."""
    from edgecompile.recipe.catalogue import list_entries

    entries, problems = list_entries("targets")
    if output_format == "json":
        app.json([{**entry.data, "name": entry.name} for entry in entries])
    else:
        keys = ("backend", "precisions", "title")
        rows = [(entry.name, *(entry.text(key) for key in keys)) for entry in entries]
        app.columns([("TARGET", "BACKEND", "PRECISIONS", "DEVICE"), *rows])
    return app.problems(problems)


@targets.command("show")
@click.argument("name")
@format_option
@verbosity_options
@click.pass_obj
def show_target(app: App, name: str, output_format: str) -> None:
    """Show one target with its facts and their sources."""
    from edgecompile.recipe.load import load_target

    target = load_target(name)
    if output_format == "json":
        app.json(target.model_dump(mode="json"))
        return
    app.data(f"{target.name}: {target.title}")
    app.columns(
        [
            ("backend", target.backend),
            ("precisions", ", ".join(target.precisions)),
            ("scheme", target.scheme),
            *(("option", f"{key} = {value}") for key, value in target.options.items()),
        ]
    )
    for kind, facts in (("limit", target.limits), ("fact", target.facts)):
        for key, fact in facts.items():
            app.data(f"{kind:10}  {key} = {fact.value} {fact.unit}".rstrip())
            app.data(f"{'':10}    source: {fact.source}")
    if target.notes:
        app.data(f"\n{target.notes.strip()}")


@targets.command("new")
@click.argument("name")
@click.option("--backend", required=True, help="The toolchain that builds for the device.")
@click.option(
    "--in",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("targets"),
    show_default=True,
    help="Folder to put the file in.",
)
@format_option
@verbosity_options
@click.pass_obj
def new_target(app: App, name: str, backend: str, folder: Path, output_format: str) -> None:
    """Write a device's file that is valid as it is, with comments for what to fill in."""
    from edgecompile.scaffold.target import write_target

    written = write_target(name, backend, folder)
    app.wrote(name, [written], f"edgecompile targets show {name}", output_format)
