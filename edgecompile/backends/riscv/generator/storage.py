"""Where numbers lie while the model runs, and the calls that read and write them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from edgecompile.backends.riscv.generator.text import c_type
from edgecompile.graph.layout import Order, stored_shape
from edgecompile.graph.qdq import TensorParams

Place = Literal["arena", "input", "output", "constant"]


@dataclass(eq=False)
class Storage:
    """Bytes that belong together. `name` is a C identifier for all but those of the arena."""

    name: str
    bytes: int
    place: Place = "arena"


@dataclass(frozen=True)
class Tensor:
    """A tensor of the hub as C holds it. `shape` is the hub's; `order` tells how it is stored.

    `offset` counts elements from the storage's start. `flattened` marks a tensor that the hub sees
    as (N, C*H*W) while its elements lie as those of an NHWC tensor: (C, H, W); only a matrix
    product with permuted weights reads it.
    """

    storage: Storage
    shape: tuple[int, ...]
    order: Order
    params: TensorParams | None
    offset: int = 0
    flattened: tuple[int, int, int] | None = None

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """int8, int16 or float32."""
        return np.dtype(np.float32 if self.params is None else self.params.dtype)

    @property
    def stored(self) -> tuple[int, ...]:
        """The shape as it lies in memory."""
        return stored_shape(self.shape, self.order)

    @property
    def size(self) -> int:
        """How many numbers it has."""
        return int(np.prod(self.shape, dtype=np.int64))

    def read(self, offset: int = 0, steps: Sequence[int] = ()) -> Pointer:
        """An argument that a kernel reads, `offset` elements behind the first number."""
        return Pointer(self.storage, c_type(self.dtype), self.offset + offset, tuple(steps))

    def write(self, offset: int = 0, steps: Sequence[int] = ()) -> Pointer:
        """An argument that a kernel writes."""
        where = self.offset + offset
        return Pointer(self.storage, c_type(self.dtype), where, tuple(steps), writes=True)


@dataclass(frozen=True)
class Pointer:
    """An argument of a call: `offset` and the `steps` of the loops around it in elements."""

    storage: Storage
    type: str
    offset: int = 0
    steps: tuple[int, ...] = ()
    writes: bool = False


@dataclass
class Step:
    """One call of a kernel, inside of loops over `loops` counts.

    `in_place` are pairs of storages that may be the same memory: the kernel reads each element of
    the first before it writes that of the second. `parts` are the arguments of calls that
    together do the same and may run at once, one on each core; none: the step is not split.
    """

    kernel: str
    arguments: Sequence[str | Pointer]
    origin: str
    loops: tuple[int, ...] = ()
    in_place: tuple[tuple[Storage, Storage], ...] = ()
    parts: tuple[Sequence[str | Pointer], ...] = ()
    reads: list[Storage] = field(init=False)
    writes: list[Storage] = field(init=False)

    def __post_init__(self) -> None:
        listed = [*self.arguments, *(a for part in self.parts for a in part)]
        pointers = [a for a in listed if isinstance(a, Pointer)]
        self.reads = [p.storage for p in pointers if not p.writes]
        self.writes = [p.storage for p in pointers if p.writes]
