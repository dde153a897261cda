"""Indexes of whole workers in virtual time: they come, change and go while three versions of a program work side by side, and whatever
befalls those, index and state agree after every commit, a query gives what it is to give or says that it cannot, and of what nobody
declares any more nothing is left. And whether it would be found if one of their rules were broken.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from itertools import chain
from typing import Any

import pytest

from simulation import whole
from simulation.index_agreement import ObservedStore, disagreement
from simulation.whole import WholeWorld
from stead.entities import ClassEntityType, Entity, EntityClient, Indexed, Registry, SteadError, Worker, indexed
from stead.entities._index.catalogue import Catalogue, KindIndexes, read_catalogue
from stead.entities._message.record import decode_record
from stead.entities._partition.indexing import Indexing
from stead.entities._worker import indexes as building
from stead.entities._worker.indexes import IndexKeeper
from stead.transport import READY, Acquired, Adding, Commit, Settings, unpack
from support.fresh_seeds import fresh_seeds
from support.guards import HANGS_S

KEYS = [f"k{number}" for number in range(7)]
KEEP_MS = 30_000
SEEDS = (0, 3, 4, *range(5, 60))  # of the first three lives much is seen


class Without:
    """Knows no index."""

    class Thing(Entity):
        number: int = 0
        text: str | None = ""
        touched: int = 0
        more: int = 7

        def put(self, number: int, text: str | None) -> None:
            self.number, self.text = number, text
            self.touched += 1

        def fail(self, number: int) -> None:
            self.number = number
            raise ValueError("no")


class With:
    """Has two."""

    class Thing(Entity):
        number: Indexed[int] = indexed(0)
        text: Indexed[str | None] = indexed("")
        touched: int = 0
        more: int = 7

        def put(self, number: int, text: str | None) -> None:
            self.number, self.text = number, text
            self.touched += 1

        def fail(self, number: int) -> None:
            self.number = number
            raise ValueError("no")


class Changed:
    """One has another type, another one another default, one more field has one, and there is an end."""

    class Thing(Entity):
        number: Indexed[float] = indexed(0.0)
        text: Indexed[str | None] = indexed(None)
        touched: int = 0
        more: Indexed[int] = indexed(7)

        def put(self, number: int, text: str | None) -> None:
            self.number, self.text, self.more = number, text, number
            self.touched += 1

        def fail(self, number: int) -> None:
            self.number = number
            raise ValueError("no")


TYPES = {
    Without.Thing: ClassEntityType(Without.Thing),
    With.Thing: ClassEntityType(With.Thing),
    Changed.Thing: ClassEntityType(Changed.Thing, expires_after=timedelta(days=30)),
}
VERSIONS: Sequence[Any] = tuple(TYPES)


def _registry(entity_type: ClassEntityType) -> Registry:
    registry = Registry()
    registry.add(entity_type)
    return registry


REGISTRIES: Mapping[Any, Registry] = {cls: _registry(entity_type) for cls, entity_type in TYPES.items()}


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What goes wrong is logged, as it should; and indexes are built in small steps."""
    monkeypatch.setattr(building, "STEP_LENGTH", 2)
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


