"""Names of operations that are stead's own: nobody can send them, by whatever door."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from stead.entities import DeadLetters, Entity, EntityClient, EntityId, InvalidInput, Registry
from stead.entities.extending import resolve_call
from stead.transport import Commit, DeadLetter, ManualClock, MemoryStore, Settings, StreamId


class Counter(Entity):
    value: int = 0

    def add(self) -> None:
        self.value += 1


@pytest.mark.parametrize("name", ["!release", "!lock", "!", "!anything"])
async def test_a_client_cannot_send_what_only_critical_sections_may(name: str) -> None:
    settings = Settings(partitions=1, slot_groups=1)
    store = MemoryStore("tests", settings)
    target = EntityId("Counter", "c")
    async with EntityClient(store, Registry(), settings) as client:
        tries: list[Callable[[], Awaitable[object]]] = [
            lambda: client.signal_entity(target, name, b"id"),
            lambda: client.call_entity(target, name, b"id"),
        ]
        for attempt in tries:
            with pytest.raises(InvalidInput, match="stead's own"):
                await attempt()
    with pytest.raises(InvalidInput, match="stead's own"):
        resolve_call(Registry(), target, name, (), {})
    assert (await store.info())[0].backlog == 0


class CountingStore(MemoryStore):
    letters = 0

    async def dead_letters(self, partition: int, after: StreamId, count: int) -> list[DeadLetter]:
        found = await super().dead_letters(partition, after, count)
        self.letters += len(found)
        return found


async def test_a_page_of_dead_letters_reads_about_a_page() -> None:
    settings = Settings(partitions=1, slot_groups=1)
    store = CountingStore("tests", settings, ManualClock())
    acquired = await store.acquire(0, "worker", b"token", b"", 10_000)
    assert acquired is not None
    letter = b"\x81\xa1x\x01"  # which cannot even be read
    await store.commit([Commit(0, b"token", acquired.commit_id, b"c1", dead=[letter] * 3_000)], store.generation)
    letters = DeadLetters(store)
    assert [message async for message in letters.all()] == []
    assert store.letters == 3_000, "each once"
    assert store.left_out.counts() == {"dead letters": 3_000}
