"""How many steps may work at once: as many as there are workers, and as memory holds."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

STEP_BYTES = 1_500_000_000
"""What a step may need before one like it was seen: a process that has imported torch and
quantizes a network of the packs (0.6 to 1.4 GB, `edgecompile build`, "peak memory")."""

_HEADROOM = 0.9
"""Share of the free memory that steps may plan with: the rest is for the files they read."""

_CGROUP = Path("/sys/fs/cgroup")


def free_memory() -> int:
    """Bytes that processes can still get: of the machine, or of the container if that is less."""
    import psutil

    free: int = psutil.virtual_memory().available
    try:
        limit = (_CGROUP / "memory.max").read_text().strip()
        used = int((_CGROUP / "memory.current").read_text())
    except (OSError, ValueError):  # no Linux, or the older cgroups
        return free
    return free if limit == "max" else max(0, min(free, int(limit) - used))


@dataclass(order=True)
class Place:
    """What a step waits for, and then holds."""

    priority: tuple[int, ...]
    number: int
    need: int = field(compare=False)
    turn: asyncio.Future[None] = field(compare=False)
    crowded: bool = field(default=False, compare=False)
    """Whether another step was at work beside it at any time."""


class Room:
    """Places for `jobs` steps that need at most `memory` bytes together; one always fits."""

    def __init__(self, jobs: int, memory: int | None = None) -> None:
        self.jobs = jobs
        self._memory = memory
        self._inside: list[Place] = []
        self._queue: list[Place] = []
        self._count = 0
        self._peaks: dict[str, int] = {}

    @property
    def memory(self) -> int:
        """Bytes that all steps together may need."""
        if self._memory is None:
            self._memory = int(_HEADROOM * free_memory()) if self.jobs > 1 else STEP_BYTES
        return self._memory

    @property
    def busy(self) -> int:
        """Steps at work."""
        return len(self._inside)

    @asynccontextmanager
    async def place(
        self, kind: str, priority: tuple[int, ...], *, alone: bool = False
    ) -> AsyncIterator[Place]:
        """Wait for a place for a step of this `kind`; the least priority comes first."""
        self._count += 1
        need = self.memory if alone else self.need(kind)
        turn = asyncio.get_running_loop().create_future()
        place = Place(priority, self._count, need, turn)
        heapq.heappush(self._queue, place)
        self._let_in()
        try:
            await turn
            yield place
        finally:
            if place in self._inside:
                self._inside.remove(place)
            self._let_in()

    def need(self, kind: str) -> int:
        """Bytes that a step of this kind is expected to take."""
        return max(STEP_BYTES, self._peaks.get(kind, 0))

    def saw(self, kind: str, peak: int) -> None:
        """Remember what a step of this kind took."""
        self._peaks[kind] = max(peak, self._peaks.get(kind, 0))

    def _let_in(self) -> None:
        """Let in whoever fits. The first in the queue is not overtaken, or it might never fit."""
        while self._queue:
            first = self._queue[0]
            if first.turn.cancelled():
                heapq.heappop(self._queue)
                continue
            reserved = sum(place.need for place in self._inside)
            fits = len(self._inside) < self.jobs and reserved + first.need <= self.memory
            if self._inside and not fits:
                return
            heapq.heappop(self._queue)
            self._inside.append(first)
            for place in self._inside:
                place.crowded = place.crowded or len(self._inside) > 1
            first.turn.set_result(None)
