"""From a file on disk to the backend that reads it, and to what was measured about it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edgecompile.artifact_check import ArtifactCheck
from edgecompile.backends.protocol import Backend, ChecksArtifacts
from edgecompile.backends.registry import get_backend, loaded_backends
from edgecompile.digest import digest_json, digest_path
from edgecompile.errors import EdgecompileError, Location, UserError
from edgecompile.recipe.target import Target
from edgecompile.recipe.validation import validate


def main_file(artifact: Path) -> Path:
    """What a device loads, a file or a folder: `artifact` itself, or the one in a target's folder.

    The manifest names the backend; without one, the first whose main file is there.

    Raises:
        UserError: the folder holds no artifact, or that of a backend that is not installed.
        ToolchainMissing: its backend does not load.
    """
    backends, problems = loaded_backends()
    endings = {Path(backend.main_file).suffix for backend in backends}
    if artifact.is_file() or artifact.suffix in endings:
        return artifact
    named = _backend_in_manifest(artifact)
    for backend in [get_backend(named)] if named else backends:
        candidate = artifact / backend.main_file
        if candidate.exists():
            return candidate
    raise UserError(f"{artifact} holds no artifact", remedy=_also(problems))


def _also(problems: Sequence[EdgecompileError]) -> str | None:
    """What may be the reason that nothing was found: a backend that is there and does not load."""
    return "; ".join(problem.message for problem in problems) or None


def _backend_in_manifest(folder: Path, name: str | None = None) -> str:
    """The backend of the target that a folder's manifest is about; empty without a manifest, or if
    it is not about the file or folder `name`."""
    try:
        body = json.loads((folder / "manifest.json").read_bytes())
        listed = {Path(file).parts[0] for file in body["files"]}
        return str(body["target"]["backend"]) if name is None or name in listed else ""
    except (OSError, ValueError, LookupError, TypeError):
        return ""


def backend_of_file(path: Path) -> Backend:
    """The backend that made `path`, by the manifest beside it; for a stranger's file, the one whose
    artifacts end like it. An ending that several backends have is that of the one named like it:
    a ``.tflite`` file is the backend `tflite`'s.

    Raises:
        UserError: no backend's do, or the manifest's backend is not installed.
        ToolchainMissing: its backend does not load.
    """
    named = _backend_in_manifest(path.parent, path.name)
    if named:
        return get_backend(named)
    backends, problems = loaded_backends()
    endings: dict[str, Backend] = {}
    for backend in backends:
        ending = Path(backend.main_file).suffix
        if ending not in endings or ending == f".{backend.name}":
            endings[ending] = backend
    if path.suffix in endings:
        return endings[path.suffix]
    reads = f"it reads {', '.join(endings)}"
    raise UserError(
        f"{path.name} is no artifact that edgecompile reads",
        remedy="; ".join(filter(None, [reads, _also(problems)])),
    )


def check_artifact(path: Path, target: Target) -> ArtifactCheck:
    """What the toolchain of `target` will make of a file, ours or a stranger's.

    Raises:
        UserError: its backend tells nothing about files, or does not know an option of the target.
    """
    backend = get_backend(target.backend)
    place = Location(f"options of target {target.name}")
    validate(backend.options_schema, target.options, lambda path: place)
    if not isinstance(backend, ChecksArtifacts):
        able = [one.name for one in loaded_backends()[0] if isinstance(one, ChecksArtifacts)]
        raise UserError(
            f"{target.name} is built by the backend '{target.backend}', which checks recipes only",
            remedy=f"files are checked for targets of: {', '.join(able)}",
        )
    return backend.check_artifact(path, target)


def measured_evidence(path: Path) -> list[dict[str, Any]]:
    """What the manifest beside `path` says was measured; empty without a manifest.

    Raises:
        UserError: there is a manifest, and the file is not the one that it describes.
    """
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
