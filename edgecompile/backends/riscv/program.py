"""What the generator gives and the compiler, the emulators and the memory check read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

ElementType = Literal["int8", "int16", "float32"]
"""What C calls int8_t, int16_t and float."""


@dataclass(frozen=True)
class Border:
    """One input or output of `model_run`.

    `shape` is what C sees (channels last, one sample), `transpose` brings a sample in the model's
    own layout into it (empty: it is the same). `scale` and `zero_point` are the hub's; None for
    floats.
    """

    name: str
    element_type: ElementType
    shape: tuple[int, ...]
    transpose: tuple[int, ...] = ()
    scale: float | None = None
    zero_point: int | None = None


@dataclass(frozen=True)
class Block:
    """Memory that one tensor needs: in the arena while it lives, or in read-only memory."""

    name: str
    bytes: int


@dataclass(frozen=True)
class Program:
    """One network as C.

    `sources` maps a file's name to its text: `model.c`, `model.h`, no others needed. `arena` is
    the static working memory in bytes (the interface's own buffers are the caller's), `activations`
    and `constants` what lies in the arena and in read-only memory, the largest first.
    """

    sources: Mapping[str, str]
    inputs: tuple[Border, ...]
    outputs: tuple[Border, ...]
    arena: int
    activations: tuple[Block, ...]
    constants: tuple[Block, ...]
    macs: int
