"""A YAML file as plain data that remembers where each value was written."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from edgecompile.errors import Location, UserError

KeyPath = tuple[str | int, ...]

MAX_BYTES = 1 << 20
"""No recipe or target needs a megabyte: a larger file is a mistake or an attack."""

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True)
class Document:
    """The data of one YAML file, and the place of each key and value in it."""

    file: str
    data: dict[str, Any]
    lines: tuple[str, ...]
    marks: dict[KeyPath, tuple[int, int]]

    def locate(self, path: KeyPath) -> Location:
        """Where `path` was written; a key that is absent is located at its nearest parent."""
        while path and path not in self.marks:
            path = path[:-1]
        line, column = self.marks.get(path, (1, 1))
        text = self.lines[line - 1] if line <= len(self.lines) else None
        return Location(self.file, line, column, text)


def read_document(path: Path, shown_as: str | None = None) -> Document:
    """Read one YAML mapping.

    Raises:
        UserError: the file is missing, too large, not UTF-8, not YAML, not a mapping, repeats a
            key, or uses an alias (aliases can expand a small file into gigabytes).
    """
    file = shown_as or str(path)
    try:
        if path.stat().st_size > MAX_BYTES:
            raise UserError(f"{file} is larger than {MAX_BYTES} bytes")
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise UserError(f"cannot read {file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{file} is not UTF-8 text") from error
    lines = tuple(text.splitlines())
    try:
        _refuse_aliases(text, file, lines)
        node = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        raise _syntax_error(error, file, lines) from error
    except (yaml.YAMLError, RecursionError) as error:
        raise UserError(f"{file} is not valid YAML: {error}") from error
    if not isinstance(node, yaml.MappingNode):
        raise UserError(f"{file} must hold a mapping of keys to values", location=Location(file, 1))
    marks: dict[KeyPath, tuple[int, int]] = {}
    data = _construct(node, (), marks, file, lines)
    return Document(file, data, lines, marks)


def _refuse_aliases(text: str, file: str, lines: tuple[str, ...]) -> None:
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.AliasEvent):
            raise UserError(
                "YAML aliases (*name) are not allowed",
                location=_location(event.start_mark, file, lines),
                remedy="write the value out",
            )


def _location(mark: Any, file: str, lines: tuple[str, ...]) -> Location:
    text = lines[mark.line] if mark.line < len(lines) else None
    return Location(file, mark.line + 1, mark.column + 1, text)


def _syntax_error(error: yaml.MarkedYAMLError, file: str, lines: tuple[str, ...]) -> UserError:
    problem = error.problem or str(error)
    mark = error.problem_mark or error.context_mark
    where = _location(mark, file, lines) if mark is not None else Location(file)
    return UserError(f"not valid YAML: {problem}", location=where)


def _construct(
    node: Any, path: KeyPath, marks: dict[KeyPath, tuple[int, int]], file: str, lines: Any
) -> Any:
    marks.setdefault(path, (node.start_mark.line + 1, node.start_mark.column + 1))
    if isinstance(node, yaml.MappingNode):
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = str(key_node.value)
            if key in result:
                raise UserError(
                    f"the key '{key}' is written twice",
                    location=_location(key_node.start_mark, file, lines),
                )
            here = (*path, key)
            # The key's own place, not its value's: a misspelt key is what the reader looks for.
            marks[here] = (key_node.start_mark.line + 1, key_node.start_mark.column + 1)
            result[key] = _construct(value_node, here, marks, file, lines)
        return result
    if isinstance(node, yaml.SequenceNode):
        return [
            _construct(child, (*path, index), marks, file, lines)
            for index, child in enumerate(node.value)
        ]
    constructor = yaml.constructor.SafeConstructor()
    try:
        return constructor.construct_object(node)
    except (yaml.YAMLError, ValueError) as error:
        raise UserError(
            f"cannot read the value '{node.value}'",
            location=_location(node.start_mark, file, lines),
        ) from error
