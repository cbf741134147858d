"""`edgecompile check`: what will not work, before anything slow."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

import click

from edgecompile.cli.app import App
from edgecompile.cli.options import format_option, set_option, targets_option, verbosity_options
from edgecompile.findings import Finding


@click.command()
@click.argument("recipe")
@targets_option
@format_option
@set_option
@verbosity_options
@click.pass_obj
def check(
    app: App,
    recipe: str,
    target_names: tuple[str, ...],
    output_format: str,
    overrides: tuple[str, ...],
) -> int:
    """Export RECIPE's model and hold it against the rules of its targets.

    Nothing is quantized or measured. Exit code 4 when a target cannot run the model, 5 when a
    toolchain that the check needs is missing.
    """
    from dataclasses import asdict

    from edgecompile.backends.configure import configure
    from edgecompile.build.build import TOOLCHAIN_RULE, check_targets
    from edgecompile.build.cache import Cache, default_cache_root
    from edgecompile.recipe.load import load_recipe, load_targets
    from edgecompile.report.progress import build_progress
    from edgecompile.report.terminal import finding_lines

    loaded = load_recipe(recipe, overrides)
    targets = configure(loaded, load_targets(loaded, target_names))
    with build_progress(app.verbosity, loaded.recipe.name) as progress:
        found = check_targets(
            loaded, targets, Cache(default_cache_root()), progress.listener, progress.log
        )
    if output_format == "json":
        app.json({name: [asdict(f) for f in findings] for name, findings in found.items()})
    else:
        for name, findings in found.items():
            verdict = "cannot run it" if _has_error(findings) else "can run it"
            if any(finding.rule == TOOLCHAIN_RULE for finding in findings):
                verdict = "not checked"
            app.data(f"{name}: {verdict}")
            for finding in findings:
                app.data("\n".join(f"  {line}" for line in finding_lines(finding)))
    if any(finding.rule == TOOLCHAIN_RULE for finding in chain(*found.values())):
        return 5
    return 4 if any(_has_error(findings) for findings in found.values()) else 0


def _has_error(findings: Sequence[Finding]) -> bool:
    return any(finding.level == "error" for finding in findings)
