"""The content-addressed store of finished steps.

A step's folder is `<root>/steps/<key>/` with `record.json` and `files/`. It is written beside and
renamed into place, so that it is there completely or not at all; a lock per key lets two builds of
the same thing at once do the work only once. What is found damaged is treated as absent.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgecompile.digest import canonical_json, digest_file, digest_json

FORMAT = 1


@dataclass(frozen=True)
class StoredFile:
    """One file of a finished step."""

    sha256: str
    size: int


@dataclass(frozen=True)
class Record:
    """A finished step: its files by relative name and the JSON value that it returned."""

    key: str
    files: dict[str, StoredFile]
    result: dict[str, Any]

    @property
    def digest(self) -> str:
        """Digest of the step's files: equal content has an equal digest, however it was made."""
        return digest_json({name: file.sha256 for name, file in self.files.items()})

    def digest_of(self, name: str | None) -> str:
        """Digest of one file, of a folder among the files, or of all (None)."""
        if name is None:
            return self.digest
        if name in self.files:
            return self.files[name].sha256
        inside = f"{name}/"
        files = {n: f.sha256 for n, f in self.files.items() if n.startswith(inside)}
        if not files:
            raise KeyError(name)
        return digest_json({n.removeprefix(inside): digest for n, digest in files.items()})


class DamagedCache(Exception):
    """A finished step's bytes are not those that were recorded; `key` names the step."""

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


RECORD = "record.json"


def read_record(key: str, data: bytes) -> Record | None:
    """The record in the bytes of a `record.json`; None if they are not what was written."""
    try:
        stored = json.loads(data)
        body = stored["record"]
        if stored["sha256"] != digest_json(body) or body["format"] != FORMAT:
            return None
        files = {name: StoredFile(**fields) for name, fields in body["files"].items()}
        return Record(key, files, body["result"])
    except (ValueError, KeyError, TypeError):
        return None


class Cache:
    """Finished steps under one folder, safe for several processes at once."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def _folder(self, key: str) -> Path:
        return self.root / "steps" / key[:2] / key

    def files(self, key: str) -> Path:
        """The folder that holds the files of a finished step."""
        return self._folder(key) / "files"

    def lookup(self, key: str) -> Record | None:
        """The record of `key`, if it is whole and each of its files has the recorded size."""
        try:
            record = read_record(key, (self._folder(key) / RECORD).read_bytes())
            for name, file in record.files.items() if record else ():
                if (self.files(key) / name).stat().st_size != file.size:
                    return None
        except OSError:
            return None
        return record

    def bring(self, record: Record) -> None:
        """See that the files of a finished step are on this machine, where they are elsewhere."""

    def is_intact(self, record: Record) -> bool:
        """Do the bytes on disk still have the recorded digests? Reads every file of the step."""
        try:
            return all(
                digest_file(self.files(record.key) / name) == file.sha256
                for name, file in record.files.items()
            )
        except OSError:
            return False

    def forget(self, key: str) -> None:
        """Remove a step, whose bytes turned out to be damaged."""
        self._remove(key)

    def _remove(self, key: str) -> None:
        shutil.rmtree(self._folder(key), ignore_errors=True)

    @contextmanager
    def locked(self, key: str) -> Iterator[None]:
        """Hold the lock of `key`. The lock of a killed process is released by the system."""
        from filelock import FileLock

        locks = self.root / "locks"
        locks.mkdir(parents=True, exist_ok=True)
        with FileLock(locks / f"{key}.lock"):
            yield

    @contextmanager
    def writing(self, key: str) -> Iterator[Path]:
        """An empty folder for the files of a step; removed when the block fails.

        To be used under `locked(key)`: what an earlier, killed writer of the same key left behind
        is removed first.
        """
        area = self.root / "unfinished"
        area.mkdir(parents=True, exist_ok=True)
        for remains in area.glob(f"{key}-*"):
            shutil.rmtree(remains, ignore_errors=True)
        folder = Path(tempfile.mkdtemp(prefix=f"{key}-", dir=area))
        try:
            (folder / "files").mkdir()
            yield folder / "files"
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def commit(self, key: str, files_folder: Path, result: dict[str, Any]) -> Record:
        """Make what `writing` gave out visible under `key`, complete with its record."""
        files = {
            path.relative_to(files_folder).as_posix(): StoredFile(
                digest_file(path), path.stat().st_size
            )
            for path in sorted(files_folder.rglob("*"))
            if path.is_file()
        }
        body = {
            "format": FORMAT,
            "files": {name: vars(file) for name, file in files.items()},
            "result": result,
        }
        staged = files_folder.parent
        (staged / RECORD).write_bytes(canonical_json({"sha256": digest_json(body), "record": body}))
        self._remove(key)
        final = self._folder(key)
        final.parent.mkdir(parents=True, exist_ok=True)
        staged.rename(final)
        return Record(key, files, result)

    def size(self) -> tuple[int, int]:
        """Number of finished steps, and bytes of everything under the root."""
        steps = sum(1 for _ in (self.root / "steps").glob("*/*/record.json"))
        total = 0
        for path in self.root.rglob("*"):
            with suppress(FileNotFoundError):  # another build has just moved it
                total += path.stat().st_size if path.is_file() else 0
        return steps, total

    def clear(self) -> None:
        """Remove every step, and what toolchains keep. Locks stay: another build may hold one."""
        for part in ("steps", "unfinished", "toolchains"):
            shutil.rmtree(self.root / part, ignore_errors=True)
