"""The files and words for CI that a build leaves behind."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from edgecompile.cli.app import App

if TYPE_CHECKING:
    from edgecompile.build.matrix import EntryResult

IN_GITHUB, GITHUB_ROOT, GITHUB_SUMMARY = (
    "GITHUB_ACTIONS",
    "GITHUB_WORKSPACE",
    "GITHUB_STEP_SUMMARY",
)


def write_ci_outputs(
    app: App, results: Sequence[EntryResult], junit: Path | None, sarif: Path | None
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
    told = [
        (one.result.as_json(costs=True), remarks_of(one.entry.loaded, one.result, root))
        for one in results
        if one.result is not None
    ]
    remarks = [remark for _, of_one in told for remark in of_one]
    if junit is not None:
        failures = {one.entry.model: one.error.render() for one in results if one.error}
        _write(junit, junit_xml([body for body, _ in told], failures))
    if sarif is not None:
        _write(sarif, readable_json(sarif_log(remarks)))
    if in_github:
        for line in workflow_commands(remarks):
            app.error(line)  # GitHub reads stderr as well, and stdout is data
    if summary:
        for body, of_one in told:
            _write(Path(summary), job_summary(body, of_one).encode(), mode="ab")


def _write(file: Path, data: bytes, mode: str = "wb") -> None:
    from edgecompile.errors import UserError

    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open(mode) as stream:
            stream.write(data)
    except OSError as error:
        raise UserError(f"cannot write {file}: {error.strerror or error}") from error
