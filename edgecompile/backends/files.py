"""From a file on disk to the backend that reads it, and to what was measured about it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from edgecompile.backends.protocol import Backend
from edgecompile.backends.registry import backend_names, get_backend
from edgecompile.errors import UserError


def main_file(artifact: Path) -> Path:
    """What a device loads, a file or a folder: `artifact` itself, or the one in a target's folder.

    Raises:
        UserError: the folder holds no artifact.
    """
    names = [get_backend(name).main_file for name in backend_names()]
    if artifact.is_file() or artifact.suffix in {Path(name).suffix for name in names}:
        return artifact
    for name in names:
        candidate = artifact / name
        if candidate.exists():
            return candidate
    raise UserError(f"{artifact} holds no artifact")


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
    from edgecompile.digest import digest_path

    manifest = path.parent / "manifest.json"
    if not manifest.is_file():
        return []
    try:
        body = json.loads(manifest.read_bytes())
        recorded = _recorded_digest(body["files"], path)
        stages: list[dict[str, Any]] = body["stages"]
    except (ValueError, KeyError, TypeError):
        raise UserError(f"{manifest} is not a manifest of {path.name}") from None
    if recorded != digest_path(path):
        raise UserError(
            f"{path.name} is not the file that manifest.json describes: its bytes differ",
            remedy="build it again",
        )
    keys = ("stage", "target", "metric", "evidence", "samples", "all_samples", "delta_baseline")
    return [{key: stage.get(key) for key in keys} for stage in stages]


def _recorded_digest(files: dict[str, Any], path: Path) -> str:
    """`digest_path` of the artifact as a manifest's table of files has it."""
    from edgecompile.digest import digest_json

    if path.is_file():
        return str(files[path.name]["sha256"])
    inside = f"{path.name}/"
    return digest_json(
        {
            name.removeprefix(inside): facts["sha256"]
            for name, facts in files.items()
            if name.startswith(inside)
        }
    )
