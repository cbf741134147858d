"""`edgecompile conformance`: the same black-box cases over any backend."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgecompile.cli.app import App
from edgecompile.cli.options import verbosity_options

if TYPE_CHECKING:
    from edgecompile.conformance.judge import Verdict
    from edgecompile.conformance.suite import Conformance, Network


@click.command()
@click.argument("backend")
@click.option(
    "-t",
    "--target",
    "target_names",
    multiple=True,
    metavar="TARGET",
    help="A target of the backend; may be repeated. Else the first that has a precision.",
)
@click.option("--precision", "precisions", multiple=True, help="Only this one; may be repeated.")
@click.option("--operator", "operators", multiple=True, help="Only this one; may be repeated.")
@click.option("--quick", is_flag=True, help="One case of each operator.")
@click.option(
    "--packs", is_flag=True, help="Whole networks too: every recipe whose files are here."
)
@click.option(
    "--format",
    "output_format",
    type=click.Choice(["text", "json", "markdown"]),
    default="text",
    envvar="EDGECOMPILE_FORMAT",
    show_envvar=True,
    help="json: one document on stdout; markdown: the table for a page.",
)
@verbosity_options
@click.pass_obj
def conformance(
    app: App,
    backend: str,
    target_names: tuple[str, ...],
    precisions: tuple[str, ...],
    operators: tuple[str, ...],
    quick: bool,
    packs: bool,
    output_format: str,
) -> int:
    """Judge BACKEND by graphs of one operator, in each precision of its targets.

    Each is checked, lowered and run as in a build and compared with ONNX Runtime on the same hub.
    A refusal is fine; with anything wrong or crashed the exit code is 6.
    """
    from edgecompile.conformance.choose import choose_cases
    from edgecompile.conformance.show import as_data, as_markdown
    from edgecompile.conformance.suite import conform, targets_by_precision
    from edgecompile.errors import ToolchainFailed

    targets = targets_by_precision(backend, target_names, precisions)
    cases = choose_cases(operators, quick)

    def tell(precision: str, verdicts: Sequence[Verdict]) -> None:
        app.say(f"{precision}: {_counts(verdicts)}")

    with _networks(app, packs) as networks:
        found = conform(backend, targets, cases, networks, tell)
    if output_format == "json":
        app.json(as_data(found))
    elif output_format == "markdown":
        app.data(as_markdown(found))
    else:
        _show(app, found)
    return ToolchainFailed.exit_code if found.failures else 0


def _show(app: App, found: Conformance) -> None:
    from edgecompile.conformance.show import remarks, table

    app.columns(table(found))
    app.data("")
    for line in remarks(found):
        app.data(line)
    versions = ", ".join(f"{tool} {version}" for tool, version in found.probe.versions.items())
    app.data(f"{_counts(found.verdicts)}; evidence {found.backend.evidence}; {versions}")


def _counts(verdicts: Sequence[Verdict]) -> str:
    counts = dict.fromkeys(("ok", "finer", "refused", "wrong", "crashed"), 0)
    for verdict in verdicts:
        if verdict.status in counts:
            counts[verdict.status] += 1
    if not counts["finer"]:
        del counts["finer"]  # of one backend
    return ", ".join(f"{count} {status}" for status, count in counts.items())


@contextmanager
def _networks(app: App, packs: bool) -> Iterator[list[Network]]:
    """The float hub and samples of every recipe whose files are here; of none without `packs`."""
    from tempfile import TemporaryDirectory

    if not packs:
        yield []
        return
    from edgecompile.build.cache import Cache
    from edgecompile.cache_root import default_cache_root
    from edgecompile.conformance.networks import network_of
    from edgecompile.errors import UserError
    from edgecompile.recipe.search import find_all
    from edgecompile.report.progress import build_progress

    cache = Cache(default_cache_root())
    with TemporaryDirectory(prefix="edgecompile-conformance-") as folder:
        found = []
        for name in find_all("recipes"):
            try:
                with build_progress(app.verbosity, name) as progress:
                    found.append(
                        network_of(name, Path(folder), cache, progress.listener, progress.logs)
                    )
            except UserError as error:
                app.say(f"left out: {name}: {error.message}")
        yield found
