"""The ways in which edgecompile says no, each with the exit code a CI job reads.

Three families, never mixed: the user's input is wrong (`UserError` and its children), a part of
edgecompile broke its contract (`ContractError`), a toolchain failed (`ToolchainFailed`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

WIDEST = 120
"""Characters of a source line that a message shows."""


@dataclass(frozen=True)
class Location:
    """A place in a file that the user wrote. `line` and `column` count from 1."""

    file: str
    line: int | None = None
    column: int | None = None
    text: str | None = None

    def __str__(self) -> str:
        parts = [self.file, self.line, self.column]
        return ":".join(str(part) for part in parts if part is not None)


class EdgecompileError(Exception):
    """Base of every expected failure: `message` is what, `location` where, `remedy` what to do."""

    exit_code: ClassVar[int] = 2
    family: ClassVar[str] = "error"

    def __init__(
        self, message: str, *, location: Location | None = None, remedy: str | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.location = location
        self.remedy = remedy

    def __reduce__(self) -> tuple[object, ...]:
        # Errors cross process borders (a step runs in a worker): rebuild from the state, since
        # Exception's default would call __init__ without the keyword arguments.
        return _rebuild, (type(self), self.message, self.location, self.remedy, self.__dict__)

    def render(self) -> str:
        """The whole message as a person reads it: what, where with a caret, what to do."""
        lines = [f"{self.family}: {self.message}"]
        if self.location is not None:
            lines.append(f"  --> {self.location}")
            lines += _excerpt(self.location)
        if self.remedy is not None:
            lines.append(f"help: {self.remedy}")
        return "\n".join(lines)


def _excerpt(location: Location) -> list[str]:
    """The line itself and a caret; of a very long line, the part around the column."""
    if location.text is None or location.line is None:
        return []
    number = str(location.line)
    column = location.column or 1
    start = max(0, column - WIDEST // 2) if len(location.text) > WIDEST else 0
    # A tab in front of the caret would be as wide as the terminal likes.
    text = location.text[start : start + WIDEST].replace("\t", " ")
    lines = [f" {number} | {text}"]
    if location.column is not None:
        lines.append(" " * (len(number) + 1) + " | " + " " * (column - 1 - start) + "^")
    return lines


def _rebuild(
    cls: type[EdgecompileError],
    message: str,
    location: Location | None,
    remedy: str | None,
    state: dict[str, object],
) -> EdgecompileError:
    error = cls.__new__(cls)
    EdgecompileError.__init__(error, message, location=location, remedy=remedy)
    error.__dict__.update(state)
    return error


class UserError(EdgecompileError):
    """The recipe, the options, the model or the data are wrong (exit 2)."""

    exit_code = 2


class BudgetBroken(EdgecompileError):
    """A measured loss is larger than the recipe allows (exit 3)."""

    exit_code = 3


class TargetCannotRun(EdgecompileError):
    """The target cannot run this model (exit 4)."""

    exit_code = 4


class ToolchainMissing(EdgecompileError):
    """A toolchain that this step needs is not installed (exit 5)."""

    exit_code = 5


class ToolchainFailed(EdgecompileError):
    """A toolchain crashed, hung or refused (exit 6)."""

    exit_code = 6


class ContractError(EdgecompileError):
    """A part of edgecompile broke a promise: a bug of ours, never of the user (exit 70)."""

    exit_code = 70
    family = "internal error"
