"""Line numbers that stay true when only comments of a source file change.

A cached export remembers the line of each node. Its key ignores comments, so the file may have
shifted since: both versions have the same syntax tree, whose nodes pair old lines with new ones.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from pathlib import Path


def line_table(source: str) -> list[int]:
    """The line of every node of the syntax tree that has one, in walking order."""
    return [node.lineno for node in ast.walk(ast.parse(source)) if hasattr(node, "lineno")]


def current_place(place: str, tables: Mapping[str, Sequence[int]], folder: Path) -> str:
    """``model.py:41`` of the export that made `tables`, as it is in `folder` today."""
    file, _, line = place.rpartition(":")
    table = tables.get(file)
    if table is None or not line.isdigit():
        return place
    try:
        today = line_table((folder / file).read_text(encoding="utf-8"))
    except (OSError, SyntaxError, ValueError):
        return place
    if len(today) != len(table):
        return place
    return f"{file}:{dict(zip(table, today, strict=True)).get(int(line), int(line))}"
