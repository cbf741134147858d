"""From a file on disk to the backend that reads it, and to what was measured about it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from edgecompile.backends.protocol import Backend
from edgecompile.backends.registry import backend_names, get_backend
from edgecompile.errors import UserError


def main_file(artifact: Path) -> Path:
    """The file that a device loads: `artifact` itself, or the one in a target's folder.

    The manifest names the backend; without one, the first whose main file is there.

    Raises:
        UserError: the folder holds no artifact.
    """
    if artifact.is_file():
        return artifact
    named = _backend_in_manifest(artifact / "manifest.json")
    for name in [named] if named in backend_names() else backend_names():
        candidate = artifact / get_backend(name).main_file
        if candidate.is_file():
            return candidate
    raise UserError(f"{artifact} holds no artifact")


def _backend_in_manifest(manifest: Path) -> str | None:
    try:
        return str(json.loads(manifest.read_bytes())["target"]["backend"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def backend_of_file(path: Path) -> Backend:
    """The backend whose artifacts end like `path`.

    Raises:
        UserError: no backend's do.
    """
    endings = {}
    for name in backend_names():
        backend = get_backend(name)
        ending = Path(backend.main_file).suffix
        if path.suffix == ending:
            return backend
        endings[ending] = name
    raise UserError(
        f"{path.name} is no artifact that edgecompile reads",
        remedy=f"it reads {', '.join(endings)}",
    )


def measured_evidence(path: Path) -> list[dict[str, Any]]:
    """What the manifest beside `path` says was measured; empty without a manifest.

    Raises:
        UserError: there is a manifest, and the file is not the one that it describes.
    """
    from edgecompile.digest import digest_file

    manifest = path.parent / "manifest.json"
    if not manifest.is_file():
        return []
    try:
        body = json.loads(manifest.read_bytes())
        recorded = body["files"][path.name]["sha256"]
        stages: list[dict[str, Any]] = body["stages"]
    except (ValueError, KeyError, TypeError):
        raise UserError(f"{manifest} is not a manifest of {path.name}") from None
    if recorded != digest_file(path):
        raise UserError(
            f"{path.name} is not the file that manifest.json describes: its bytes differ",
            remedy="build it again",
        )
    keys = ("stage", "target", "metric", "evidence", "samples", "all_samples", "delta_baseline")
    return [{key: stage.get(key) for key in keys} for stage in stages]
