"""Put what was built under its final name, whole or not at all."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from edgecompile.build.cache import Cache, DamagedCache, Record
from edgecompile.build.disk import disk_error
from edgecompile.digest import digest_file
from edgecompile.errors import UserError

_STAGED = ".unfinished-"
"""Prefix of what is being written; no model and no target can be named so."""


@contextmanager
def sole_writer(folder: Path) -> Iterator[None]:
    """Make `folder` if needed, and keep other builds from writing into it meanwhile.

    The lock is on the folder itself, so that it leaves no file behind; the system releases that of
    a killed process. What a killed build left half-written is removed first.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise _cannot_write(error, folder) from error
    try:
        with suppress(OSError):  # a network file system may have no locks: renames stay atomic
            fcntl.flock(handle, fcntl.LOCK_EX)
        for remains in folder.glob(f"{_STAGED}*"):
            shutil.rmtree(remains, ignore_errors=True)
            remains.unlink(missing_ok=True)
        yield
    finally:
        os.close(handle)


@contextmanager
def replacing(folder: Path) -> Iterator[Path]:
    """A new folder that takes the place of `folder` when the block succeeds.

    To be used under `sole_writer(folder.parent)`. The old folder stays until the new one is
    complete; a crash leaves at most a hidden folder beside it.
    """
    try:
        staged = Path(tempfile.mkdtemp(prefix=_STAGED, dir=folder.parent))
    except OSError as error:
        raise _cannot_write(error, folder.parent) from error
    try:
        staged.chmod(0o755)  # mkdtemp makes it private; an artifact is not
        yield staged
        remove_whole(folder)
        staged.rename(folder)
    except OSError as error:
        raise _cannot_write(error, folder) from error
    finally:
        shutil.rmtree(staged, ignore_errors=True)


def remove_whole(folder: Path) -> None:
    """Remove a folder if it is there; whoever looks meanwhile sees all of it or nothing."""
    if not os.path.lexists(folder):
        return
    try:
        if folder.is_symlink() or not folder.is_dir():
            folder.unlink()
            return
        old = Path(tempfile.mkdtemp(prefix=_STAGED, dir=folder.parent))
        folder.rename(old / "old")
    except OSError as error:
        raise _cannot_write(error, folder) from error
    shutil.rmtree(old, ignore_errors=True)


def _cannot_write(error: OSError, folder: Path) -> UserError:
    return disk_error(error, folder, "free space, or choose another folder with -o") or UserError(
        f"cannot write to {folder}: {error.strerror or error}"
    )


def copy_artifact(cache: Cache, record: Record, destination: Path) -> None:
    """Copy a finished step's files, checking every byte.

    Raises:
        DamagedCache: the cache does not hold what it recorded.
    """
    cache.bring(record)
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


def write_manifest(folder: Path, facts: Mapping[str, Any]) -> bytes:
    """Write `manifest.json`: the given facts and the digest of every other file of the folder.

    Returns its bytes.
    """
    files = {
        path.relative_to(folder).as_posix(): {
            "sha256": digest_file(path),
            "size": path.stat().st_size,
        }
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    body = {"schema": "edgecompile.manifest/1", **facts, "files": files}
    data = readable_json(body)
    (folder / "manifest.json").write_bytes(data)
    return data


def write_whole(path: Path, data: bytes) -> None:
    """Write a file so that a reader sees the old bytes or the new ones, never a part.

    To be used under `sole_writer(path.parent)`.
    """
    staged = path.with_name(f"{_STAGED}{path.name}")
    try:
        staged.write_bytes(data)
        staged.replace(path)
    except OSError as error:
        staged.unlink(missing_ok=True)
        raise _cannot_write(error, path.parent) from error
