"""Listing instances whose starts wait: each is there from its reservation on, and in one place whatever becomes of it."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace

import pytest

from stead.transport import (
    Acquired,
    Commit,
    CommitVerdict,
    EnqueueResult,
    InstanceView,
    Reuse,
    SentStart,
    Start,
    Store,
    Verdict,
    partition_of,
)
from support.redis_steps import batch, commit, take

pytestmark = pytest.mark.anyio

RUNNING, COMPLETED = b"\x00", b"\x01"  # what the records of such instances begin with


@dataclass
class Hub:
    """Starts instances, and commits for the owners of all partitions; knows what there is."""

    store: Store
    owners: list[Acquired] = field(default_factory=list[Acquired])
    last: dict[int, bytes] = field(default_factory=dict[int, bytes])
    there: dict[str, InstanceView] = field(default_factory=dict[str, InstanceView])
    count: int = 0

    async def join(self) -> None:
        self.owners = [await take(self.store, partition) for partition in range(self.store.layout.partitions)]

    def place(self, name: str) -> int:
        return partition_of(name, self.store.layout.partitions)

    def _drawn(self) -> bytes:
        self.count += 1
        return b"%d" % self.count

    async def start(self, name: str, reuse: Reuse = Reuse.FINISHED) -> None:
        """Reserve an instance, as a client does."""
        drawn = self._drawn()
        one = batch([drawn], partition=self.place(name), session=f"session {self.count}")
        one = replace(one, starts=[Start(0, name, drawn, reuse)])
        assert await self.store.enqueue([one]) == [EnqueueResult(Verdict.ACCEPTED, 0)]
        self._is(name, start=drawn)

    async def send_start(self, name: str, sender: int) -> None:
        """Reserve an instance, as an orchestration does."""
        drawn = self._drawn()
        await self.commit(sender, starts=[SentStart(self.place(name), name, drawn, drawn)])
        if name not in self.there or self.there[name].start is None:
            self._is(name, start=drawn)

    async def begin(self, name: str, record: bytes = RUNNING) -> None:
        """Carry a start out: the record takes over from the reservation."""
        view = self.there[name]
        created = [name] if view.record is None else []
        await self.commit(
            self.place(name), states=[(name, record)], created=created, started=[(name, view.start or b"")]
        )
        self.there[name] = InstanceView(None, record)

    async def refuse(self, name: str) -> None:
        """Let a start come to nothing."""
        await self.commit(self.place(name), started=[(name, self.there[name].start or b"")])
        self._is(name, start=None)

    async def purge(self, name: str) -> None:
        await self.commit(self.place(name), deleted=[name])
        self._is(name, record=None)

    async def commit(self, partition: int, **effects: object) -> None:
        drawn = self._drawn()
        one: Commit = commit(self.owners[partition], drawn, self.last.get(partition, b""), **effects)
        assert await self.store.commit([one], self.store.generation) == [CommitVerdict.APPLIED]
        self.last[partition] = drawn

    def _is(self, name: str, **change: bytes | None) -> None:
        view = self.there.pop(name, InstanceView(None, None))
        view = InstanceView(change.get("start", view.start), change.get("record", view.record))
        if view != InstanceView(None, None):
            self.there[name] = view

    async def listed(self, prefix: str = "", page: int = 3, after: str = "") -> dict[str, InstanceView]:
        found = [one async for part in self.store.list_instances(prefix, page, after) for one in part]
        assert [name for name, _ in found] == sorted({name for name, _ in found}, key=str.encode)
        return dict(found)

    async def is_right(self) -> None:
        """What is listed and counted is what is there."""
        assert await self.listed() == self.there
        assert sum(place.instances for place in await self.store.info()) == len(self.there)
        records = {name: view.record for name, view in self.there.items() if view.record is not None}
        assert dict([one async for part in self.store.list_targets("", 4) for one in part]) == records


@pytest.fixture
async def hub(store: Store) -> Hub:
    hub = Hub(store)
    await hub.join()
    return hub


async def test_an_instance_is_listed_from_its_start_on(hub: Hub) -> None:
    names = ["a1", "!", "ab", "b", "å", "a2"]
    for name in names[:3]:
        await hub.start(name)
    for name in names[3:]:
        await hub.send_start(name, 1)
    await hub.is_right()
    assert {name: view.record for name, view in (await hub.listed()).items()} == dict.fromkeys(names)
    for name in ("a2", "!"):
        await hub.begin(name)
    await hub.is_right()
    assert list(await hub.listed("a", 1)) == ["a1", "a2", "ab"]
    assert list(await hub.listed("a", 2, "a1")) == ["a2", "ab"]
    assert list(await hub.listed("å")) == ["å"]
    assert list(await hub.listed("", 2, "ab")) == ["b", "å"]


async def test_what_ends_with_its_start_is_not_listed_any_more(hub: Hub) -> None:
    await hub.start("refused")
    await hub.send_start("also", 0)
    await hub.refuse("refused")
    await hub.refuse("also")
    await hub.is_right()
    assert await hub.listed() == {}


async def test_a_finished_instance_whose_new_start_waits_is_listed_when_it_is_purged(hub: Hub) -> None:
    await hub.start("again")
    await hub.begin("again", COMPLETED)
    await hub.start("again")
    await hub.is_right()
    await hub.purge("again")
    await hub.is_right()
    assert list(await hub.listed()) == ["again"]
    await hub.begin("again", COMPLETED)
    await hub.is_right()
    await hub.purge("again")
    assert await hub.listed() == {}


async def test_a_start_that_is_refused_lists_nothing(hub: Hub) -> None:
    await hub.start("i")
    taken = replace(batch([b"x"], partition=hub.place("i")), starts=[Start(0, "i", b"x", Reuse.NEVER)])
    assert (await hub.store.enqueue([taken]))[0].refused == {0}
    await hub.refuse("i")
    assert await hub.listed() == {}


async def test_a_fenced_commit_lists_nothing(hub: Hub) -> None:
    late = Commit(0, b"another", b"", b"late", starts=[SentStart(1, "i", b"s", b"s")])
    assert await hub.store.commit([late], hub.store.generation) == [CommitVerdict.FENCED]
    await hub.is_right()


async def test_more_starts_than_a_command_may_name_are_listed(hub: Hub) -> None:
    names = [f"{number:05}" for number in range(9_000)]
    await hub.commit(0, starts=[SentStart(hub.place(name), name, b"s", b"s") for name in names])
    assert list(await hub.listed(page=500)) == names


@pytest.mark.parametrize("seed", range(12))
async def test_what_is_there_throughout_is_given_once_whatever_happens_between_pages(hub: Hub, seed: int) -> None:
    draw = random.Random(seed)
    names = [f"{draw.choice('ab!åz')}{number}" for number in range(40)]

    async def happen() -> None:
        name = draw.choice(names)
        view = hub.there.get(name)
        if view is None:
            await (hub.start(name) if draw.random() < 0.5 else hub.send_start(name, draw.randrange(4)))
        elif view.start is not None:
            if view.record is not None and draw.random() < 0.4:
                await hub.purge(name)
            elif draw.random() < 0.1:
                await hub.refuse(name)
            else:
                await hub.begin(name, draw.choice([RUNNING, COMPLETED]))
        elif view.record == COMPLETED:
            await (hub.start(name) if draw.random() < 0.6 else hub.purge(name))
        else:
            await hub.begin(name, COMPLETED)  # it goes on

    for _ in range(60):
        await happen()
    for _ in range(5):
        throughout, ever = set(hub.there), dict.fromkeys(hub.there)
        found: list[str] = []
        async for part in hub.store.list_instances("", draw.choice([1, 2, 5])):
            assert all(hub.there[name] == view for name, view in part), "a page is what there is when it is read"
            found += [name for name, _ in part]
            for _ in range(draw.randrange(6)):
                await happen()
                throughout &= set(hub.there)
                ever |= dict.fromkeys(hub.there)
        assert found == sorted(set(found), key=str.encode)
        assert throughout <= set(found) <= set(ever)
        await hub.is_right()
