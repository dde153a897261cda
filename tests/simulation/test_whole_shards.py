"""Shards of whole workers in virtual time: whatever befalls those, and though two versions of the code with different numbers of shards work
side by side, what is read is what was sent, each once and in order. And whether it would be found if one of the rules were broken."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Self

import pytest

from simulation.whole import WholeWorld
from stead.entities import ClassEntityType, Entity, EntityClient, Registry, Worker
from stead.entities._client import sharding as client_sharding
from stead.entities._message.shards import Spread
from support.fresh_seeds import fresh_seeds

KEYS = 2
RELAYS = 6
SOURCES = 3
VERSIONS = (2, 7)


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """What goes wrong is logged, as it should."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


class Sum(Entity):
    """Counts what everyone sends, and writes down what comes out of order within a shard."""

    count: int = 0
    last: dict[str, int] = {}
    wrong: list[str] = []
    shards: list[int] = []

    def add(self, sender: str, number: int) -> None:
        self.count += 1
        if number <= self.last.get(sender, -1):
            self.wrong.append(f"{number} of {sender} after {self.last[sender]}")
        self.last[sender] = number
        self.shards = [self.context.shard or 0]

    @classmethod
    def merge(cls, shards: Sequence[Self]) -> Self:
        return cls(
            count=sum(each.count for each in shards),
            wrong=[wrong for each in shards for wrong in each.wrong],
            shards=[shard for each in shards for shard in each.shards],
        )


class Relay(Entity):
    """Passes on, as one sender."""

    sent: int = 0

    def relay(self, key: str, times: int) -> None:
        for _ in range(times):
            self.context.signal_entity(Sum.add, key, str(self.context.entity_id), self.sent)
            self.sent += 1

    def forget(self, key: str) -> None:
        self.context.signal_entity(Sum.delete, key)


def registry_of(shards: int) -> Registry:
    registry = Registry()
    registry.add(ClassEntityType(Sum, shards=shards))
    registry.add(ClassEntityType(Relay))
    return registry


class Street(WholeWorld):
    """Some sums, and who sends to them."""

    def __init__(self, seed: int) -> None:
        self.registries = [registry_of(shards) for shards in VERSIONS]
        super().__init__(seed, self.registries[0])
        self.settings = self.settings.model_copy(update={"local_hops": self.chance.random() < 0.5})
        self.clients = [EntityClient(self.store, registry, self.settings) for registry in self.registries]
        self.sent: Counter[str] = Counter()
        self.number = 0
        self.sources = [0] * SOURCES
        self.grown = False
        self.deleted = False

    def worker(self) -> Worker:
        """Before the deployment of the first version, then of either."""
        version = 1 if self.grown and self.chance.random() < 0.6 else 0
        return Worker(self.store, self.registries[version], self.settings)

    async def close(self) -> None:
        for client in self.clients:
            await client.aclose()

    @property
    def client(self) -> EntityClient:
        return self.clients[self.chance.randrange(2) if self.grown else 0]

    async def step(self) -> None:
        """One thing, and a while in which it has its effects."""
        actions = (self.one, self.one, self.one, self.one, self.start, self.stop, self.die, self.lose, self.restart)
        await self.let(self.chance.choice(actions)())
        await self.pass_some_time()

    async def one(self) -> None:
        chance = self.chance
        key = f"key-{chance.randrange(KEYS)}"
        match chance.randrange(8):
            case 0:
                self.grown = True
            case 1 | 2:
                await self.from_a_source(key, chance.randrange(SOURCES))
            case 3:
                which = chance.randrange(2)
                client = self.clients[which if self.grown else 0]
                await client.signal_entity(Sum.add, key, f"client-{self.clients.index(client)}", self.number)
                self.number += 1
                self.sent[key] += 1
            case 4:  # whoever reads sees no more than was sent, and none of it twice
                found = await self.client.read_entity(Sum, key)
                assert (0 if found is None else found.count) <= self.sent[key]
            case _:
                times = chance.choice([1, 3])
                await self.client.signal_entity(Relay.relay, f"relay-{chance.randrange(RELAYS)}", key, times)
                self.sent[key] += times

    async def from_a_source(self, key: str, which: int) -> None:
        """It has died, and sends again what may not have got through."""
        first = max(0, self.sources[which] - self.chance.randrange(4))
        key = f"key-{which % KEYS}"  # always the same for a source: so it is known what is new
        async with self.client.producer(source=f"source-{which}") as producer:
            for number in range(first, self.sources[which] + 2):
                await producer.signal_once(number, Sum.add, key, f"source-{which}", number)
        self.sent[key] += 2
        self.sources[which] += 2

    async def missing(self) -> str:
        """In the end all is there, for clients of both versions; then it is deleted, and nothing is."""
        for client in self.clients:
            for key in [f"key-{number}" for number in range(KEYS)]:
                one = await client.read_entity(Sum, key)
                count = 0 if one is None else one.count
                assert one is None or not one.wrong, one.wrong
                assert count <= self.sent[key], f"{key}: {count} of {self.sent[key]}"
                if (0 if self.deleted else self.sent[key]) != count:
                    return f"{key}: {count} of {self.sent[key]}, {self.deleted=}"
            # Nothing changes any more, so a listing shows the same.
            listed = {entity_id.key: each.count async for entity_id, each in client.list_entities(Sum)}
            assert listed == ({} if self.deleted else dict(self.sent)), listed
        if not self.deleted and self.store.is_idle():
            self.deleted = True
            for number in range(KEYS):
                await self.clients[0].signal_entity(Relay.forget, "relay-0", f"key-{number}")
        return "" if self.deleted and self.store.is_idle() else "not idle"


@pytest.mark.invariant(1)
@pytest.mark.invariant(4)
@pytest.mark.hazard(67)
@pytest.mark.hazard(111)
async def test_the_sum_of_the_shards_is_what_was_sent() -> None:
    for seed in chain(range(4), fresh_seeds(2)):
        await Street(seed).live()


def by_the_code(self: client_sharding.HubShards, kind: str) -> Spread | None:
    """As many shards as this program's code says, which may be old."""
    known = self.declared(kind)
    return None if known is None else Spread(known, known, known)


async def reads_by_the_code(self: client_sharding.HubShards, kind: str) -> Spread | None:
    return by_the_code(self, kind)


async def finds_it(seeds: int) -> bool:
    for seed in range(seeds):
        try:
            await Street(seed).live()
        except AssertionError:
            return True
    return False


@pytest.mark.hazard(111)
async def test_readers_that_go_by_their_code_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_sharding.HubShards, "to_read", reads_by_the_code)
    assert await finds_it(30)
