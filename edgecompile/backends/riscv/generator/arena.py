"""One static arena for all activations, by when each is alive."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgecompile.backends.riscv.generator.storage import Step, Storage

ALIGNMENT = 16
"""Bytes: enough for every element type and for doublewords."""


@dataclass
class _Slot:
    """Storages that share memory one after the other, alive from step `first` to step `last`."""

    members: list[Storage]
    bytes: int
    first: int
    last: int


@dataclass(frozen=True)
class Arena:
    """Byte offsets by storage, and the bytes in all."""

    offsets: dict[Storage, int]
    bytes: int


def plan_arena(steps: Sequence[Step]) -> Arena:
    """Offsets such that no two storages that are alive at once overlap.

    In place where a step allows it; then greedy, the largest first, each at the lowest place that
    is free all its life.
    """
    slots = _slots(steps)
    placed: list[tuple[int, _Slot]] = []
    for slot in sorted(slots, key=lambda one: -one.bytes):
        start = 0
        rivals = [(o, s) for o, s in placed if s.first <= slot.last and slot.first <= s.last]
        for offset, rival in sorted(rivals, key=lambda pair: pair[0]):
            if start + slot.bytes <= offset:
                break
            start = max(start, offset + rival.bytes)
        placed.append((start, slot))
    offsets = {member: offset for offset, slot in placed for member in slot.members}
    return Arena(offsets, max([offset + slot.bytes for offset, slot in placed], default=0))


def _slots(steps: Sequence[Step]) -> list[_Slot]:
    lives = _lives(steps)
    slot_of: dict[Storage, _Slot] = {}
    for storage, (first, last) in lives.items():
        rounded = -(-storage.bytes // ALIGNMENT) * ALIGNMENT
        slot_of[storage] = _Slot([storage], rounded, first, last)
    for number, step in enumerate(steps):
        for source, result in step.in_place:
            old, new = slot_of.get(source), slot_of.get(result)
            if old is None or new is None or old is new:
                continue
            # The slot must end with this step, and the result begin with it.
            if old.last == number and new.first == number and new.bytes <= old.bytes:
                old.members += new.members
                old.last = new.last
                for member in new.members:
                    slot_of[member] = old
    unique = {id(slot): slot for slot in slot_of.values()}
    return list(unique.values())


def _lives(steps: Sequence[Step]) -> dict[Storage, tuple[int, int]]:
    lives: dict[Storage, tuple[int, int]] = {}
    for number, step in enumerate(steps):
        for storage in (*step.writes, *step.reads):
            if storage.place == "arena":
                first, _ = lives.get(storage, (number, number))
                lives[storage] = (first, number)
    return lives
