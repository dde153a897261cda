"""What is sent to instances that may be unknown or have ended: the store looks at them, and the client tells what it would have seen."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from stead.entities import BacklogFull
from stead.entities.extending import encode_message
from stead.orchestrations import InstanceFinished, OrchestrationClient, RuntimeStatus, UnknownInstance
from stead.orchestrations._client.queries import Look
from stead.orchestrations._history.messages import START, StartMessage
from stead.orchestrations._history.record import InstanceRecord, encode_instance_record
from stead.transport import Commit, CommitVerdict, MemoryStore, Reuse, SentStart, Settings, Store, partition_of
from support.approvals import client_of, messages

pytestmark = [pytest.mark.anyio, pytest.mark.hazard(14)]

Tell = Callable[[OrchestrationClient, str], Awaitable[None]]
TELLS: dict[str, Tell] = {
    "raise_event": lambda client, instance_id: client.raise_event(instance_id, "go", 1),
    "terminate": lambda client, instance_id: client.terminate(instance_id, "enough"),
    "cancel": lambda client, instance_id: client.cancel(instance_id, "enough"),
    "suspend": lambda client, instance_id: client.suspend(instance_id, "a while"),
    "resume": lambda client, instance_id: client.resume(instance_id, "again"),
}


class Hub:
    """Instances as others have left them."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.commit_ids = dict.fromkeys(range(store.layout.partitions), b"")
        self._numbers = itertools.count()

    async def begin(self) -> None:
        for partition in self.commit_ids:
            assert await self.store.acquire(partition, "owner", b"token", b"", 3_600_000) is not None

    async def commit(self, target: str, **effects: Any) -> None:
        partition = partition_of(target, self.store.layout.partitions)
        before, self.commit_ids[partition] = self.commit_ids[partition], b"c%d" % next(self._numbers)
        commit = Commit(partition, b"token", before, self.commit_ids[partition], **effects)
        assert await self.store.commit([commit], self.store.generation) == [CommitVerdict.APPLIED]

    async def have(self, target: str, status: RuntimeStatus) -> None:
        """An instance with a record."""
        record = encode_instance_record(InstanceRecord(status, "tidying", None, "e", 1, 1, b"begun"))
        await self.commit(target, states=[(target, record)], created=[target])

    async def reserve(self, target: str, reuse: Reuse) -> None:
        """A start that another instance has sent."""
        start = StartMessage("tidying", None, None, 1, None, None, None, int(reuse))
        payload = encode_message(target, START, list(start), b"waits", None)
        partition = partition_of(target, self.store.layout.partitions)
        await self.commit(target, starts=[SentStart(partition, target, b"waits", payload)])


async def outcome(step: Awaitable[object]) -> str:
    try:
        await step
    except (UnknownInstance, InstanceFinished) as error:
        return f"{type(error).__name__}: {error}"
    return ""


async def seen(client: OrchestrationClient, instance_id: str) -> str:
    """What a look before the event would make of it."""
    try:
        look = await client._look(instance_id)
    except UnknownInstance as error:
        return f"UnknownInstance: {error}"
    return f"InstanceFinished: {InstanceFinished(instance_id, look.status)}" if look.finished else ""


async def test_an_event_is_refused_to_whom_a_look_would_refuse_it(store: Store, settings: Settings) -> None:
    hub = Hub(store)
    await hub.begin()
    taken: list[str] = []
    async with client_of(store, settings) as client:
        for status, reuse in itertools.product((None, *RuntimeStatus), (None, *Reuse)):
            instance_id = f"{status}-{reuse}"
            if status is not None:
                await hub.have(instance_id, status)
            if reuse is not None:
                await hub.reserve(instance_id, reuse)
            expected = await seen(client, instance_id)
            assert await outcome(client.raise_event(instance_id, "go")) == expected
            taken += [] if expected else [instance_id]
            if status is not None:
                await hub.commit(instance_id, deleted=[instance_id])
                if reuse is None:
                    assert (await outcome(client.raise_event(instance_id, "go"))).startswith("UnknownInstance")
    found = await messages(store)
    assert sorted(each.target for each in found if each.operation == "event") == sorted(taken)
    assert 20 < len(taken) < 36


