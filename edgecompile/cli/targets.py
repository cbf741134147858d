"""`edgecompile targets`: the devices that are known."""

from __future__ import annotations

import click

from edgecompile.cli.app import App
from edgecompile.cli.options import format_option, verbosity_options


@click.group()
def targets() -> None:
    """List and show devices."""


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
