"""Digests: of bytes, of files, and of JSON values in one canonical form."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any


def digest_bytes(data: bytes) -> str:
    """SHA-256 as 64 hex digits."""
    return hashlib.sha256(data).hexdigest()


def digest_file(path: Path) -> str:
    """SHA-256 of a file's content, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_path(path: Path) -> str:
    """SHA-256 of a file, or one digest of all files of a folder and their relative names."""
    if not path.is_dir():
        return digest_file(path)
    return digest_json(
        {
            file.relative_to(path).as_posix(): digest_file(file)
            for file in sorted(path.rglob("*"))
            if file.is_file()
        }
    )


def canonical_json(value: Any) -> bytes:
    """The one way in which edgecompile writes a JSON value whose bytes matter.

    Raises:
        ValueError: the value holds NaN or infinity, which JSON has not.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def digest_json(value: Any) -> str:
    """SHA-256 of a JSON value, whatever the order of its keys."""
    return digest_bytes(canonical_json(value))
