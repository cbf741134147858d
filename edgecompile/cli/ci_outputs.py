"""The files and words for CI that a build leaves behind."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from edgecompile.cli.app import App

if TYPE_CHECKING:
    from edgecompile.build.result import BuildResult
    from edgecompile.recipe.load import LoadedRecipe

IN_GITHUB, GITHUB_ROOT, GITHUB_SUMMARY = (
    "GITHUB_ACTIONS",
    "GITHUB_WORKSPACE",
    "GITHUB_STEP_SUMMARY",
)


def write_ci_outputs(
    app: App, loaded: LoadedRecipe, result: BuildResult, junit: Path | None, sarif: Path | None
) -> None:
    """Write the JUnit and SARIF files that were asked for, and what GitHub Actions reads.

    Raises:
        UserError: a file cannot be written.
    """
    in_github = os.environ.get(IN_GITHUB) == "true"
    summary = os.environ.get(GITHUB_SUMMARY)
    if junit is None and sarif is None and not in_github and not summary:
        return
    from edgecompile.build.package import readable_json
    from edgecompile.report.ci.github import job_summary, workflow_commands
    from edgecompile.report.ci.junit import junit_xml
    from edgecompile.report.ci.remarks import remarks_of
    from edgecompile.report.ci.sarif import sarif as sarif_log

    root = Path(os.environ.get(GITHUB_ROOT) or Path.cwd()) if in_github else Path.cwd()
    body, remarks = result.as_json(costs=True), remarks_of(loaded, result, root)
    if junit is not None:
        _write(junit, junit_xml(body))
    if sarif is not None:
        _write(sarif, readable_json(sarif_log(remarks)))
    if in_github:
        for line in workflow_commands(remarks):
            app.error(line)  # GitHub reads stderr as well, and stdout is data
    if summary:
        _write(Path(summary), job_summary(body, remarks).encode(), mode="ab")


def _write(file: Path, data: bytes, mode: str = "wb") -> None:
    from edgecompile.errors import UserError

    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open(mode) as stream:
            stream.write(data)
    except OSError as error:
        raise UserError(f"cannot write {file}: {error.strerror or error}") from error
