"""Is what lies in a folder what was built? Every file is held against the target's manifest."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from edgecompile.build.package import readable_json
from edgecompile.digest import digest_file
from edgecompile.errors import UserError
from edgecompile.release.bom import bom_bytes
from edgecompile.release.manifest import (
    BOM,
    MANIFEST,
    SIGNATURE,
    SUMMARY,
    SUMMARY_PAGE,
    model_folders,
    parse_manifest,
    target_folders,
)
from edgecompile.release.signature import parse_signature

Signed = Literal["no", "broken", "other key", "unknown key", "yes"]


@dataclass(frozen=True)
class Verified:
    """What was found out about one target's folder, or (without `signed`) about a model's.

    `signed`: ``yes`` by the key that was asked for; ``unknown key``: it holds, and no key was named
    to hold it against. `fingerprint` is of the key that `manifest.sig` names.
    """

    folder: Path
    files: int
    problems: tuple[str, ...]
    signed: Signed | None = None
    fingerprint: str | None = None
    notes: tuple[str, ...] = ()
    same_again: bool | None = None
    """Whether a build of today gave the same bytes; None where none was made."""

    def rebuilt(self, differences: Sequence[str]) -> Verified:
        """The same with how a build of today differs from it."""
        return replace(self, problems=(*self.problems, *differences), same_again=not differences)

    def as_json(self) -> dict[str, Any]:
        """The same as a JSON value."""
        return {
            "folder": self.folder.as_posix(),
            "files": self.files,
            "problems": list(self.problems),
            "signed": self.signed,
            "key": self.fingerprint,
            "notes": list(self.notes),
            "same_again": self.same_again,
        }


def verify(path: Path, key: bytes | None = None) -> list[Verified]:
    """Verify a target's folder, or all in a model's or an output folder, then what is about them.

    With `key`, the 32 bytes of a public key, each manifest must be signed by it.

    Raises:
        UserError: nothing of a build is there, or a file cannot be read.
    """
    models = model_folders(path)
    try:
        found = [_verify_target(folder, key, named=bool(models)) for folder in target_folders(path)]
        return found + [_verify_model(folder) for folder in models]
    except OSError as error:
        raise UserError(f"cannot read {error.filename}: {error.strerror or error}") from error


def _verify_target(folder: Path, key: bytes | None, *, named: bool) -> Verified:
    data = (folder / MANIFEST).read_bytes()
    signed, fingerprint, problems = _check_signature(folder, data, key)
    if signed == "no" and key is not None:
        problems.append(f"{SIGNATURE} is missing: a key was named, and nothing is signed")
    manifest = parse_manifest(data)
    if manifest is None or readable_json(manifest) != data:
        problems.append(f"{MANIFEST} is not as a build writes it")
    if manifest is None:
        return Verified(folder, 0, tuple(problems), signed, fingerprint)
    if named and folder.name != manifest["target"].get("name"):
        problems.append(f"{MANIFEST} is of the target {manifest['target'].get('name')}")
    if named and folder.resolve().parent.name != manifest["model"]:
        problems.append(f"{MANIFEST} is of the model {manifest['model']}")
    problems += _file_problems(folder, manifest)
    notes = () if signed != "no" else (f"not signed: a changed {MANIFEST} could not be told",)
    return Verified(folder, len(manifest["files"]), tuple(problems), signed, fingerprint, notes)


def _check_signature(
    folder: Path, data: bytes, key: bytes | None
) -> tuple[Signed, str | None, list[str]]:
    file = folder / SIGNATURE
    if not file.is_file():
        return "no", None, []
    signature = parse_signature(file.read_bytes())
    if signature is None:
        return "broken", None, [f"{SIGNATURE} is not as a build writes it"]
    if not signature.holds_for(data):
        words = f"{SIGNATURE} does not hold: {MANIFEST} or the signature was changed"
        return "broken", signature.fingerprint, [words]
    if key is None:
        return "unknown key", signature.fingerprint, []
    if signature.public_key != key:
        words = f"{SIGNATURE} is by another key: {signature.fingerprint}"
        return "other key", signature.fingerprint, [words]
    return "yes", signature.fingerprint, []


def _file_problems(folder: Path, manifest: dict[str, Any]) -> Iterator[str]:
    """In the order of names; a link is refused, since it can change without the folder."""
    named: dict[str, Any] = manifest["files"]
    present = {p.relative_to(folder).as_posix(): p for p in folder.rglob("*") if not _plain_dir(p)}
    for name in sorted({*named, *present} - {MANIFEST, SIGNATURE}):
        path = present.get(name)
        if path is None:
            yield f"{name} is missing"
        elif path.is_symlink() or not path.is_file():
            yield f"{name} is not a plain file"
        elif name in named:
            if digest_file(path) != named[name]["sha256"]:
                yield f"{name} was changed"
        elif name != BOM:
            yield f"{name} is not named by {MANIFEST}"
        elif path.read_bytes() != bom_bytes(manifest):
            yield f"{name} is not what `edgecompile bom` makes of {MANIFEST}"


def _plain_dir(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _verify_model(folder: Path) -> Verified:
    """What lies beside the targets' folders: no manifest holds the digests of the summaries."""
    problems, notes = [], []
    for path in sorted(folder.iterdir()):
        if path.name in {SUMMARY, SUMMARY_PAGE}:
            notes.append(f"{path.name} is in no manifest: its bytes were not verified")
        elif not (path / MANIFEST).is_file():
            problems.append(f"{path.name} is of no target: there is no {MANIFEST} in it")
    for target in _built_targets(folder / SUMMARY):
        if not (folder / target).exists():
            problems.append(f"{target} is missing, and {SUMMARY} says that it was built")
    return Verified(folder, 0, tuple(problems), notes=tuple(notes))


def _built_targets(summary: Path) -> list[str]:
    if not summary.is_file():
        return []
    try:
        rows = json.loads(summary.read_bytes())["targets"]
        return [str(row["target"]) for row in rows if row["status"] == "built"]
    except (ValueError, KeyError, TypeError):
        raise UserError(f"{summary} is no result of a build") from None
