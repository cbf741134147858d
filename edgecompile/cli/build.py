"""`edgecompile build`: the main job."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgecompile.cli.app import App
from edgecompile.cli.ci_outputs import write_ci_outputs
from edgecompile.cli.options import (
    SIGNING_VARIABLE,
    format_option,
    no_cache_option,
    output_option,
    set_option,
    targets_option,
    verbosity_options,
)

if TYPE_CHECKING:
    from edgecompile.build.cache import Cache
    from edgecompile.recipe.load import LoadedRecipe
    from edgecompile.recipe.target import Target


FILE = click.Path(dir_okay=False, path_type=Path)


@click.command()
@click.argument("recipe")
@targets_option
@output_option
@format_option
@click.option("--dry-run", is_flag=True, help="Show the steps and which are cached; run nothing.")
@no_cache_option
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
    recipe: str,
    target_names: tuple[str, ...],
    output: Path,
    output_format: str,
    dry_run: bool,
    no_cache: bool,
    junit: Path | None,
    sarif: Path | None,
    signing_key: Path | None,
    locked: bool,
    lock_file: Path | None,
    overrides: tuple[str, ...],
) -> int:
    """Build RECIPE (a folder, a recipe.yaml or a known name) for its targets.

    The accuracy is measured after every step; a broken budget stops the build with exit code 3.
    """
    from edgecompile.backends.configure import configure
    from edgecompile.build.build import BuildOptions
    from edgecompile.build.build import build as build_recipe
    from edgecompile.build.cache import Cache
    from edgecompile.cache_root import default_cache_root
    from edgecompile.recipe.load import load_recipe, load_targets
    from edgecompile.report.html.pages import make_pages
    from edgecompile.report.progress import build_progress

    sign = _signer(app, signing_key)
    loaded = load_recipe(recipe, overrides)
    targets = configure(loaded, load_targets(loaded, target_names))
    if locked or lock_file is not None:
        from edgecompile.release.lock import LOCK, require_locked

        require_locked(lock_file or loaded.folder / LOCK, loaded, targets)
    cache = Cache(default_cache_root())
    if dry_run:
        return _show_plan(app, loaded, targets, cache, output_format)
    with build_progress(app.verbosity, loaded.recipe.name) as progress:
        pages = partial(make_pages, loaded, cache, use_cache=not no_cache, log=progress.log)
        options = BuildOptions(output, cache, not no_cache, progress.log, pages, sign)
        result = build_recipe(loaded, targets, options, progress.listener)
    if output_format == "json":
        app.json({**result.as_json(costs=True), "output": str(output)})
    else:
        from edgecompile.report.terminal import print_build

        print_build(result, output, verbose=app.verbosity > 0)
    write_ci_outputs(app, loaded, result, junit, sarif)
    for error in dict.fromkeys(target.error for target in result.targets if target.error):
        app.error(error)
    return result.exit_code


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


def _show_plan(
    app: App,
    loaded: LoadedRecipe,
    targets: Sequence[Target],
    cache: Cache,
    output_format: str,
) -> int:
    from edgecompile.build.execute import preview
    from edgecompile.build.planning import make_plan

    rows = preview(make_plan(loaded, targets), cache)
    if output_format == "json":
        app.json([{"step": s.name, "target": s.target, "state": state} for s, state in rows])
    else:
        app.columns([("STEP", "STATE"), *((step.name, state) for step, state in rows)])
    return 0
