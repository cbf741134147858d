"""The hub as a DLC, the container of Qualcomm's own tools, before any chip's compiler."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

import onnx_ir as ir

from edgecompile.backends.isolation import run_isolated
from edgecompile.backends.qnn.session import HUB, write_dlc
from edgecompile.errors import ToolchainFailed
from edgecompile.graph.hub import save

DLC_NAME = "model.dlc"
TOOL = "Qualcomm's DLC writer"
TIME_LIMIT_SECONDS = 600
_TIMESTAMP = re.compile(rb'("timestamp": ")\d{4}-\d\d-\d\d \d\d:\d\d:\d\d( UTC")')


def dlc_of(hub: ir.Model) -> bytes:
    """The DLC of a hub that `lowering.lower_hub` made, its times of writing set to 1970.

    Raises:
        ToolchainFailed: the library crashed, hung or wrote nothing.
    """
    with tempfile.TemporaryDirectory(prefix="edgecompile-") as name:
        folder = Path(name)
        save(hub, folder / HUB)
        ended = run_isolated(write_dlc, tool=TOOL, seconds=TIME_LIMIT_SECONDS, folder=folder)
        if not ended.succeeded:
            raise ended.failure()
        written = list(folder.glob("*.dlc"))
        if len(written) != 1:
            raise ToolchainFailed(f"{TOOL} wrote {len(written)} files instead of one")
        return _TIMESTAMP.sub(rb"\g<1>1970-01-01 00:00:00\g<2>", written[0].read_bytes())
