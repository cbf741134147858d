"""Put what was built under its final name, whole or not at all."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from edgecompile.build.cache import Cache, Record
from edgecompile.build.digest import digest_bytes, digest_file
from edgecompile.errors import UserError


class DamagedCache(Exception):
    """A cached artifact's bytes are not those that were recorded; `key` names its step."""

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


@contextmanager
def replacing(folder: Path) -> Iterator[Path]:
    """A new folder that takes the place of `folder` when the block succeeds.

    The old folder stays until the new one is complete. A crash leaves at most a hidden
    `.NAME.*` folder beside it, which the next build removes.
    """
    parent = folder.parent
    try:
        parent.mkdir(parents=True, exist_ok=True)
        staged = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=parent))
    except OSError as error:
        raise UserError(f"cannot write to {parent}: {error.strerror}") from error
    try:
        staged.chmod(0o755)  # mkdtemp makes it private; an artifact is not
        yield staged
        old = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=parent))
        if folder.exists():
            folder.rename(old / "old")
        staged.rename(folder)
        shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        raise UserError(f"cannot write {folder}: {error.strerror}") from error
    finally:
        shutil.rmtree(staged, ignore_errors=True)


def remove_leftovers(folder: Path) -> None:
    """Remove what killed builds left beside `folder`."""
    for remains in folder.parent.glob(f".{folder.name}.*"):
        shutil.rmtree(remains, ignore_errors=True)


def copy_artifact(cache: Cache, record: Record, destination: Path) -> None:
    """Copy a finished step's files, checking every byte.

    Raises:
        DamagedCache: the cache does not hold what it recorded.
    """
    for name, stored in record.files.items():
        target = destination / name
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            shutil.copyfile(cache.files(record.key) / name, target)
        except FileNotFoundError:
            raise DamagedCache(record.key) from None
        if digest_file(target) != stored.sha256:
            raise DamagedCache(record.key)


def readable_json(value: Any) -> bytes:
    """JSON for files that people open: sorted, indented, with a final newline."""
    return (json.dumps(value, sort_keys=True, indent=2, allow_nan=False) + "\n").encode()


def write_manifest(folder: Path, facts: Mapping[str, Any]) -> None:
    """Write `manifest.json`: the given facts and the digest of every other file of the folder."""
    files = {
        path.relative_to(folder).as_posix(): {
            "sha256": digest_file(path),
            "size": path.stat().st_size,
        }
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    body = {"schema": "edgecompile.manifest/1", **facts, "files": files}
    (folder / "manifest.json").write_bytes(readable_json(body))


def write_whole(path: Path, data: bytes) -> None:
    """Write a file so that a reader sees the old bytes or the new ones, never a part."""
    staged = path.with_name(f".{path.name}.{digest_bytes(data)[:8]}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        staged.write_bytes(data)
        staged.replace(path)
    except OSError as error:
        staged.unlink(missing_ok=True)
        raise UserError(f"cannot write {path}: {error.strerror}") from error
