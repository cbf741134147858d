"""The folder that Core ML calls a package: where its files are, and how it is written so that the
same model gives the same bytes."""

from __future__ import annotations

import json
import shutil
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgecompile.backends.coreml.schema import model_message
from edgecompile.digest import digest_bytes, digest_file
from edgecompile.errors import UserError

_MODEL = "com.apple.CoreML/model.mlmodel"
_WEIGHTS = "com.apple.CoreML/weights"
_DATED = "com.github.apple.coremltools.conversion_date"
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "edgecompile/coreml")


@dataclass(frozen=True)
class Package:
    """What a package holds: the model's message, and the file with its weights (which may be
    missing)."""

    message: Any
    weights: Path

    @property
    def blob(self) -> bytes:
        """The bytes of the file of weights."""
        return self.weights.read_bytes() if self.weights.is_file() else b""


def open_package(folder: Path) -> Package:
    """Read a package.

    Raises:
        UserError: the folder is no package, or holds no ML Program.
    """
    from google.protobuf.message import DecodeError

    try:
        manifest = json.loads((folder / "Manifest.json").read_bytes())
        items = manifest["itemInfoEntries"]
        root = str(items[manifest["rootModelIdentifier"]]["path"])
        places = [str(item["path"]) for item in items.values()]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise UserError(f"{folder.name} is not a Core ML package: no valid Manifest.json") from None
    data = (folder / "Data").resolve()
    model = (data / root).resolve()
    if not model.is_relative_to(data):
        raise UserError(f"{folder.name} names a file outside of itself: {root}")
    try:
        message = model_message().FromString(model.read_bytes())
    except (OSError, DecodeError):
        raise UserError(f"{folder.name} is a damaged Core ML package") from None
    if message.WhichOneof("Type") != "mlProgram":
        raise UserError(f"{folder.name} holds no ML Program but {message.WhichOneof('Type')}")
    weights = next((place for place in places if place.endswith("weights")), _WEIGHTS)
    blob = (data / weights / "weight.bin").resolve()
    if not blob.is_relative_to(data):
        raise UserError(f"{folder.name} names a file outside of itself: {weights}")
    return Package(message, blob)


def write_package(package: Package, folder: Path) -> None:
    """Write a package without a date and with identifiers that follow from its content."""
    message = model_message().FromString(package.message.SerializeToString())
    message.description.metadata.userDefined.pop(_DATED, None)
    content = message.SerializeToString(deterministic=True)
    data = folder / "Data"
    (data / _WEIGHTS).mkdir(parents=True)
    (data / _MODEL).write_bytes(content)
    entries = {_item(digest_bytes(content), "model"): _entry(_MODEL, "Model Specification")}
    root = next(iter(entries))
    if package.weights.is_file():
        target = data / _WEIGHTS / "weight.bin"
        shutil.copyfile(package.weights, target)
        entries[_item(digest_file(target), "weights")] = _entry(_WEIGHTS, "Model Weights")
    else:
        (data / _WEIGHTS).rmdir()
    manifest = {
        "fileFormatVersion": "1.0.0",
        "itemInfoEntries": entries,
        "rootModelIdentifier": root,
    }
    text = json.dumps(manifest, indent=4, sort_keys=True)
    (folder / "Manifest.json").write_text(f"{text}\n", encoding="utf-8")


def _item(digest: str, kind: str) -> str:
    return str(uuid.uuid5(_NAMESPACE, f"{kind} {digest}")).upper()


def _entry(path: str, description: str) -> dict[str, str]:
    return {
        "author": "com.apple.CoreML",
        "description": f"CoreML {description}",
        "name": path.rpartition("/")[2],
        "path": path,
    }


def size_of(folder: Path) -> int:
    """Bytes of all files of a package."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
