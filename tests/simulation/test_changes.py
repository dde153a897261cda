"""Every commit in which a stored state differs tells so, once, in the same step; and none else does (HAZARDS 94, 96).

Two versions of a program work on one hub, the older of which does not know that changes are kept, and of which the newer has an index, too.
Operations fail or change nothing, reminders and locks come and go, answers of the store are lost, workers end as if they had died. An
observer compares the states before and after each commit with what came into the feeds.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import secrets
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from stead.entities import ClassEntityType, Entity, EntityClient, Indexed, Registry, SteadError, Worker, indexed
from stead.entities._index.catalogue import Catalogue, read_catalogue
from stead.entities._index.feeds import kind_of_feed, read_entry, state_in
from stead.entities._message.envelope import LOCK, RELEASE, TaskAddress, encode_message, message_extras
from stead.entities._partition import indexing
from stead.entities._partition.indexing import Indexing
from stead.entities._worker.indexes import IndexKeeper
from stead.transport import Commit, CommitAnswer, MemoryStore, Settings
from stead.transport._memory.state import HubState, PartitionState

pytestmark = [pytest.mark.anyio, pytest.mark.hazard(94), pytest.mark.hazard(96)]

SETTINGS = Settings(partitions=2, slot_groups=1, heartbeat_ms=10, lease_ms=2_000, store_tries_ms=20_000)
KEYS = [f"k{number}" for number in range(8)]
PREFIX = "@thing@"
NOBODY = f"{PREFIX}nobody"  # who has asked for a lock: what it is told is a dead letter


def _program(*, old: bool) -> tuple[Registry, Any]:
    def put(self: Any, number: int) -> None:
        self.number = number

    def look(self: Any) -> None:
        pass

    def fail(self: Any, number: int) -> None:
        self.number = number
        raise ValueError("no")

    def remind(self: Any) -> None:
        if not self.context.cancel_reminder("later"):
            self.context.reminder("later", after=timedelta(days=1)).signal(cls.look)

    put.__annotations__ = {"number": int, "return": None}
    fail.__annotations__ = {"number": int, "return": None}
    look.__annotations__ = remind.__annotations__ = {"return": None}
    operations = {"put": put, "look": look, "fail": fail, "remind": remind}
    number: Any = int if old else Indexed[int]
    body = {"__annotations__": {"number": number}, "number": 0 if old else indexed(0), **operations}
    cls: Any = type("Thing", (Entity,), {**body, "__module__": __name__})
    registry = Registry()
    registry.add(ClassEntityType(cls, changes=None if old else timedelta(days=2)))
    return registry, cls


# -- the observer ------------------------------------------------------------------------------------------------------------


class _Seen:
    """What there is of a partition: the states of its entities, and how many entries its feed has had."""

    def __init__(self, state: PartitionState) -> None:
        self.states = {
            target.removeprefix(PREFIX): state_in(record)
            for target, record in state.records.items()
            if target.startswith(PREFIX)
        }
        feed = state.feeds.get("thing")
        self.entries = [] if feed is None else list(feed.stream.entries.values())


def untold(before: _Seen, after: _Seen, *, kept: bool) -> str | None:
    """What came into the feed that is not what the step changed, or the other way round; None if they agree."""
    keys = before.states.keys() | after.states.keys()
    differing = {key: after.states.get(key) for key in keys if before.states.get(key) != after.states.get(key)}
    new = after.entries[len(before.entries) :]
    if len(new) > 1:
        return f"{len(new)} entries of one commit"
    told = read_entry(new[0]) if new else []
    if len(dict(told)) != len(told):
        return f"an entity is in one entry twice: {told}"
    if kept and dict(told) != differing:
        return f"{differing} differ, and {told} are told"
    return None if kept or not told else f"{told} are told of a kind that keeps no changes"


class _Observed(MemoryStore):
    """A store that is looked at around each commit."""

    found: str | None = None
    told = 0

    def _commit(self, commits: Sequence[Commit]) -> list[CommitAnswer]:
        before = [_Seen(state) for state in self._state.partitions]
        answers = super()._commit(commits)
        for old, state in zip(before, self._state.partitions, strict=True):
            new = _Seen(state)
            kept = state.catalogue > 0 and _keeps(self._state)
            self.found = self.found or untold(old, new, kept=kept)
            self.told += len(new.entries) - len(old.entries)
        return answers


def _keeps(hub: HubState) -> bool:
    return bool(read_catalogue(hub.catalogue).feeds)


# -- the world -----------------------------------------------------------------------------------------------------------------


async def _live(seed: int) -> _Observed:
    """A hub that begins with the older version, and lives through what its seed says."""
    chance = random.Random(seed)
    store = _Observed(f"told-{seed}", SETTINGS)
    old, new = _program(old=True), _program(old=False)
    async with EntityClient(store, old[0], SETTINGS) as client:
        workers = [Worker(store, old[0], SETTINGS)]
        await workers[0].start()
        for _ in range(10):
            await _message(client, old[1], chance)
        workers.append(Worker(store, new[0], SETTINGS))
        await workers[-1].start()
        for _ in range(60):
            if chance.random() < 0.08:
                workers.append(Worker(store, chance.choice([old, new])[0], SETTINGS))
                await workers[-1].start()
            if len(workers) > 1 and chance.random() < 0.1:
                await workers.pop(chance.randrange(len(workers))).abandon()
            if chance.random() < 0.2:
                store.faults.lose_answers("commit")
            if chance.random() < 0.1:
                store.faults.refuse(chance.choice(["look", "load", "adopt", "commit"]))
            await asyncio.gather(*(_message(client, old[1], chance) for _ in range(chance.randint(1, 6))))
            if store.found is not None:
                break
        for worker in workers:
            await worker.abandon()
    return store


async def _message(client: EntityClient, cls: Any, chance: random.Random) -> None:
    key, what = chance.choice(KEYS), chance.random()
    with contextlib.suppress(SteadError):
        if what < 0.5:
            await client.call_entity(cls.put, key, chance.randint(-1, 2))
        elif what < 0.6:
            await client.call_entity(cls.fail, key, chance.randint(-1, 2))
        elif what < 0.7:
            await client.call_entity(cls.remind, key)
        elif what < 0.8:
            await client.call_entity(cls.look, key)
        elif what < 0.9:
            await _locked_for_a_while(client, key)
        else:
            await client.call_entity(cls.delete, key)


async def _locked_for_a_while(client: EntityClient, key: str) -> None:
    """A critical section over one entity: the lock is in its record for as long."""
    target, request = f"{PREFIX}{key}", secrets.token_bytes(8)
    extras = message_extras(task=TaskAddress(NOBODY, "execution", 1), sender=NOBODY)
    for operation, more in ((LOCK, []), (RELEASE, [False])):
        args = [request, [target], 0, *more]
        payload = encode_message(target, operation, args, secrets.token_bytes(8), extras)
        partition = client._outgoing.partition(target)
        await client._sender.wait(partition, client._sender.put(partition, payload))


@pytest.mark.parametrize("seed", range(6))
async def test_each_commit_tells_which_states_it_has_changed_and_nothing_else(seed: int) -> None:
    store = await _live(seed)
    assert store.found is None
    assert store.told > 20


# -- broken on purpose, each is found ------------------------------------------------------------------------------------------


def _tell_of_records(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lock or a reminder would be a change."""

    def record_itself(record: bytes | None) -> bytes | None:
        return record

    monkeypatch.setattr(indexing, "mark_of", record_itself)


