"""Options that several verbs share, declared once."""

from __future__ import annotations

from pathlib import Path

import click

targets_option = click.option(
    "-t",
    "--target",
    "target_names",
    multiple=True,
    metavar="TARGET",
    help="A target's name or YAML file, in place of the recipe's; may be repeated.",
)
set_option = click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="Override a key of the recipe: --set stages.quantize.precision=fp16.",
)
format_option = click.option(
    "--format",
    "output_format",
    type=click.Choice(["text", "json"]),
    default="text",
    envvar="EDGECOMPILE_FORMAT",
    show_envvar=True,
    help="json: one document on stdout and nothing else there.",
)
no_cache_option = click.option(
    "--no-cache", is_flag=True, help="Carry out every step, whatever was finished before."
)
output_option = click.option(
    "-o",
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("dist"),
    show_default=True,
    help="Folder for the artifacts: OUTPUT/MODEL/TARGET/.",
)
