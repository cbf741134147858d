"""`edgecompile build`: the main job."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgecompile.cli.app import App
from edgecompile.cli.ci_outputs import write_ci_outputs
from edgecompile.cli.entries import chosen_entries
from edgecompile.cli.options import (
    SHARED_VARIABLE,
    SIGNING_VARIABLE,
    format_option,
    matrix_option,
    no_cache_option,
    output_option,
    set_option,
    targets_option,
    verbosity_options,
)

if TYPE_CHECKING:
    from edgecompile.build.cache import Cache
    from edgecompile.build.cluster import ClusterWorkers
    from edgecompile.build.matrix import Entry, EntryResult
    from edgecompile.build.store import Store
    from edgecompile.build.workers import LocalWorkers


FILE = click.Path(dir_okay=False, path_type=Path)


@click.command()
@click.argument("recipes", nargs=-1, metavar="RECIPE...")
@matrix_option
@targets_option
@output_option
@format_option
@click.option("--dry-run", is_flag=True, help="Show the steps and which are cached; run nothing.")
@no_cache_option
@click.option(
    "-j",
    "--jobs",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Steps at once, each in a process of its own, as far as memory goes.",
)
@click.option(
    "-k", "--keep-going", is_flag=True, help="Begin further recipes after one of them has failed."
)
@click.option(
    "--scheduler",
    metavar="URL",
    help="Carry out the steps on a Dask cluster, tcp://HOST:8786, in place of --jobs.",
)
@click.option(
    "--shared-cache",
    "shared",
    metavar="URL",
    envvar=SHARED_VARIABLE,
    show_envvar=True,
    help="Take finished steps from there, and give them: file:///mnt/cache, s3://bucket/cache.",
)
@click.option("--junit", type=FILE, help="Write JUnit XML: a case for each step and target.")
@click.option("--sarif", type=FILE, help="Write SARIF 2.1.0: findings on lines of your Python.")
@click.option(
    "--sign",
    "signing_key",
    type=FILE,
    help=f"PEM of an Ed25519 private key: sign the manifests. Or its path or text in "
    f"${SIGNING_VARIABLE}.",
)
@click.option(
    "--locked", is_flag=True, help="Refuse where something differs from edgecompile.lock."
)
@click.option("--lock", "lock_file", type=FILE, help="--locked by this file, not the recipe's.")
@set_option
@verbosity_options
@click.pass_obj
def build(
    app: App,
    recipes: tuple[str, ...],
    matrix_file: Path | None,
    target_names: tuple[str, ...],
    output: Path,
    output_format: str,
    dry_run: bool,
    no_cache: bool,
    jobs: int,
    keep_going: bool,
    scheduler: str | None,
    shared: str | None,
    junit: Path | None,
    sarif: Path | None,
    signing_key: Path | None,
    locked: bool,
    lock_file: Path | None,
    overrides: tuple[str, ...],
) -> int:
    """Build each RECIPE (a folder, a recipe.yaml or a known name) for its targets.

    The accuracy is measured after every step; a broken budget stops the build with exit code 3. One
    failing target does not stop the others.
    """
    import asyncio

    from edgecompile.build.build import BuildOptions
    from edgecompile.build.cache import Cache
    from edgecompile.build.execute import Execution
    from edgecompile.build.matrix import build_all
    from edgecompile.build.shared_cache import SharedCache
    from edgecompile.build.store import Store
    from edgecompile.cache_root import default_cache_root
    from edgecompile.report.html.pages import make_pages
    from edgecompile.report.progress import build_progress

    sign = _signer(app, signing_key)
    entries = chosen_entries(recipes, matrix_file, target_names, overrides)
    if locked or lock_file is not None:
        _require_locked(entries, lock_file)
    if scheduler is not None and shared is None:
        raise click.UsageError(
            "--scheduler needs --shared-cache URL: through it the machines exchange what they make"
        )
    store = None if shared is None else Store(shared)
    root = default_cache_root()
    cache = Cache(root) if store is None else SharedCache(root, store)
    if dry_run:
        return _show_plan(app, entries, cache, output_format)
    title = entries[0].model if len(entries) == 1 else f"{len(entries)} recipes"
    with build_progress(app.verbosity, title) as progress:

        async def all_of_them() -> list[EntryResult]:
            async with _workers(progress.logs, jobs, scheduler, store) as workers:
                return await build_all(
                    entries,
                    BuildOptions(output, cache, make_pages, sign),
                    Execution(workers, not no_cache),
                    progress.listener_of,
                    at_once=await workers.size(),
                    keep_going=keep_going,
                )

        results = asyncio.run(all_of_them())
    alone = len(recipes) == 1 and matrix_file is None
    _report(app, results, output, output_format, alone)
    write_ci_outputs(app, results, junit, sarif)
    for error in dict.fromkeys(error for one in results for error in one.errors):
        app.error(error)
    return max(one.exit_code for one in results)


def _workers(
    logs: Path, jobs: int, scheduler: str | None, store: Store | None
) -> LocalWorkers | ClusterWorkers:
    if scheduler is None or store is None:
        from edgecompile.build.workers import LocalWorkers

        return LocalWorkers(logs, jobs)
    from edgecompile.build.cluster import ClusterWorkers

    return ClusterWorkers(scheduler, store)


def _report(
    app: App, results: Sequence[EntryResult], output: Path, output_format: str, alone: bool
) -> None:
    """Print what was built: of one recipe all there is to say, of several a line for each target.

    As JSON, several are a list, and each that has no result is told with its error.
    """
    if output_format == "json":
        bodies = [{**one.as_json(costs=True), "output": str(output)} for one in results]
        if not alone:
            app.json(bodies)
        elif results[0].result is not None:
            app.json(bodies[0])
        return
    from edgecompile.report.matrix import print_matrix
    from edgecompile.report.terminal import print_build

    for one in results:
        if one.result is not None and (alone or app.verbosity > 0):
            print_build(one.result, output, verbose=app.verbosity > 0)
    if not alone:
        print_matrix(results, output)


def _require_locked(entries: Sequence[Entry], lock_file: Path | None) -> None:
    from edgecompile.release.lock import LOCK, require_locked

    if lock_file is not None and len(entries) > 1:
        raise click.UsageError("--lock names the lock of one recipe; with several use --locked")
    for entry in entries:
        require_locked(lock_file or entry.loaded.folder / LOCK, entry.loaded, entry.targets)


def _signer(app: App, file: Path | None) -> Callable[[bytes], bytes] | None:
    """What signs manifests with the key that was given; None without one."""
    if file is None and not app.signing_key:
        return None
    from edgecompile.release.signature import private_key, sign

    if file is not None:
        key = private_key(str(file), "--sign")
    else:
        key = private_key(app.signing_key, f"${SIGNING_VARIABLE}")
    return lambda manifest: sign(key, manifest).as_bytes()


def _show_plan(app: App, entries: Sequence[Entry], cache: Cache, output_format: str) -> int:
    from edgecompile.build.execute import preview
    from edgecompile.build.planning import make_plan

    rows = [
        (entry.model, step, state)
        for entry in entries
        for step, state in preview(make_plan(entry.loaded, entry.targets), cache)
    ]
    several = len(entries) > 1
    if output_format == "json":
        app.json(
            [
                {
                    **({"model": m} if several else {}),
                    "step": s.name,
                    "target": s.target,
                    "state": d,
                }
                for m, s, d in rows
            ]
        )
    elif several:
        lines = [(model, step.name, state) for model, step, state in rows]
        app.columns([("MODEL", "STEP", "STATE"), *lines])
    else:
        app.columns([("STEP", "STATE"), *((step.name, state) for _, step, state in rows)])
    return 0
