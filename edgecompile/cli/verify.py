"""`edgecompile verify`: is this what was built, and who signed it?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgecompile.cli.app import App
from edgecompile.cli.options import format_option, set_option, verbosity_options
from edgecompile.errors import UserError

if TYPE_CHECKING:
    from edgecompile.release.verify import Verified


@click.command()
@click.argument("dist", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--key",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="PEM of the Ed25519 public key that must have signed.",
)
@click.option(
    "--rebuild", is_flag=True, help="Build again from the recipe, without a cache, and compare."
)
@click.option("--recipe", "-r", help="The recipe for --rebuild.")
@format_option
@set_option
@verbosity_options
@click.pass_obj
def verify(
    app: App,
    dist: Path,
    key: Path | None,
    rebuild: bool,
    recipe: str | None,
    output_format: str,
    overrides: tuple[str, ...],
) -> int:
    """Hold every file in DIST against the manifests, and these against their signatures.

    DIST is an output folder, a model's or a target's folder in it. Exit code 2 when a file was
    changed, is missing or is one too many, when a signature does not hold, or when --rebuild gives
    other bytes: the first step that differs is named.
    """
    from edgecompile.release.signature import public_key
    from edgecompile.release.verify import verify as verify_folder

    if rebuild != (recipe is not None):
        raise click.UsageError("--rebuild and --recipe go together")
    found = verify_folder(dist, None if key is None else public_key(key))
    if recipe is not None and not any(one.problems for one in found):
        again = _build_again(app, dist, recipe, overrides)
        found = [one.rebuilt(again[one.folder]) if one.folder in again else one for one in found]
    exit_code = UserError.exit_code if any(one.problems for one in found) else 0
    if output_format == "json":
        app.json(
            {
                "schema": "edgecompile.verification/1",
                "folders": [one.as_json() for one in found],
                "exit_code": exit_code,
            }
        )
    else:
        for one in found:
            _show(app, one)
    for one in found:
        for problem in one.problems:
            app.error(f"error: {one.folder}: {problem}")
    return exit_code


def _build_again(
    app: App, dist: Path, recipe: str, overrides: tuple[str, ...]
) -> dict[Path, list[str]]:
    """How each target's folder differs from what the recipe gives today, with an empty cache."""
    import asyncio
    import tempfile

    from edgecompile.build.build import BuildOptions
    from edgecompile.build.cache import Cache
    from edgecompile.build.execute import Execution
    from edgecompile.build.workers import LocalWorkers
    from edgecompile.recipe.load import load_recipe
    from edgecompile.release.rebuild import rebuild
    from edgecompile.report.html.pages import make_pages
    from edgecompile.report.progress import build_progress

    loaded = load_recipe(recipe, overrides)
    with (
        tempfile.TemporaryDirectory(prefix="edgecompile-") as folder,
        build_progress(app.verbosity, loaded.recipe.name) as progress,
    ):
        cache = Cache(Path(folder) / "cache")
        options = BuildOptions(Path(folder) / "dist", cache, make_pages)

        async def again() -> dict[Path, list[str]]:
            async with LocalWorkers(progress.logs) as workers:
                how = Execution(workers)
                return await rebuild(dist, loaded, options, how, progress.listener)

        return asyncio.run(again())


_SIGNED = {
    "no": "not signed",
    "broken": "signature broken",
    "other key": "signed by another key",
    "unknown key": "signed, by a key that was not named (--key)",
    "yes": "signed by the key",
}


def _show(app: App, one: Verified) -> None:
    if one.signed is not None:
        state = "WRONG" if one.problems else "whole"
        again = ", built again with the same bytes" if one.same_again else ""
        app.data(f"{state}  {one.folder}  {one.files} files, {_SIGNED[one.signed]}{again}")
        if one.fingerprint is not None:
            app.data(f"       key {one.fingerprint}")
    for note in one.notes:
        app.data(f"note   {one.folder}: {note}")
