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
def list_targets(app: App, output_format: str) -> None:
    """List every target: name, backend, precisions, title."""
    from edgecompile.recipe.document import read_document
    from edgecompile.recipe.search import find_all

    # Read, not validated: a list must be quick, and one wrong file must not hide the others.
    found = [(name, read_document(path).data) for name, path in find_all("targets").items()]
    if output_format == "json":
        app.json([{"name": name, **data} for name, data in found])
        return
    rows = [
        (
            name,
            str(data.get("backend", "?")),
            ",".join(str(p) for p in data.get("precisions", [])),
            str(data.get("title", "")),
        )
        for name, data in found
    ]
    app.columns([("TARGET", "BACKEND", "PRECISIONS", "DEVICE"), *rows])


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