def _never_note_what_was_told(monkeypatch: pytest.MonkeyPatch) -> None:

    def another(_: bytes | None) -> object:
        return object()

    monkeypatch.setattr(indexing, "mark_of", another)


def _forget_the_deleted(monkeypatch: pytest.MonkeyPatch) -> None:
    as_it_is = Indexing._feeds

    def feeds_of(self: Indexing, changed: Any, now_ms: int) -> Any:
        return as_it_is(self, [each for each in changed if each[1] is not None], now_ms)

    monkeypatch.setattr(Indexing, "_feeds", feeds_of)


def _tell_only_what_the_class_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker of the older version leaves gaps."""
    as_it_is = IndexKeeper._learn

    def learn(self: IndexKeeper, view: Any) -> None:
        as_it_is(self, view)
        known = self._board.environment.catalogue
        if not any(map(kind_of_feed, self._declared)):
            self._board.environment.catalogue = Catalogue(known.version, known.indexes.values())

    monkeypatch.setattr(IndexKeeper, "_learn", learn)


@pytest.mark.parametrize(
    "mutation", [_tell_of_records, _never_note_what_was_told, _forget_the_deleted, _tell_only_what_the_class_says]
)
async def test_what_is_broken_is_found(monkeypatch: pytest.MonkeyPatch, mutation: Any) -> None:
    mutation(monkeypatch)
    for seed in range(12):
        if (await _live(seed)).found is not None:
            return
    raise AssertionError("no world has noticed it")
