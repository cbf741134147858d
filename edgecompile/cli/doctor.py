"""`edgecompile doctor`: what is installed, what is missing and how to get it."""

from __future__ import annotations

import click

from edgecompile.cli.app import App
from edgecompile.cli.options import format_option, verbosity_options


@click.command()
@format_option
@verbosity_options
@click.pass_obj
def doctor(app: App, output_format: str) -> int:
    """Say what is installed and what is missing."""
    import platform

    from edgecompile.backends.registry import loaded_backends
    from edgecompile.backends.toolchain import probe_toolchain
    from edgecompile.cache_root import default_cache_root
    from edgecompile.recipe.paths import DATA_VARIABLE, data_folder

    loaded, broken = loaded_backends()
    probes = {backend.name: probe_toolchain(backend) for backend in loaded}
    data = data_folder()
    if output_format == "json":
        app.json(
            {
                "python": platform.python_version(),
                "machine": platform.machine(),
                "cache": str(default_cache_root()),
                "data": str(data) if data is not None and data.is_dir() else None,
                "backends": {
                    name: {
                        "available": probe.available,
                        "versions": probe.versions,
                        "remedy": probe.remedy,
                    }
                    for name, probe in probes.items()
                },
            }
        )
        return app.problems(broken)
    rows = [
        ("python", "ok", f"{platform.python_version()} on {platform.machine()}"),
        ("cache", "ok", str(default_cache_root())),
        ("data", *_data_row(data, DATA_VARIABLE)),
    ]
    for name, probe in probes.items():
        versions = ", ".join(f"{tool} {version}" for tool, version in probe.versions.items())
        rows.append(
            (name, "ok", versions)
            if probe.available
            else (name, "missing", f"to get it: {probe.remedy}")
        )
    app.columns(rows)
    return app.problems(broken)


def _data_row(data: object, variable: str) -> tuple[str, str]:
    from pathlib import Path

    if data is None:
        return "not set", f"{variable} names the folder of pretrained models (docs/data.md)"
    if not Path(str(data)).is_dir():
        return "missing", f"{variable} is {data}, which is no folder"
    return "ok", str(data)
