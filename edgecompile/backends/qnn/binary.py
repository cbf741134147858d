"""What a context binary says about itself: the chip that it was made for, in its own text."""

from __future__ import annotations

import re
from dataclasses import dataclass

from edgecompile.errors import UserError

_FIELDS = {
    "soc": rb"[;,]soc_type=(\w+);",
    "htp_arch": rb";arch=(\d+);",
    "vtcm_bytes": rb";vtcm_size=(\d+);",
    "hvx_threads": rb";hvx_threads=(\d+);",
}
"""In the settings that the compiler writes into the binary, one text per graph."""


@dataclass(frozen=True)
class BinaryFacts:
    """The chip, the version of its tensor processor and what of it the binary uses."""

    soc: str
    htp_arch: int
    vtcm_bytes: int
    hvx_threads: int


def read_binary(content: bytes) -> BinaryFacts:
    """The facts in the text of a context binary.

    Raises:
        UserError: it has none, or several that differ.
    """
    found = {}
    for name, pattern in _FIELDS.items():
        values = set(re.findall(pattern, content))
        if len(values) != 1:
            raise UserError(f"the file is no QNN context binary for one chip: no single {name}")
        found[name] = values.pop().decode()
    return BinaryFacts(
        found["soc"],
        int(found["htp_arch"]),
        int(found["vtcm_bytes"]),
        int(found["hvx_threads"]),
    )
