"""`edgecompile backends`: the toolchains that are known, and a start for a new one."""

from __future__ import annotations

from pathlib import Path

import click

from edgecompile.cli.app import App
from edgecompile.cli.options import format_option, verbosity_options


@click.group()
def backends() -> None:
    """List toolchains and start a package for a new one."""


@backends.command("list")
@format_option
@verbosity_options
@click.pass_obj
def list_backends(app: App, output_format: str) -> int:
    """List every backend: name, where it comes from, what it writes, evidence, targets."""
    from edgecompile.backends.registry import backend_package, loaded_backends
    from edgecompile.recipe.catalogue import list_entries

    entries, wrong_targets = list_entries("targets")
    loaded, broken = loaded_backends()
    targets = {
        backend.name: [e.name for e in entries if e.data.get("backend") == backend.name]
        for backend in loaded
    }
    if output_format == "json":
        app.json(
            [
                {
                    "name": backend.name,
                    "package": backend_package(backend.name),
                    "artifact": backend.main_file,
                    "evidence": backend.evidence,
                    "targets": targets[backend.name],
                }
                for backend in loaded
            ]
        )
    else:
        rows = [
            (
                backend.name,
                backend_package(backend.name) or "built in",
                backend.main_file,
                backend.evidence,
                str(len(targets[backend.name])),
            )
            for backend in loaded
        ]
        app.columns([("BACKEND", "FROM", "ARTIFACT", "EVIDENCE", "TARGETS"), *rows])
    return app.problems([*broken, *wrong_targets])


@backends.command("new")
@click.argument("name")
@click.option(
    "--in",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(),
    show_default=True,
    help="Folder to put the package's folder in.",
)
@format_option
@verbosity_options
@click.pass_obj
def new_backend(app: App, name: str, folder: Path, output_format: str) -> None:
    """Write a package with a backend that works: it writes ONNX, until you replace that."""
    from edgecompile.scaffold.package import write_package

    written = write_package(name, folder)
    app.wrote(name, written, f"pip install -e {written[0].parent}", output_format)
