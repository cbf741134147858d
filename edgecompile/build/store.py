"""Files and folders that several machines exchange, at any URL that fsspec reads and writes."""

from __future__ import annotations

import os
import shutil
import tempfile
import uuid
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from edgecompile.errors import UserError

_TEMPORARY = "unfinished"

_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError)
"""What zipfile raises over bytes that are no ZIP, or not one that was written here."""


class Store:
    """Named objects below a URL. Each appears whole or not at all.

    Raises:
        UserError: of any method, when the place cannot be reached; of the constructor, when there
            is no such place.
    """

    def __init__(self, url: str) -> None:
        import fsspec

        self.url = url
        try:
            self._files, self._root = fsspec.core.url_to_fs(url)
        except (ImportError, ValueError, OSError) as error:
            raise UserError(
                f"there is no reading or writing at {url}: {error}",
                remedy="a URL as file:///mnt/cache, s3://bucket/cache or gs://bucket/cache, with "
                "the package of fsspec that serves it (s3fs, gcsfs)",
            ) from error

    def __reduce__(self) -> tuple[Any, ...]:
        return Store, (self.url,)  # a connection stays in its process

    def read(self, name: str) -> bytes | None:
        """The bytes of one object; None if there is none."""
        with self._reached():
            try:
                data: bytes = self._files.cat_file(self._path(name))
            except FileNotFoundError:
                return None
        return data

    def has(self, name: str) -> bool:
        """Is there such an object?"""
        with self._reached():
            return bool(self._files.exists(self._path(name)))

    def write(self, name: str, data: bytes) -> None:
        """Put one object there, in place of what was there."""
        with tempfile.TemporaryDirectory(prefix="edgecompile-") as folder:
            file = Path(folder) / "object"
            file.write_bytes(data)
            self._put(file, name)

    def pack(self, name: str, files: dict[str, Path]) -> None:
        """Put files there as one object, a ZIP of the given names."""
        with tempfile.TemporaryDirectory(prefix="edgecompile-") as folder:
            packed = Path(folder) / "object"
            with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
                for inside, file in files.items():
                    archive.write(file, inside)
            self._put(packed, name)

    def unpack(self, name: str, folder: Path) -> bool:
        """Write what was packed into `folder`; False if it is not there, or damaged.

        The names inside cannot leave the folder: `ZipFile.extract` takes `..` and roots away.
        """
        with tempfile.TemporaryDirectory(prefix="edgecompile-") as temporary:
            packed = Path(temporary) / "object"
            with self._reached():
                try:
                    self._files.get_file(self._path(name), str(packed))
                except FileNotFoundError:
                    return False
            try:
                with zipfile.ZipFile(packed) as archive:
                    archive.extractall(folder)
            except _DAMAGE:
                return False
        return True

    def remove(self, name: str) -> None:
        """Take one object away, if it is there."""
        with self._reached(), suppress(FileNotFoundError):
            self._files.rm_file(self._path(name))

    def _put(self, file: Path, name: str) -> None:
        """By a name of its own first: a reader must not see the half of it."""
        path = self._path(name)
        staged = self._path(f"{_TEMPORARY}/{uuid.uuid4().hex}")
        with self._reached():
            for place in (staged, path):
                self._files.makedirs(self._files._parent(place), exist_ok=True)
            self._files.put_file(str(file), staged)
            self._files.mv(staged, path)

    def _path(self, name: str) -> str:
        return f"{self._root.rstrip('/')}/{name}"

    @contextmanager
    def _reached(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # the client of each store has errors of its own
            reason = getattr(error, "strerror", None) or error
            raise UserError(
                f"the shared cache at {self.url} fails: {reason}",
                remedy="can this machine reach it, and read and write there?",
            ) from error


def move_into_place(staged: Path, final: Path) -> None:
    """Rename a folder; another process that was faster has put the same there."""
    final.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.rename(staged, final)  # noqa: PTH104 (a folder that is there stays, as an OSError)
    except OSError:
        if not final.is_dir():
            raise
        shutil.rmtree(staged, ignore_errors=True)
