"""The instruction set of a RISC-V device, out of the string that compilers take for it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from edgecompile.errors import UserError

_BASE = re.compile(r"rv(32|64)([ig])([a-z]*)$")
_SINGLE_LETTERS = "mafdcbv"
"""The extensions of one letter that matter here; `g` is i, m, a, f and d."""
_LONGER = re.compile(r"z[a-z]+[a-z0-9]*$")
_LEAST_VLEN = re.compile(r"zvl(\d+)b$")
_APPLICATION_VLEN = 128
"""What `v` promises: the extension V depends on Zvl128b (RISC-V "V" 1.0, section 18.3)."""


@dataclass(frozen=True)
class Isa:
    """What code for a device may use. The code is the same for each vector length from `min_vlen`.

    `text` is the string it was read from, ``rv64gcv_zvl256b``.
    """

    text: str
    xlen: int
    """Bits of an integer register: 32 or 64."""
    vector: bool
    """Has RVV 1.0 (`v`)."""
    hardware_float: bool
    """Has single-precision instructions (`f`); without, compiler-rt computes floats."""
    min_vlen: int
    """Bits of a vector register that every such device has at least; 0 without vectors."""
    extensions: tuple[str, ...]
    """Of one letter, in the order of `m a f d c b v`, then the longer ones as written."""

    @property
    def double(self) -> bool:
        """Has double-precision instructions (`d`)."""
        return "d" in self.extensions

    @property
    def abi(self) -> str:
        """How C passes its arguments: ``lp64d``, ``ilp32`` ..."""
        integers = "ilp32" if self.xlen == 32 else "lp64"
        return integers + ("d" if self.double else "f" if self.hardware_float else "")


def parse_isa(text: str) -> Isa:
    """`rv64gcv`, `rv64gc_zvl256b`, `rv32imac`: letters, then longer extensions after `_`.

    Raises:
        UserError: it is no such string, or asks for what no code is made for.
    """
    letters, *longer = text.split("_")
    match = _BASE.match(letters)
    if match is None or not all(_LONGER.match(name) for name in longer):
        raise _refused(text, "it is not of the form rv64gcv or rv32imac_zicsr")
    single = set(match[3]) | (set("mafd") if match[2] == "g" else set())
    unknown = sorted(single - set(_SINGLE_LETTERS))
    if unknown or len(match[3]) != len(set(match[3])):
        raise _refused(text, f"after rv{match[1]}{match[2]} come letters of '{_SINGLE_LETTERS}'")
    if "d" in single and "f" not in single:
        raise _refused(text, "'d' needs 'f'")
    if "m" not in single:
        raise _refused(text, "the code multiplies: it needs 'm'")
    vector = "v" in single
    if vector and "d" not in single:
        raise _refused(text, "'v' needs 'f' and 'd'")
    least = [int(found[1]) for name in longer if (found := _LEAST_VLEN.match(name))]
    extensions = tuple(letter for letter in _SINGLE_LETTERS if letter in single)
    return Isa(
        text,
        xlen=int(match[1]),
        vector=vector,
        hardware_float="f" in single,
        min_vlen=max([_APPLICATION_VLEN, *least]) if vector else 0,
        extensions=(*extensions, *longer),
    )


def _refused(text: str, reason: str) -> UserError:
    return UserError(
        f"'{text}' is no instruction set that code can be made for: {reason}",
        remedy="for example rv64gcv, rv64gcv_zvl256b, rv64gc, rv32imac",
    )
