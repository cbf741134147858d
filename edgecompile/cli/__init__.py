"""The command line: one file per verb, each thin. Nothing else prints."""

from __future__ import annotations

import sys


def main() -> None:
    """Entry point of the `edgecompile` command."""
    from edgecompile.cli.app import run

    sys.exit(run(sys.argv[1:]))
