"""A cache in front of one that several machines share: what one has built, no other builds."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

from edgecompile.build.cache import RECORD, Cache, Record, read_record
from edgecompile.build.store import Store, move_into_place


class SharedCache(Cache):
    """Finished steps under a folder of this machine, and in a store that others see too.

    In the store a step is two objects: the ZIP of its folder, and `record.json`, which is written
    last. What a machine reads there is held against the record, byte by byte, before it is used.
    """

    def __init__(self, root: Path, store: Store) -> None:
        super().__init__(root)
        self.store = store

    def lookup(self, key: str) -> Record | None:
        """The record of `key`, of a step that was finished here or elsewhere."""
        record = super().lookup(key)
        if record is None:
            data = self.store.read(self._name(key, RECORD))
            record = None if data is None else read_record(key, data)
        return record

    def bring(self, record: Record) -> None:
        """Fetch the files of a step, unless they are here. What comes damaged is not kept."""
        if super().lookup(record.key) is not None:
            return
        area = self.root / "unfinished"
        area.mkdir(parents=True, exist_ok=True)
        staged = Path(tempfile.mkdtemp(prefix=f"{record.key}.", dir=area))
        try:
            if self.store.unpack(self._name(record.key, "step.zip"), staged):
                self._remove(record.key)
                move_into_place(staged, self._folder(record.key))
                if not self.is_intact(record):
                    self._remove(record.key)
        finally:
            shutil.rmtree(staged, ignore_errors=True)

    def commit(self, key: str, files_folder: Path, result: dict[str, Any]) -> Record:
        """As `Cache.commit`, and for all."""
        record = super().commit(key, files_folder, result)
        folder = self._folder(key)
        self.store.pack(
            self._name(key, "step.zip"),
            {
                path.relative_to(folder).as_posix(): path
                for path in sorted(folder.rglob("*"))
                if path.is_file()
            },
        )
        self.store.write(self._name(key, RECORD), (folder / RECORD).read_bytes())
        return record

    def forget(self, key: str) -> None:
        """Remove a step, here and for all."""
        self._remove(key)
        for name in (RECORD, "step.zip"):
            self.store.remove(self._name(key, name))

    @staticmethod
    def _name(key: str, name: str) -> str:
        return f"steps/{key[:2]}/{key}/{name}"
