"""Slots: never more than there are, none lost, and whoever came first is served first."""

from __future__ import annotations

import asyncio
import random

import pytest

from stead.entities._client.slots import Slots


async def settle() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


async def test_a_slot_goes_to_whoever_came_first() -> None:
    slots = Slots(1)
    order: list[int] = []
    assert slots.take()

    async def stand(number: int) -> None:
        await slots.wait()
        order.append(number)

    waiting = [asyncio.ensure_future(stand(number)) for number in range(3)]
    await settle()
    for number in range(3):
        slots.give_back()
        assert not slots.take()  # it is that one's already
        await settle()
        assert order == [*range(number + 1)]
    slots.give_back()
    assert slots.take()
    await asyncio.gather(*waiting)


@pytest.mark.parametrize("given_first", [True, False])
async def test_one_that_is_cancelled_loses_none(given_first: bool) -> None:
    """Cancelled before the slot is given to it, or at the same moment and after."""
    slots = Slots(1)
    assert slots.take()
    first, second = (asyncio.ensure_future(slots.wait()) for _ in range(2))
    await settle()
    if given_first:
        slots.give_back()
        first.cancel()
    else:
        first.cancel()
        slots.give_back()
    await settle()
    assert first.cancelled()
    assert second.done()
    assert not slots.take()
    slots.give_back()
    assert slots.take()


@pytest.mark.parametrize("seed", range(10))
async def test_there_are_never_more_and_never_fewer(seed: int) -> None:
    chance = random.Random(seed)
    slots, taken, most = Slots(3), 0, 0

    async def use() -> None:
        nonlocal taken, most
        if not slots.take():
            await slots.wait()
        taken += 1
        most = max(most, taken)
        try:
            for _ in range(chance.randrange(4)):
                await asyncio.sleep(0)
        finally:
            taken -= 1
            slots.give_back()

    tasks = [asyncio.ensure_future(use()) for _ in range(200)]
    while not all(task.done() for task in tasks):
        chance.choice(tasks).cancel()
        await asyncio.sleep(0)
    await asyncio.gather(*tasks, return_exceptions=True)
    assert most == 3
    assert [slots.take() for _ in range(4)] == [True, True, True, False]