class Library(WholeWorld):
    """Some things, that can be found by what is known of them."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed, REGISTRIES[Without.Thing])
        self.settings = self.settings.model_copy(update={"names_keep_ms": KEEP_MS})
        self.store = self.observed = ObservedStore("hub", self.settings, self.clock)
        self.clients = {cls: EntityClient(self.store, REGISTRIES[cls], self.settings) for cls in VERSIONS}
        self.versions: dict[Worker, Any] = {}
        self.last = self.chance.choice(VERSIONS)  # that is there in the end

    async def close(self) -> None:
        for client in self.clients.values():
            await client.aclose()

    def worker(self) -> Worker:
        return self.worker_of(self.chance.choice(VERSIONS))

    def worker_of(self, cls: Any) -> Worker:
        worker = Worker(self.store, REGISTRIES[cls], self.settings)
        self.versions[worker] = cls
        return worker

    def check(self) -> None:
        super().check()
        assert self.observed.found is None, self.observed.found

    async def step(self) -> None:
        """One thing, and a while in which it has its effects; now and then so long that what nobody declares goes."""
        chance = self.chance
        actions = (self.put, self.put, self.put, self.ask, self.start, self.stop, self.die, self.lose, self.restart)
        await self.let(chance.choice(actions)())
        await self.pass_some_time()
        if chance.random() < 0.2:
            for _ in range(chance.choice([1, 10, 100])):
                await self.pass_time()
            self.clock.advance_to(self.clock.now_ms() + chance.choice([1_000, KEEP_MS // 2, KEEP_MS + 1]))

    async def put(self) -> None:
        chance = self.chance
        cls = chance.choice(VERSIONS)
        for _ in range(chance.choice([1, 3, 8])):
            key, number = chance.choice(KEYS), chance.choice([-2, -1, 0, 1, 2**60])
            match chance.randrange(8):
                case 0:
                    await self.clients[cls].signal_entity(cls.fail, key, number)
                case 1:
                    await self.clients[cls].signal_entity(cls.delete, key)
                case _:
                    text = chance.choice([None, "", "a", "a\0", "b"])
                    await self.clients[cls].signal_entity(cls.put, key, number, text)

    async def ask(self) -> None:
        """Ask by a version, whose indexes may not be there, or not be ready."""
        with contextlib.suppress(SteadError):
            await self.ask_of(self.chance.choice((With.Thing, Changed.Thing)))

    async def ask_of(self, cls: Any) -> None:
        """What is there throughout and matches is given, once."""
        before = self._states()
        asked = self.clients[cls].query(cls).where(cls.number >= 0)
        found = [(entity_id.key, thing) async for entity_id, thing in asked]
        after = self._states()
        keys = [key for key, _ in found]
        assert len(keys) == len(set(keys))
        assert all(thing.number >= 0 for _, thing in found)
        for key, state in before.items():
            if after.get(key) == state:
                assert (key in keys) == (state["number"] >= 0), f"{key} is {state}, and {keys} were found"

    def _states(self) -> dict[str, Any]:
        """What is committed."""
        found: dict[str, Any] = {}
        for state in self.store._state.partitions:
            for target, record in state.records.items():
                packed = decode_record(record).packed_state
                if packed is not None:
                    found[target.removeprefix("@thing@")] = unpack(packed)
        return found

    async def missing(self) -> str:
        """In the end only workers of one version are there: what that declares is ready, and nothing else is left."""
        hub = self.store._state
        assert disagreement(hub) is None, disagreement(hub)
        for worker in [worker for worker in self.workers if self.versions[worker] is not self.last]:
            self.workers.remove(worker)
            self.ending.add(asyncio.create_task(worker.stop()))
        if not self.workers:
            self.workers.append(self.worker_of(self.last))
            await self.let(self.workers[-1].start())
        if not self.store.is_idle():
            return "messages wait"
        entity_type = TYPES[self.last]
        indexes = {index.name for index in entity_type.indexes}
        wanted = {*indexes, *([] if entity_type.expiry is None else [entity_type.expiry.name])}
        if set(hub.catalogue.indexes) != wanted:
            return f"{set(hub.catalogue.indexes)} are there, and {wanted} are wanted"
        for state in hub.partitions:
            if state.built != dict.fromkeys(wanted, READY):
                return f"a partition has {state.built}, and {wanted} are wanted"
            left = {name.removesuffix(".none") for name in state.entries} - {"thing.unindexed", *wanted}
            if left:
                return f"sets are left of {left}"
        if indexes:
            await self.ask_of(self.last)
        return ""


@pytest.mark.hazard(86)
@pytest.mark.hazard(87)
@pytest.mark.hazard(88)
async def test_index_and_state_agree_whichever_versions_work_side_by_side() -> None:
    for seed in chain(SEEDS[:3], fresh_seeds(2)):
        await Library(seed).live()


async def _change_as_it_was() -> ObservedStore:
    """A hub whose entities are changed, all but what is indexed of them, while they are read to be put into a new index."""
    settings = Settings(partitions=2, slot_groups=1, heartbeat_ms=10)
    store = ObservedStore("as-it-was", settings)

    async def put_all() -> None:
        for key in KEYS:
            await client.call_entity(Without.Thing.put, key, 1, "a")

    def is_ready() -> bool:
        hub = store.snapshot()
        wanted = hub.catalogue.indexes
        return bool(wanted) and all(state.built == dict.fromkeys(wanted, READY) for state in hub.partitions)

    async with EntityClient(store, REGISTRIES[Without.Thing], settings) as client:
        async with Worker(store, REGISTRIES[Without.Thing], settings):
            await put_all()
        store.meanwhile = put_all  # nothing is sent: who loads next is the builder
        async with Worker(store, REGISTRIES[With.Thing], settings), asyncio.timeout(HANGS_S):
            while store.found is None and not is_ready():
                await asyncio.sleep(0.005)
    return store


async def test_what_is_changed_as_it_was_while_it_is_read_is_in_the_index() -> None:
    assert (await _change_as_it_was()).found is None


# -- broken on purpose, each is found ------------------------------------------------------------------------------------------


def forgets_what_goes(
    self: KindIndexes, old: Any, new: Any, key: bytes, writes: Any, whole: frozenset[str] = frozenset()
) -> None:
    """Where an entity stood it stands for ever."""
    _write(self, None if new is None else old if old == new else None, new, key, writes, whole)


def never_notes_where_it_stands(self: Indexing, commit: Commit, changed: Any, now_ms: int, used: Any) -> None:
    """An activation thinks that it stands where it stood when it was loaded."""
    before = [(activation, activation.places) for activation, _ in changed]
    _build(self, commit, changed, now_ms, used)
    for activation, places in before:
        activation.places = places


async def maintains_its_own_only(self: IndexKeeper, acquired: Acquired) -> Acquired | None:
    """Each version writes the indexes that it declares itself."""
    environment = self._board.environment
    environment.catalogue = read_catalogue(await self._board.store.catalogue())
    adopted = await _adopt(self, acquired)
    known = environment.catalogue
    environment.catalogue = Catalogue(
        known.version, [index for name, index in known.indexes.items() if name in self._declared]
    )
    return adopted


def never_gives_back(self: IndexKeeper) -> Any:
    """What is held under another version of the catalogue is kept."""

    async def refresh() -> list[Any]:
        await _refresh(self)
        return []

    return refresh()


def leaves_what_goes(built: Iterable[str], catalogue: Catalogue) -> dict[str, Sequence[str]]:
    """The sets of an index that nobody declares are not dropped."""
    return {}


def is_ready_at_once(name: str, prefix: str) -> Adding:
    """An index is thought to be of nothing that is there."""
    return Adding(name, f"{prefix}none")


def ends_too_early(self: Indexing, unbuilt: Any, records: Any, reached: bytes) -> None:
    """The first step of building is thought to be the last."""
    _found(self, unbuilt, records, READY)


def writes_only_what_differs(
    self: KindIndexes, old: Any, new: Any, key: bytes, writes: Any, whole: frozenset[str] = frozenset()
) -> None:
    """Though the index is being built: what a commit changes between is dropped by the builder, and written by nobody."""
    _write(self, old, new, key, writes, whole if old is None else frozenset())


async def test_what_is_left_out_while_an_index_is_built_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(KindIndexes, "write", writes_only_what_differs)
    assert "are missing, and it is said to be ready" in str((await _change_as_it_was()).found)


_write, _build, _found = KindIndexes.write, Indexing.build, Indexing.found
_adopt, _refresh = IndexKeeper.adopt, IndexKeeper.refresh

MUTATIONS: Sequence[tuple[object, str, Any]] = [
    (KindIndexes, "write", forgets_what_goes),
    (Indexing, "build", never_notes_where_it_stands),
    (IndexKeeper, "adopt", maintains_its_own_only),
    (IndexKeeper, "refresh", never_gives_back),
    (building, "dropped_from", leaves_what_goes),
    (building, "Adding", is_ready_at_once),
    (Indexing, "found", ends_too_early),
]


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation[2].__name__)
async def test_a_mutation_is_found(mutation: tuple[object, str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(*mutation)
    monkeypatch.setattr(whole, "QUIET_MS", 3 * KEEP_MS)  # what does not come or go is found sooner
    for seed in SEEDS:
        try:
            await Library(seed).live()
        except AssertionError:
            return
    raise AssertionError("nobody noticed")
