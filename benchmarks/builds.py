"""A recipe's build as a user runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from typing import Any


def build(recipe: str, *options: str, fresh: bool = True) -> dict[str, Any]:
    """Returns the JSON of the build, whatever its exit code.

    `fresh`: in a cache of its own, so that nothing is finished before; else in the user's cache.
    """
    with tempfile.TemporaryDirectory() as work:
        output = ["-o", f"{work}/dist", "--format", "json"]
        done = subprocess.run(
            [sys.executable, "-m", "edgecompile", "-q", "build", recipe, *output, *options],
            env={**os.environ, **({"EDGECOMPILE_CACHE": f"{work}/cache"} if fresh else {})},
            capture_output=True,
            text=True,
            check=False,
        )
    if not done.stdout:
        raise SystemExit(done.stderr)
    body: dict[str, Any] = json.loads(done.stdout)
    return body
