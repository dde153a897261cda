"""The same random steps on both stores: every answer, and all that can be read afterwards, is the same."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given, settings

from stead.transport import Settings
from stead.transport._redis.store import RedisStore
from support.store_twins import MemoryTwin
from support.twin_names import PARTITIONS
from support.twin_steps import STEPS, Side, Step
from support.valkey_server import ValkeyServer

pytestmark = pytest.mark.anyio

SETTINGS = Settings(partitions=PARTITIONS, slot_groups=2, dead_letters_max=3)
_numbers = itertools.count()


# A hub of its own for every example: what the fixtures give is the server alone.
@pytest.mark.timeout(600)  # a failure takes a while to be made small
@settings(max_examples=150)
@given(steps=STEPS)
async def test_both_stores_answer_alike(server: ValkeyServer, steps: list[Step]) -> None:
    redis_store = await RedisStore.open(server.url, f"twin-{next(_numbers)}", SETTINGS)
    try:
        memory, redis = Side(MemoryTwin("twin", SETTINGS).store), Side(redis_store)
        for side in (memory, redis):
            await side.begin()
        for step in steps:
            answers: list[Any] = [await side.perform(step) for side in (memory, redis)]
            assert answers[0] == answers[1], step
        assert await memory.everything() == await redis.everything()
    finally:
        await redis_store.close()
