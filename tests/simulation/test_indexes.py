"""Index and state agree after every commit: whatever fails, whoever dies, and whichever version of the program works (HAZARDS 85-90).

Two versions of a program work on one hub, the older of which does not know the index; messages fail, answers of the store are lost, workers
end as if they had died. An observer looks at all that the store holds after each commit.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import pytest

from stead.entities import ClassEntityType, Entity, EntityClient, Indexed, Registry, SteadError, Worker, indexed
from stead.entities._index.catalogue import Catalogue, KindIndexes, read_catalogue
from stead.entities._partition.indexing import Indexing
from stead.entities._worker import indexes as building
from stead.transport import READY, Commit, CommitAnswer, Loaded, MemoryStore, Settings
from stead.transport._memory.state import HubState, PartitionState

pytestmark = pytest.mark.anyio

SETTINGS = Settings(partitions=2, slot_groups=1, heartbeat_ms=10, lease_ms=2_000, store_tries_ms=20_000)
KEYS = [f"k{number}" for number in range(12)]


def _program(*, old: bool) -> tuple[Registry, Any]:
    number: Any = int if old else Indexed[int]
    text: Any = str if old else Indexed[str | None]

    def put(self: Any, number: int, text: str) -> None:
        self.number, self.text = number, text
        self.touched += 1

    def fail(self: Any, number: int) -> None:
        self.number = number
        raise ValueError("no")

    fields = {"number": number, "text": text, "touched": int}
    defaults = (
        {"number": 0, "text": "", "touched": 0} if old else {"number": indexed(0), "text": indexed(""), "touched": 0}
    )
    put.__annotations__ = {"number": int, "text": str, "return": None}
    fail.__annotations__ = {"number": int, "return": None}
    body = {"__annotations__": fields, **defaults, "put": put, "fail": fail, "__module__": __name__}
    registry = Registry()
    cls = type("Thing", (Entity,), body)
    registry.add(ClassEntityType(cls))
    return registry, cls


# -- the observer ------------------------------------------------------------------------------------------------------------


def disagreement(hub: HubState) -> str | None:
    """What in a hub's indexes is not what its states say; None if nothing is."""
    catalogue = read_catalogue(hub.catalogue)
    return next((found for state in hub.partitions if (found := _disagreement(state, catalogue))), None)


def _disagreement(state: PartitionState, catalogue: Catalogue) -> str | None:
    for kind in catalogue.kinds.values():
        prefix = f"@{kind.kind}@"
        wanted: dict[str, set[tuple[float, bytes]]] = {name: set() for index in kind.indexes for name in index.sets}
        for target, record in state.records.items():
            places = kind.places(record) if target.startswith(prefix) else None
            for place, index in zip(places or (), kind.indexes, strict=False):
                name, score, member = index.entry(place, target.removeprefix(prefix).encode())  # type: ignore[arg-type]
                wanted[name].add((score, member))
        for index in kind.indexes:
            for name in index.sets:
                there: set[tuple[float, bytes]] = set(state.entries[name].order) if name in state.entries else set()
                if there - wanted[name]:
                    return f"{index.field}: {there - wanted[name]} stand there, and no state says so"
                if state.built.get(index.name) == READY and wanted[name] - there:
                    return f"{index.field}: {wanted[name] - there} are missing, and it is said to be ready"
    return None


class _Observed(MemoryStore):
    """A store that is looked at after each commit."""

    found: str | None = None
    commits = 0
    meanwhile: Callable[[], Awaitable[None]] | None = None  # what happens before records are loaded, once

    async def load(self, targets: Mapping[int, Sequence[str]]) -> dict[int, list[Loaded]]:
        if (meanwhile := self.meanwhile) is not None:
            self.meanwhile = None
            await meanwhile()
        return await super().load(targets)

    def _commit(self, commits: Any) -> list[CommitAnswer]:
        answers = super()._commit(commits)
        self.commits += 1
        self.found = self.found or disagreement(self._state)
        return answers


# -- the world -----------------------------------------------------------------------------------------------------------------


