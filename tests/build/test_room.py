"""How many steps may work at once."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from edgecompile.build.room import STEP_BYTES, Room

STEPS = st.lists(st.integers(0, 5), min_size=1, max_size=12)


async def together(room: Room, priorities: list[int], needs: list[int]) -> list[tuple[int, int]]:
    """Run steps through `room`; gives the priority of each that entered, and how many were in."""
    entered: list[tuple[int, int]] = []

    async def step(index: int, priority: int) -> None:
        async with room.place(f"kind {needs[index % len(needs)]}", (priority,)):
            entered.append((priority, room.busy))
            await asyncio.sleep(0)

    await asyncio.gather(*(step(index, p) for index, p in enumerate(priorities)))
    return entered


@given(STEPS, st.integers(1, 4), st.integers(0, 10))
def test_never_more_than_the_jobs_nor_than_memory_holds_and_all_get_their_turn(
    priorities, jobs, fitting
):
    room = Room(jobs, fitting * STEP_BYTES)
    entered = asyncio.run(together(room, priorities, [0]))
    assert len(entered) == len(priorities)
    assert max(busy for _, busy in entered) <= max(1, min(jobs, fitting))


@given(STEPS)
def test_one_at_a_time_the_least_priority_comes_first(priorities):
    entered = asyncio.run(together(Room(1), priorities, [0]))
    first, rest = entered[0], entered[1:]
    assert first[0] == priorities[0]  # it was alone when it asked
    assert rest == sorted(rest)


@given(STEPS, st.integers(2, 4))
def test_a_kind_that_took_more_than_expected_gets_more_room(priorities, jobs):
    room = Room(jobs, 2 * STEP_BYTES)
    room.saw("kind 1", 2 * STEP_BYTES)
    entered = asyncio.run(together(room, priorities, [1]))
    assert {busy for _, busy in entered} == {1}


def test_a_step_that_asks_for_all_is_alone_even_where_memory_is_less_than_one_needs():
    room = Room(4, STEP_BYTES // 2)

    async def alone() -> int:
        async with room.place("kind", (0,), alone=True):
            return room.busy

    assert asyncio.run(alone()) == 1


def test_who_gives_up_waiting_leaves_no_hole():
    async def scenario() -> int:
        room = Room(1)
        async with room.place("kind", (0,)):
            waiting = asyncio.ensure_future(together(room, [1], [0]))
            await asyncio.sleep(0)
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
        return len(await together(room, [2, 3], [0]))

    assert asyncio.run(scenario()) == 2
