"""The command group: verbs are imported when they are called, errors become exit codes."""

from __future__ import annotations

import errno
import importlib
import json
import os
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import click

import edgecompile
from edgecompile.cli.options import SIGNING_VARIABLE, VERBOSE_VARIABLE, verbosity_options
from edgecompile.errors import ContractError, EdgecompileError, UserError

_VERBS = {
    "build": ("edgecompile.cli.build:build", "Build a recipe for its targets."),
    "export": ("edgecompile.cli.export:export", "Export a recipe's model to ONNX."),
    "prune": ("edgecompile.cli.prune:prune", "Take channels or weights out of the network."),
    "quantize": ("edgecompile.cli.quantize:quantize", "Decide the numbers of an ONNX hub."),
    "compile": ("edgecompile.cli.compile:compile_file", "Lower an ONNX hub for a target."),
    "check": ("edgecompile.cli.check:check", "Say what will not work on a target, fast."),
    "inspect": ("edgecompile.cli.inspect:inspect_artifact", "Show what an artifact holds."),
    "eval": ("edgecompile.cli.evaluate:evaluate", "Measure one artifact on a recipe's data."),
    "compare": ("edgecompile.cli.compare:compare", "Say what a change cost, target by target."),
    "lock": ("edgecompile.cli.lock:lock", "Write down what a build depends on."),
    "verify": ("edgecompile.cli.verify:verify", "Say whether artifacts are as they were built."),
    "bom": ("edgecompile.cli.bom:bom", "Write what is in an artifact as CycloneDX."),
    "matrix": ("edgecompile.cli.matrix:matrix", "List recipes with their targets, for CI."),
    "recipes": ("edgecompile.cli.recipes:recipes", "List, show and start recipes."),
    "targets": ("edgecompile.cli.targets:targets", "List, show and start devices."),
    "backends": ("edgecompile.cli.backends:backends", "List toolchains, start a new one."),
    "conformance": ("edgecompile.cli.conformance:conformance", "Judge a backend by many cases."),
    "cache": ("edgecompile.cli.cache:cache", "Show or clear the cache of finished steps."),
    "doctor": ("edgecompile.cli.doctor:doctor", "Say what is installed and what is missing."),
}


@dataclass(frozen=True)
class App:
    """What every verb shares: where output goes, and how much of it there is."""

    verbosity: int = 0
    signing_key: str = field(default="", repr=False)
    """What $EDGECOMPILE_SIGNING_KEY said: a path or the key itself, never to be shown."""

    def louder(self, by: int) -> App:
        """The same application, `by` levels more talkative; less when negative."""
        return replace(self, verbosity=self.verbosity + by)

    def data(self, text: str) -> None:
        """Data for programs and pipes: stdout."""
        click.echo(text)

    def json(self, value: Any) -> None:
        """One JSON document on stdout."""
        click.echo(json.dumps(value, indent=2, sort_keys=True, allow_nan=False))

    def result(self, value: Any, text: str, output_format: str) -> None:
        """What a verb made: as JSON, or as text for people and pipes."""
        if output_format == "json":
            self.json(value)
        else:
            self.data(text)

    def say(self, text: str) -> None:
        """A sentence for a person: stderr, silent under -q."""
        if self.verbosity >= 0:
            click.echo(text, err=True)

    def error(self, text: str) -> None:
        """What went wrong: stderr, whatever the verbosity."""
        click.echo(text, err=True)

    def wrote(self, name: str, files: Sequence[Path], step: str, output_format: str) -> None:
        """What a scaffold left behind, and the `step` to take next."""
        if output_format == "json":
            self.json({"name": name, "files": [str(file) for file in files]})
            return
        for file in files:
            self.say(f"wrote {file}")
        self.say(f"next: {step}")

    def problems(self, errors: Sequence[EdgecompileError]) -> int:
        """What is wrong beside the data that were given all the same; returns the exit code."""
        for error in errors:
            self.error(error.render())
        return max((error.exit_code for error in errors), default=0)

    def columns(self, rows: Sequence[Sequence[str]]) -> None:
        """Rows in aligned columns on stdout (plain, so that `targets list | grep` works)."""
        widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))] if rows else []
        for row in rows:
            cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
            click.echo("  ".join(cells).rstrip())


class LazyGroup(click.Group):
    """Lists its verbs without importing them: `--help` needs neither pydantic nor torch."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The verbs in the order in which a newcomer meets them."""
        return list(_VERBS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """Import the verb's file and return its command."""
        if name not in _VERBS:
            return None
        module, _, attribute = _VERBS[name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of verbs, from the table alone."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in _VERBS.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, with a suggestion for a misspelt verb."""
        import difflib

        name = args[0]
        if name not in _VERBS and not name.startswith("-"):
            close = difflib.get_close_matches(name, _VERBS, n=1)
            hint = f" Did you mean '{close[0]}'?" if close else ""
            ctx.fail(f"No such command '{name}'.{hint}")
        return super().resolve_command(ctx, args)


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(edgecompile.__version__, prog_name="edgecompile")
@verbosity_options
def cli() -> None:
    """One PyTorch model in, one validated artifact per edge device out.

    Exit codes: 0 built, 2 wrong input, 3 a budget was broken, 4 the target cannot run this model,
    5 a toolchain is missing, 6 a toolchain failed.

    Environment: EDGECOMPILE_DATA (pretrained models and data sets), EDGECOMPILE_CACHE (finished
    steps), EDGECOMPILE_PATH (more folders with recipes/ and targets/), EDGECOMPILE_SIGNING_KEY
    (signs what is built), EDGECOMPILE_VERBOSE (as many -v).
    """


_ENVIRONMENT = {errno.EACCES, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.ENOSPC, errno.EROFS}
"""Failures of the machine, not of edgecompile: a full disk, a device that is gone."""

_VERBOSE = re.compile(r"^(-v+|--verbose)$")


def _level_in_environment() -> int:
    written = os.environ.get(VERBOSE_VARIABLE, "0") or "0"
    if not written.isdecimal():
        raise UserError(f"{VERBOSE_VARIABLE} is '{written}': it must be a number, as 1 for -v")
    return int(written)


def run(arguments: list[str]) -> int:
    """Run the command line; returns the exit code, prints errors on stderr."""
    try:
        # The key is taken out: a recipe's code and the toolchains run in children of this process.
        app = App(_level_in_environment(), os.environ.pop(SIGNING_VARIABLE, ""))
        result = cli.main(arguments, prog_name="edgecompile", standalone_mode=False, obj=app)
        sys.stdout.flush()  # what cannot be written is to be told here, not at exit
        return result if isinstance(result, int) else 0
    except EdgecompileError as error:
        click.echo(error.render(), err=True)
        return error.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo(
            "stopped; finished steps are kept and the next build goes on from them", err=True
        )
        return 130
    except BrokenPipeError:
        # The reader of a pipe went away (`| head`): not an error, and nothing more can be said.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        return _tell(error, arguments)


def _tell(error: Exception, arguments: list[str]) -> int:
    """Tell what no part of edgecompile expected; returns the exit code."""
    if isinstance(error, OSError) and error.errno in _ENVIRONMENT:
        where = f" ({error.filename})" if error.filename else ""
        click.echo(f"error: {error.strerror}{where}", err=True)
        return EdgecompileError.exit_code
    if _level_in_environment() or any(_VERBOSE.match(argument) for argument in arguments):
        import traceback

        traceback.print_exception(error)
    click.echo(
        f"internal error: {type(error).__name__}: {error}\n"
        "help: this is a bug of edgecompile; `edgecompile -v ...` prints the traceback",
        err=True,
    )
    return ContractError.exit_code
