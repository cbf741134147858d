"""The kernels' C text, in parts of which a model gets those that it needs."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from edgecompile.backends.riscv.kernels import FOLDER

_HEAD = re.compile(r"^/\* ---- (\w+)(?: needs ([\w, ]+))? ---- \*/$", re.MULTILINE)

FILES = (
    "base.h", "product.h", "portable.h", "elementwise.h", "pooling.h", "normalization.h",
    "functions.h", "float_product.h", "float_elementwise.h", "float_reduction.h", "resizing.h",
    "wide.h", "threads.h",
)  # fmt: skip
"""In an order in which each part stands behind those that it needs."""


@dataclass(frozen=True)
class Part:
    """One kernel or one piece of several: its C text, and the parts that it calls."""

    name: str
    needs: tuple[str, ...]
    text: str


@cache
def all_parts() -> dict[str, Part]:
    """Every part by name, in the order in which they are written."""
    parts: dict[str, Part] = {}
    for file in FILES:
        text = (FOLDER / file).read_text()
        heads = list(_HEAD.finditer(text))
        ends = [*(head.start() for head in heads[1:]), len(text)]
        for head, end in zip(heads, ends, strict=True):
            needs = tuple(re.findall(r"\w+", head[2] or ""))
            assert head[1] not in parts, head[1]
            parts[head[1]] = Part(head[1], needs, text[head.end() : end].strip() + "\n")
    return parts


def needed_parts(kernels: Iterable[str]) -> list[Part]:
    """The parts that the named kernels need, themselves included."""
    parts = all_parts()
    wanted: set[str] = set()
    open_names = list(kernels)
    while open_names:
        name = open_names.pop()
        if name not in wanted:
            wanted.add(name)
            open_names += parts[name].needs
    return [part for part in parts.values() if part.name in wanted]
