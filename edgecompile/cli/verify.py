"""`edgecompile verify`: is this what was built, and who signed it?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgecompile.cli.app import App
from edgecompile.cli.options import format_option, verbosity_options
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
@format_option
@verbosity_options
@click.pass_obj
def verify(app: App, dist: Path, key: Path | None, output_format: str) -> int:
    """Hold every file in DIST against the manifests, and these against their signatures.

    DIST is an output folder, a model's or a target's folder in it. Exit code 2 when a file was
    changed, is missing or is one too many, or when a signature does not hold.
    """
    from edgecompile.release.signature import public_key
    from edgecompile.release.verify import verify as verify_folder

    found = verify_folder(dist, None if key is None else public_key(key))
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
        app.data(f"{state}  {one.folder}  {one.files} files, {_SIGNED[one.signed]}")
        if one.fingerprint is not None:
            app.data(f"       key {one.fingerprint}")
    for note in one.notes:
        app.data(f"note   {one.folder}: {note}")
