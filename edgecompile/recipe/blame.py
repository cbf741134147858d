"""Which line of the user's Python caused an exception."""

from __future__ import annotations

import linecache
import re
import sysconfig
import traceback
from pathlib import Path

from edgecompile.errors import Location, UserError

_PACKAGE = Path(__file__).resolve().parents[1]
_INSTALLED = tuple(
    Path(path).resolve()
    for key in ("stdlib", "platstdlib", "purelib", "platlib")
    if (path := sysconfig.get_path(key))
)
_STACK_LINE = re.compile(r'File "(?P<file>[^"]+)", line (?P<line>\d+)')


def is_user_file(file: str) -> bool:
    """Is `file` the user's own source: neither installed, nor ours, nor made up by an importer?"""
    path = Path(file)
    if not path.is_file():
        return False
    path = path.resolve()
    return not any(path.is_relative_to(root) for root in (*_INSTALLED, _PACKAGE))


def last_user_line(stack: str, folder: Path) -> str | None:
    """The innermost user line in a printed stack, as ``model.py:41``, relative to `folder`."""
    found = _user_lines(stack)
    return f"{_shown(found[-1][0], folder)}:{found[-1][1]}" if found else None


def last_user_place(stack: str, folder: Path) -> Location | None:
    """As `last_user_line`, with the line itself."""
    found = _user_lines(stack)
    return _place(*found[-1], folder) if found else None


def crash_place(dump: str, folder: Path) -> Location | None:
    """The user's line in what faulthandler wrote when the process crashed: innermost first."""
    found = _user_lines(dump)
    return _place(*found[0], folder) if found else None


def _user_lines(stack: str) -> list[tuple[str, int]]:
    return [
        (match["file"], int(match["line"]))
        for match in _STACK_LINE.finditer(stack)
        if is_user_file(match["file"])
    ]


def _place(file: str, line: int, folder: Path) -> Location:
    text = linecache.getline(file, line).rstrip()
    return Location(_shown(file, folder), line, None, text or None)


def blame(error: BaseException, folder: Path, doing: str, remedy: str | None = None) -> UserError:
    """A `UserError` for an exception that the user's code raised, at the user's innermost line."""
    place: Location | None = None
    seen: BaseException | None = error
    while seen is not None and place is None:
        for frame in traceback.extract_tb(seen.__traceback__):
            if is_user_file(frame.filename):
                place = _place(frame.filename, frame.lineno or 0, folder)
        seen = seen.__cause__ or seen.__context__
    if place is None and isinstance(error, SyntaxError) and error.filename:
        text = (error.text or "").rstrip("\n")
        place = Location(_shown(error.filename, folder), error.lineno, error.offset, text)
    first_line = str(error).strip().splitlines()[0] if str(error).strip() else "no message"
    return UserError(
        f"{doing}: {type(error).__name__}: {first_line}", location=place, remedy=remedy
    )


def _shown(file: str, folder: Path) -> str:
    path = Path(file).resolve()
    folder = folder.resolve()
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else path.name
