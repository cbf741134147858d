"""Everything that is known of one kind, read but not validated: a list must be quick."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgecompile.errors import UserError
from edgecompile.recipe.document import read_document
from edgecompile.recipe.search import Kind, find_all


@dataclass(frozen=True)
class Entry:
    """One recipe or target as its file says it, perhaps wrongly."""

    name: str
    file: Path
    data: dict[str, Any]

    def text(self, key: str) -> str:
        """The value of `key` in one line, whatever was written there."""
        value = self.data.get(key, "")
        words = value if isinstance(value, list) else [value]
        return ",".join(" ".join(str(word).split()) for word in words if word is not None)


def list_entries(kind: Kind) -> tuple[list[Entry], list[UserError]]:
    """Every entry that can be read, and what is wrong with the others.

    Raises:
        UserError: two files claim the same name.
    """
    entries, problems = [], []
    for name, path in find_all(kind).items():
        try:
            entries.append(Entry(name, path, read_document(path).data))
        except UserError as error:  # one wrong file must not hide the others
            problems.append(error)
    return entries, problems
