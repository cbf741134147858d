"""What is read back from the bytes of a `model.elf`.

ELF-32 and ELF-64, little-endian: the System V ABI, chapter 4 (https://refspecs.linuxfoundation.org).
What the program takes and gives is written in a section that is not loaded, as JSON.
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgecompile.errors import UserError

SECTION = ".edgecompile"
FORMAT = "edgecompile.riscv/1"

_RISCV = 243  # EM_RISCV
_NO_BYTES = 8  # SHT_NOBITS
_ALLOCATED = 2  # SHF_ALLOC


@dataclass(frozen=True)
class Section:
    """One section: `allocated` is part of the running program, `stored` has bytes in the file."""

    name: str
    size: int
    offset: int
    allocated: bool
    stored: bool


@dataclass(frozen=True)
class Elf:
    """A program for RISC-V."""

    bits: int
    sections: tuple[Section, ...]
    description: dict[str, Any]
    """What the compiler wrote into it; see `describe.py`."""

    @property
    def flash(self) -> int:
        """Bytes of code, constants and initial values."""
        return sum(s.size for s in self.sections if s.allocated and s.stored)


def read_elf(file: Path) -> Elf:
    """Read a program that `compiler.py` made.

    Raises:
        UserError: it is no such program.
    """
    try:
        content = file.read_bytes()
        bits, sections = _sections(content)
        (own,) = [section for section in sections if section.name == SECTION]
        description = json.loads(content[own.offset : own.offset + own.size])
        if description["format"] != FORMAT:
            raise ValueError(description["format"])
    except (OSError, ValueError, KeyError, TypeError, IndexError, struct.error):
        raise UserError(f"{file.name} is no RISC-V program that edgecompile made") from None
    return Elf(bits, sections, description)


def _sections(content: bytes) -> tuple[int, tuple[Section, ...]]:
    if content[:4] != b"\x7fELF" or content[5] != 1:
        raise ValueError("not a little-endian ELF file")
    wide = {1: False, 2: True}[content[4]]
    header = struct.unpack_from("<HHIQQQIHHHHHH" if wide else "<HHIIIIIHHHHHH", content, 16)
    if header[1] != _RISCV:
        raise ValueError("not for RISC-V")
    table, entry_size, count, names_index = header[5], header[10], header[11], header[12]
    form = "<IIQQQQIIQQ" if wide else "<IIIIIIIIII"
    entries = [struct.unpack_from(form, content, table + i * entry_size) for i in range(count)]
    names = content[entries[names_index][4] :]
    return 64 if wide else 32, tuple(
        Section(
            names[entry[0] : names.index(b"\0", entry[0])].decode(),
            entry[5],
            entry[4],
            bool(entry[2] & _ALLOCATED),
            entry[1] != _NO_BYTES,
        )
        for entry in entries
    )
