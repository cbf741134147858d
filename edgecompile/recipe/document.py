"""A YAML file as plain data that remembers where each value was written."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from edgecompile.errors import Location, UserError

KeyPath = tuple[str | int, ...]

MAX_BYTES = 1 << 20
"""No recipe or target needs a megabyte: a larger file is a mistake or an attack."""

MAX_DEPTH = 32
"""Levels of nesting. libyaml's composer recurses in C and overflows the stack on a deep file."""

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_LINE_BREAK = re.compile("\r\n|[\r\n\x85\u2028\u2029]")
"""YAML 1.1, section 5.4: what counts as one line for the parser's marks. `str.splitlines` also
breaks at form feeds and separators, and every later line would be off."""
_STANDARD_TAG = "tag:yaml.org,2002:"
_TIMESTAMP = _STANDARD_TAG + "timestamp"


@dataclass(frozen=True)
class Document:
    """The data of one YAML file, and the place of each key and value in it."""

    file: str
    data: dict[str, Any]
    lines: tuple[str, ...]
    marks: dict[KeyPath, tuple[int, int]]

    def locate(self, path: KeyPath) -> Location:
        """Where `path` was written; a key that is absent is located at its nearest parent, and
        one whose parents are absent too in the file as a whole."""
        while path and path not in self.marks:
            path = path[:-1]
        if not path:
            return Location(self.file)
        line, column = self.marks[path]
        text = self.lines[line - 1] if line <= len(self.lines) else None
        return Location(self.file, line, column, text)


def read_document(path: Path, shown_as: str | None = None) -> Document:
    """Read one YAML mapping.

    Raises:
        UserError: the file is missing, too large, not UTF-8, not a mapping, or not YAML as
            `parse_value` takes it.
    """
    file = shown_as or str(path)
    try:
        if path.stat().st_size > MAX_BYTES:
            raise UserError(f"{file} is larger than {MAX_BYTES} bytes")
        text = path.read_bytes().decode("utf-8")
    except OSError as error:
        raise UserError(f"cannot read {file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{file} is not UTF-8 text") from error
    source = _Source(file, text.removeprefix("\ufeff"))
    marks: dict[KeyPath, tuple[int, int]] = {}
    data = source.value(marks)
    if not isinstance(data, dict):
        raise UserError(f"{file} must hold a mapping of keys to values", location=Location(file, 1))
    return Document(file, data, source.lines, marks)


def parse_value(text: str, shown_as: str) -> Any:
    """One YAML value, read as in a file: what `--set key=VALUE` means.

    Raises:
        UserError: it is not YAML, repeats a key, is nested too deeply, uses a tag or an alias
            (aliases can expand a few bytes into gigabytes).
    """
    return _Source(shown_as, text).value({})


class _Source:
    """A text that knows its name and its lines while it is parsed."""

    def __init__(self, file: str, text: str) -> None:
        self.file, self.text = file, text
        self.lines = tuple(_LINE_BREAK.split(text))

    def value(self, marks: dict[KeyPath, tuple[int, int]]) -> Any:
        """The data, with the place of each key and value added to `marks`."""
        self._refuse_control_characters()
        try:
            self._refuse_what_is_not_data()
            node = yaml.compose(self.text, Loader=_Loader)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            raise UserError(
                f"not valid YAML: {error.problem or error}",
                location=Location(self.file) if mark is None else self._location(mark),
            ) from error
        except yaml.YAMLError as error:
            raise UserError(f"{self.file} is not valid YAML: {error}") from error
        return None if node is None else self._construct(node, (), marks)

    def _refuse_control_characters(self) -> None:
        match = yaml.reader.Reader.NON_PRINTABLE.search(self.text)
        if match is not None:
            before = _LINE_BREAK.split(self.text[: match.start()])
            raise UserError(
                f"not valid YAML: the character U+{ord(match[0]):04X} is not allowed",
                location=Location(self.file, len(before), len(before[-1]) + 1),
            )

    def _refuse_what_is_not_data(self) -> None:
        depth = 0
        for event in yaml.parse(self.text, Loader=_Loader):
            if isinstance(event, yaml.AliasEvent):
                raise UserError(
                    "YAML aliases (*name) are not allowed",
                    location=self._location(event.start_mark),
                    remedy="write the value out",
                )
            tag = getattr(event, "tag", None)
            if tag is not None:
                shown = tag.replace(_STANDARD_TAG, "!!")
                raise UserError(
                    f"YAML tags ({shown}) are not allowed",
                    location=self._location(event.start_mark),
                    remedy="write the plain value",
                )
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            if depth > MAX_DEPTH:
                raise UserError(
                    f"nested more than {MAX_DEPTH} levels deep",
                    location=self._location(event.start_mark),
                )

    def _location(self, mark: Any) -> Location:
        text = self.lines[mark.line] if mark.line < len(self.lines) else None
        return Location(self.file, mark.line + 1, mark.column + 1, text)

    def _construct(self, node: Any, path: KeyPath, marks: dict[KeyPath, tuple[int, int]]) -> Any:
        marks.setdefault(path, (node.start_mark.line + 1, node.start_mark.column + 1))
        if isinstance(node, yaml.MappingNode):
            result: dict[str, Any] = {}
            for key_node, value_node in node.value:
                if not isinstance(key_node, yaml.ScalarNode):
                    raise UserError(
                        "a key must be plain text", location=self._location(key_node.start_mark)
                    )
                key = str(key_node.value)
                if key in result:
                    raise UserError(
                        f"the key '{key}' is written twice",
                        location=self._location(key_node.start_mark),
                    )
                here = (*path, key)
                # The key's own place, not its value's: what the reader looks for is the key.
                marks[here] = (key_node.start_mark.line + 1, key_node.start_mark.column + 1)
                result[key] = self._construct(value_node, here, marks)
            return result
        if isinstance(node, yaml.SequenceNode):
            return [
                self._construct(child, (*path, index), marks)
                for index, child in enumerate(node.value)
            ]
        if node.tag == _TIMESTAMP:  # no recipe holds a date: `description: 2024-05-01` is text
            return str(node.value)
        try:
            return yaml.constructor.SafeConstructor().construct_object(node)
        except (yaml.YAMLError, ValueError) as error:
            raise UserError(
                f"cannot read the value '{node.value}'", location=self._location(node.start_mark)
            ) from error