async def _live(seed: int) -> _Observed:
    """A hub that begins with the older version, and lives through what its seed says."""
    chance = random.Random(seed)
    store = _Observed(f"world-{seed}", SETTINGS)
    old, new = _program(old=True), _program(old=False)
    async with EntityClient(store, old[0], SETTINGS) as client:
        workers = [Worker(store, old[0], SETTINGS)]
        await workers[0].start()
        for _ in range(30):
            await _message(client, old[1], chance)
        for step in range(60):
            if step == 10 or chance.random() < 0.08:
                workers.append(Worker(store, (new if step == 10 else chance.choice([old, new]))[0], SETTINGS))
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
        async with Worker(store, new[0], SETTINGS):
            await _until_ready(store)
            for worker in workers:
                await worker.abandon()
    return store


async def _change_as_it_was() -> _Observed:
    """A hub whose entities are changed, all but what is indexed of them, while they are read to be put into a new index."""
    store = _Observed("as-it-was", SETTINGS)
    old, new = _program(old=True), _program(old=False)

    async def put_all() -> None:
        for key in KEYS:
            await client.call_entity(old[1].put, key, 1, "a")

    async with EntityClient(store, old[0], SETTINGS) as client:
        async with Worker(store, old[0], SETTINGS):
            await put_all()
        store.meanwhile = put_all  # nothing is sent: who loads next is the builder
        async with Worker(store, new[0], SETTINGS):
            await _until_ready(store)
    return store


async def _message(client: EntityClient, cls: Any, chance: random.Random) -> None:
    key = chance.choice(KEYS)
    what = chance.random()
    with contextlib.suppress(SteadError):
        if what < 0.7:
            await client.call_entity(cls.put, key, chance.randint(-2, 2), chance.choice(["", "a", "a\0", "b"]))
        elif what < 0.85:
            await client.call_entity(cls.fail, key, chance.randint(-2, 2))
        else:
            await client.call_entity(cls.delete, key)


async def _until_ready(store: _Observed) -> None:
    async with asyncio.timeout(30):
        while store.found is None and not _all_ready(store.snapshot()):
            await asyncio.sleep(0.005)


def _all_ready(hub: HubState) -> bool:
    indexes = hub.catalogue.indexes
    return bool(indexes) and all(state.built.get(name) == READY for state in hub.partitions for name in indexes)


@pytest.fixture(autouse=True)
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(building, "STEP_LENGTH", 2)


@pytest.mark.parametrize("seed", range(6))
async def test_index_and_state_agree_after_every_commit(seed: int) -> None:
    store = await _live(seed)
    assert store.found is None
    assert store.commits > 30


async def test_what_is_changed_as_it_was_while_it_is_read_is_in_the_index() -> None:
    assert (await _change_as_it_was()).found is None


# -- broken on purpose, each is found ------------------------------------------------------------------------------------------


def _forget_what_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    def write(self: KindIndexes, old: Any, new: Any, key: bytes, writes: Any, whole: Any = frozenset()) -> None:
        as_it_is(self, None if new is None else old, new, key, writes, whole)

    as_it_is = KindIndexes.write
    monkeypatch.setattr(KindIndexes, "write", write)


def _write_only_what_differs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Though the index is being built: what a commit changes between is dropped by the builder, and written by nobody."""

    def write(self: KindIndexes, old: Any, new: Any, key: bytes, writes: Any, whole: Any = frozenset()) -> None:
        as_it_is(self, old, new, key, writes, whole if old is None else frozenset())

    as_it_is = KindIndexes.write
    monkeypatch.setattr(KindIndexes, "write", write)


def _never_note_where_it_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    def build(self: Indexing, commit: Commit, changed: Any, now_ms: int, used: Any) -> None:
        before = [(activation, activation.places) for activation, _ in changed]
        as_it_is(self, commit, changed, now_ms, used)
        for activation, places in before:
            activation.places = places

    as_it_is = Indexing.build
    monkeypatch.setattr(Indexing, "build", build)


async def test_what_is_left_out_while_an_index_is_built_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    _write_only_what_differs(monkeypatch)
    assert "are missing, and it is said to be ready" in str((await _change_as_it_was()).found)


@pytest.mark.parametrize("mutation", [_forget_what_goes, _never_note_where_it_stands])
async def test_what_is_broken_is_found(monkeypatch: pytest.MonkeyPatch, mutation: Any) -> None:
    mutation(monkeypatch)
    for seed in range(12):
        if (await _live(seed)).found is not None:
            return
    raise AssertionError("no world has noticed it")
