"""`edgecompile cache`: finished steps on disk."""

from __future__ import annotations

import click

from edgecompile.cli.app import App
from edgecompile.cli.options import format_option, verbosity_options


@click.group()
def cache() -> None:
    """Show or clear the cache of finished steps."""


@cache.command()
@format_option
@verbosity_options
@click.pass_obj
def info(app: App, output_format: str) -> None:
    """Where the cache is, and how large."""
    from edgecompile.build.cache import Cache
    from edgecompile.cache_root import default_cache_root

    store = Cache(default_cache_root())
    steps, size = store.size()
    if output_format == "json":
        app.json({"folder": str(store.root), "steps": steps, "bytes": size})
        return
    app.columns(
        [("folder", str(store.root)), ("steps", str(steps)), ("size", f"{size / 1e6:.1f} MB")]
    )


@cache.command()
@format_option
@verbosity_options
@click.pass_obj
def clear(app: App, output_format: str) -> None:
    """Remove every finished step. Artifacts that were built stay."""
    from edgecompile.build.cache import Cache
    from edgecompile.cache_root import default_cache_root

    store = Cache(default_cache_root())
    steps, size = store.size()
    store.clear()
    if output_format == "json":
        app.json({"folder": str(store.root), "removed_steps": steps, "removed_bytes": size})
        return
    app.say(f"removed {steps} steps, {size / 1e6:.1f} MB")
