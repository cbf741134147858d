"""`edgecompile bom`: what is in an artifact, for tools that read CycloneDX."""

from __future__ import annotations

from pathlib import Path

import click

from edgecompile.cli.app import App
from edgecompile.cli.options import format_option, verbosity_options


@click.command()
@click.argument("dist", type=click.Path(exists=True, file_okay=False, path_type=Path))
@format_option
@verbosity_options
@click.pass_obj
def bom(app: App, dist: Path, output_format: str) -> None:
    """Write a CycloneDX 1.6 ML-BOM, bom.cdx.json, beside each manifest in DIST.

    DIST is an output folder, a model's or a target's folder in it.
    """
    from edgecompile.release.write_bom import write_boms

    files = [file.as_posix() for file in write_boms(dist)]
    app.result(files, "\n".join(files), output_format)