@pytest.mark.parametrize("name", TELLS)
async def test_nobody_looks_but_who_is_refused(memory: MemoryStore, settings: Settings, name: str) -> None:
    hub, tell = Hub(memory), TELLS[name]
    await hub.begin()
    await hub.have("done", RuntimeStatus.COMPLETED)
    async with client_of(memory, settings) as client:
        await client.start_new("tidying", instance_id="a")
        before = len(await messages(memory))
        await tell(client, "a")
        assert "read_instance" not in memory.faults.calls
        assert len(await messages(memory)) == before + 1
        assert await outcome(tell(client, "nosuch")) == f"UnknownInstance: {UnknownInstance('nosuch')}"
        finished = InstanceFinished("done", RuntimeStatus.COMPLETED)
        assert await outcome(tell(client, "done")) == (f"InstanceFinished: {finished}" if name == "raise_event" else "")
        assert memory.faults.calls["read_instance"] == 2
        assert len(await messages(memory)) == before + 1


@pytest.mark.hazard(3)
@pytest.mark.parametrize("name", TELLS)
async def test_a_lost_answer_changes_nothing(memory: MemoryStore, settings: Settings, name: str) -> None:
    tell = TELLS[name]
    async with client_of(memory, settings) as client:
        await client.start_new("tidying", instance_id="a")
        for _ in range(2):
            memory.faults.lose_answers("enqueue", 2)
            assert (await outcome(tell(client, "nosuch"))).startswith("UnknownInstance")
            memory.faults.lose_answers("enqueue", 2)
            await tell(client, "a")
        assert [each.target for each in await messages(memory)] == ["a"] * 3


async def test_one_that_is_started_anew_before_the_look_gets_the_event(
    memory: MemoryStore, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with client_of(memory, settings) as client:
        real = client._look

        async def look(instance_id: str, events: int = 0) -> Look:
            await client.start_new("tidying", instance_id=instance_id)
            monkeypatch.setattr(client, "_look", real)
            return await real(instance_id, events)

        monkeypatch.setattr(client, "_look", look)
        await client.raise_event("a", "go", 1)
        assert [each.operation for each in await messages(memory)] == ["start", "event"]


async def test_who_has_no_room_is_told_first_that_there_is_nobody(memory: MemoryStore, settings: Settings) -> None:
    """As long as a partition is full, what is for nobody is not to be tried again."""
    hub = Hub(memory)
    await hub.begin()
    await hub.have("done", RuntimeStatus.FAILED)
    async with client_of(memory, settings) as client:
        await client.start_new("tidying", instance_id="a")
        memory.faults.full = True
        with pytest.raises(UnknownInstance):
            await client.raise_event("nosuch", "go")
        with pytest.raises(InstanceFinished):
            await client.raise_event("done", "go")
        await client.suspend("done")
        with pytest.raises(BacklogFull):
            await client.raise_event("a", "go")
        with pytest.raises(BacklogFull):
            await client.suspend("a")
        with pytest.raises(UnknownInstance):
            await client.terminate("nosuch")
        await client.terminate("a")
        memory.faults.full = False
        assert [each.operation for each in await messages(memory)] == ["start", "terminate"]


async def test_what_is_put_after_a_start_of_the_same_client_comes_after_it(store: Store, settings: Settings) -> None:
    async with client_of(store, settings) as client:
        for number in range(50):
            instance_id = f"i{number}"
            await asyncio.gather(
                client.start_new("tidying", instance_id=instance_id), client.raise_event(instance_id, "go", number)
            )
        found = await messages(store)
        by_target = {
            f"i{number}": [each.operation for each in found if each.target == f"i{number}"] for number in range(50)
        }
        assert list(by_target.values()) == [["start", "event"]] * 50
