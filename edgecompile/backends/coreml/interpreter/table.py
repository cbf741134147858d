"""The operators of MIL that the interpreter computes: the one table."""

from __future__ import annotations

from edgecompile.backends.coreml.interpreter import arithmetic, matrix, moving, numbers, windows
from edgecompile.backends.coreml.interpreter.entry import Function

OPERATORS: dict[str, Function] = {
    **arithmetic.OPERATORS,
    **matrix.OPERATORS,
    **moving.OPERATORS,
    **numbers.OPERATORS,
    **windows.OPERATORS,
}

CONSTANTS: dict[str, Function] = numbers.CONSTANTS
"""Operators whose results are known before the program runs."""
