"""Options that several verbs share, declared once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])

VERBOSE_VARIABLE = "EDGECOMPILE_VERBOSE"
SHARED_VARIABLE = "EDGECOMPILE_SHARED_CACHE"
SIGNING_VARIABLE = "EDGECOMPILE_SIGNING_KEY"


def _louder(ctx: click.Context, param: click.Parameter, times: int) -> None:
    ctx.obj = ctx.obj.louder(times if param.name == "verbose" else -times)


def verbosity_options(command: Command) -> Command:
    """`-v` and `-q`, which work before the verb and after it, and add up."""
    command = click.option(
        "-q",
        "--quiet",
        count=True,
        expose_value=False,
        callback=_louder,
        help="Say nothing on stderr but errors.",
    )(command)
    return click.option(
        "-v",
        "--verbose",
        count=True,
        expose_value=False,
        callback=_louder,
        help="Say more: notes, and the log of the steps.",
    )(command)


targets_option = click.option(
    "-t",
    "--target",
    "target_names",
    multiple=True,
    metavar="TARGET",
    help="A target's name or YAML file, in place of the recipe's; may be repeated.",
)
matrix_option = click.option(
    "-c",
    "--matrix",
    "matrix_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A YAML file of recipes and targets, in place of RECIPE (docs/many-devices.md).",
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


def file_option(default: str) -> Callable[[Command], Command]:
    """``-o FILE`` of a verb that writes one file."""
    return click.option(
        "-o",
        "--output",
        type=click.Path(dir_okay=False, path_type=Path),
        default=Path(default),
        show_default=True,
        help="The file to write.",
    )
