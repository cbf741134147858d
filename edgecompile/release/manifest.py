"""Find the folders that a build made, and read their manifests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field

from edgecompile.errors import UserError

MANIFEST, SIGNATURE, BOM = "manifest.json", "manifest.sig", "bom.cdx.json"
SUMMARY, SUMMARY_PAGE = "summary.json", "summary.html"


def target_folders(path: Path) -> list[Path]:
    """The folders with a manifest: `path` itself, or those in it, or those one level below.

    Raises:
        UserError: there is none.
    """
    if (path / MANIFEST).is_file():
        return [path]
    for pattern in (f"*/{MANIFEST}", f"*/*/{MANIFEST}"):
        found = sorted(file.parent for file in path.glob(pattern))
        if found:
            return found
    raise UserError(
        f"there is no {MANIFEST} in {path} or in the folders in it",
        remedy="name an output folder of `edgecompile build`, or a model's or a target's in it",
    )


def model_folders(path: Path) -> list[Path]:
    """The models' folders that `path` is or holds; none where it is a target's folder."""
    if (path / MANIFEST).is_file():
        return []
    if (path / SUMMARY).is_file() or any(path.glob(f"*/{MANIFEST}")):
        return [path]
    files = [*path.glob(f"*/{SUMMARY}"), *(m.parent for m in path.glob(f"*/*/{MANIFEST}"))]
    return sorted({file.parent for file in files})


class _File(BaseModel):
    sha256: str


class _Step(BaseModel):
    step: str
    key: str
    files: dict[str, str]
    parameters: dict[str, Any]


class _Stage(BaseModel):
    step: str
    measure: str
    evidence: str
    metric: float | None
    samples: int | None


class _Finding(BaseModel):
    message: str


class _Target(BaseModel):
    name: str
    title: str
    backend: str


class _Manifest(BaseModel):
    """What this room reads of a manifest; there is more in it."""

    schema_: Literal["edgecompile.manifest/1"] = Field(alias="schema")
    edgecompile: str
    model: str
    precision: str
    target: _Target
    files: dict[str, _File]
    tools: dict[str, str]
    lineage: list[_Step]
    stages: list[_Stage]
    findings: list[_Finding]


def parse_manifest(data: bytes) -> dict[str, Any] | None:
    """The manifest of a target that `data` spells; None where it is none."""
    try:
        body: dict[str, Any] = json.loads(data)
        _Manifest.model_validate(body)
    except ValueError:
        return None
    return body


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest in a target's folder.

    Raises:
        UserError: it cannot be read.
    """
    try:
        body = parse_manifest((folder / MANIFEST).read_bytes())
    except OSError as error:
        raise UserError(f"cannot read {folder / MANIFEST}: {error.strerror or error}") from error
    if body is None:
        raise UserError(f"{folder / MANIFEST} is no manifest of a target")
    return body
