"""Queries as a state machine: whatever changes while they read, against a list of dicts (HAZARDS 82-84, 86, 88).

Between any two looks of a query entities are changed, deleted and made anew, and the worker dies and another takes over, of the program's version
before, which does not know the indexes. Of each entity the machine knows every state that it had during the query.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import Phase
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from stead.entities import ClassEntityType, Entity, EntityClient, Query, Registry, Worker
from stead.entities._client import query, query_looks
from stead.entities._index import scan
from stead.entities._index.conditions import Compare, Condition, Node, matches
from stead.transport import CountRange, ReadMembers, Store
from support.query_cases import NODES, ORDERS, VALUES, ordered, place
from support.query_items import REGISTRY, SETTINGS, Item, hub, open_store, put, url
from support.valkey_server import ValkeyServer

__all__ = ["url"]

KEYS = [f"k{number}" for number in range(9)] + ["å", ""]
State = dict[str, Any]
_START: State = {"number": 0, "name": "", "seen": None, "ratio": None}


class Before:
    """The program's version before."""

    class Item(Entity):
        number: int = 0
        name: str = ""
        seen: Any = None
        ratio: Any = None
        note: int = 0

        def put(self, values: dict[str, Any]) -> None:
            for name, value in values.items():
                setattr(self, name, value)
            self.note += 1


OLD = Registry()
OLD.add(ClassEntityType(Before.Item))

STATES = st.fixed_dictionaries({**VALUES, "number": VALUES["number"] | st.just(2**60)})  # which no index can hold
ONE_FIELD = st.sampled_from(list(VALUES)).flatmap(lambda name: st.fixed_dictionaries({name: VALUES[name]}))
CHANGES = st.lists(st.none() | st.tuples(st.sampled_from(KEYS), st.none() | STATES | ONE_FIELD), max_size=6)
"""What happens between looks: nothing, or that an entity goes, or that some of its fields change."""


class QueryMachine(RuleBasedStateMachine):
    url = ""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.states: dict[str, State] = {}
        self.history: dict[str, list[State | None]] = {}  # what each entity was during the query
        self.pending: list[Any] = []
        self.runner.run(self._open())

    async def _open(self) -> None:
        self.store: Store = await open_store(self.url)
        async with Worker(self.store, REGISTRY, SETTINGS):
            pass  # it declares the indexes, of a hub that is empty
        self.worker = await self._worker(OLD)
        self.client = await EntityClient(self.store, REGISTRY, SETTINGS).__aenter__()
        self.other = await EntityClient(self.store, OLD, SETTINGS).__aenter__()
        self.look = self.store.look
        self.store.look = self._looked  # type: ignore[method-assign]

    async def _worker(self, registry: Registry) -> Worker:
        worker = Worker(self.store, registry, SETTINGS)
        await worker.start()
        return worker

    def teardown(self) -> None:
        async def close() -> None:
            await self.client.aclose()
            await self.other.aclose()
            await self.worker.stop()
            await self.store.close()

        self.runner.run(close())
        self.runner.close()

    # -- what happens ------------------------------------------------------------------------------------------------------

    async def _looked(self, looks: Sequence[Any]) -> Any:
        """A look of a query; then the next of what is to happen meanwhile."""
        answers = await self.look(looks)
        if self.pending:
            change = self.pending.pop(0)
            if change is not None:
                await self._change(*change)
        return answers

    async def _change(self, key: str, values: State | None) -> None:
        if values is None:
            await self.other.call_entity(Before.Item.delete, key)
            self.states.pop(key, None)
        else:
            await self.other.call_entity(Before.Item.put, key, values)
            self.states[key] = {**self.states.get(key, _START), **values}
        if key in self.history:
            self.history[key].append(self.states.get(key))

    @initialize(states=st.dictionaries(st.sampled_from(KEYS), STATES, min_size=3))
    def fill(self, states: dict[str, State]) -> None:
        for key, values in states.items():
            self.runner.run(self._change(key, values))

    @rule(key=st.sampled_from(KEYS), values=st.none() | STATES)
    def change(self, key: str, values: State | None) -> None:
        self.runner.run(self._change(key, values))

    @rule()
    def die(self) -> None:
        async def replace() -> None:
            await self.worker.abandon()
            self.worker = await self._worker(OLD)

        self.runner.run(replace())

    # -- what is asked -----------------------------------------------------------------------------------------------------

    def asked(self, node: Node | None, order: Any) -> Query[Item]:
        asked = self.client.query(Item)
        if node is not None:
            asked = asked.where(Condition(node, frozenset({Item})))
        return asked if order is None else asked.order_by(getattr(Item, order[0]), descending=order[1])

    def ask_meanwhile(self, changes: list[Any], ask: Callable[[], Any]) -> Any:
        self.history = {key: [self.states.get(key)] for key in KEYS}
        self.pending = list(changes)
        try:
            return self.runner.run(ask())
        finally:
            self.pending = []

    @rule(node=st.none() | NODES, order=ORDERS, limit=st.none() | st.integers(1, 4), changes=CHANGES)
    def iterate(self, node: Node | None, order: Any, limit: int | None, changes: list[Any]) -> None:
        async def ask() -> list[tuple[str, Item]]:
            asked = self.asked(node, order)
            return [(found.key, item) async for found, item in (asked if limit is None else asked.limit(limit))]

        found = self.ask_meanwhile(changes, ask)
        keys = [key for key, _ in found]
        assert len(set(keys)) == len(keys)
        self._check(node, order, found, is_cut=limit is not None and len(keys) == limit)

    @rule(node=st.none() | NODES, order=ORDERS, size=st.integers(1, 4), changes=CHANGES)
    def turn_pages(self, node: Node | None, order: Any, size: int, changes: list[Any]) -> None:
        async def ask() -> list[tuple[str, Item]]:
            found: list[tuple[str, Item]] = []
            token: str | None = ""
            while token is not None:
                page = await self.asked(node, order).page(size, continuation=token or None)
                keys = [each.key for each, _ in page.items]
                assert len(set(keys)) == len(keys) <= size
                found += [(each.key, item) for each, item in page.items]
                token = page.continuation
            return found

        self._check(node, order, self.ask_meanwhile(changes, ask), is_cut=False)

    def _check(self, node: Node | None, order: Any, found: list[tuple[str, Item]], *, is_cut: bool) -> None:
        given = {key: {name: getattr(item, name) for name in VALUES} for key, item in found}
        for key, state in ((key, {name: getattr(item, name) for name in VALUES}) for key, item in found):
            assert state in self.history[key], "it never was so"
            assert node is None or matches(node, state)
        keys = [key for key, _ in found]
        if order is not None and len(given) == len(found):
            assert keys == ordered(given, keys, order)
        steady = [key for key in KEYS if self._is_steady(key, node, order)]
        if is_cut and order is not None:  # what comes before the last that was given
            steady = [
                key
                for key in steady
                if key in given or ordered({**given, key: self.states[key]}, [keys[-1], key], order)[0] == key
            ]
        elif is_cut:
            steady = [key for key in steady if key in given]
        for key in steady:
            assert keys.count(key) == 1, f"{key!r} was there throughout, and is given {keys.count(key)} times"

    def _is_steady(self, key: str, node: Node | None, order: Any) -> bool:
        """Whether an entity was there and matched throughout, with its order's field unchanged."""
        states = self.history[key]
        if any(state is None or (node is not None and not matches(node, state)) for state in states):
            return False
        return order is None or len({place(state, order[0]) for state in states if state is not None}) == 1

    @rule(node=NODES, changes=CHANGES)
    def count(self, node: Node, changes: list[Any]) -> None:
        counted = self.ask_meanwhile(changes, lambda: self.asked(node, None).count())
        histories = self.history.values()
        least = sum(all(self._counts(state, node) for state in states) for states in histories)
        most = sum(any(state is not None and matches(node, state) for state in states) for states in histories)
        assert least <= counted <= most

    def _counts(self, state: State | None, node: Node) -> bool:
        """Whether an entity is counted for certain: what no index can hold is looked for at another moment."""
        return state is not None and matches(node, state) and state["number"] < 2**60

    @rule(order=st.tuples(st.sampled_from(list(VALUES)), st.booleans()), key=st.sampled_from(KEYS), changes=CHANGES)
    def rank(self, order: tuple[str, bool], key: str, changes: list[Any]) -> None:
        self.rank_meanwhile(order, key, changes)

    def rank_meanwhile(self, order: tuple[str, bool], key: str, changes: list[Any]) -> None:
        """An entity has a place that it can have had, and what was before it throughout is."""
        asked = self.client.query(Item)
        found = self.ask_meanwhile(changes, lambda: asked.rank(getattr(Item, order[0]), key, descending=order[1]))
        states = self.history[key]
        assert (found is None and None in states) or any(
            self._ranks(order, key, state, found) for state in states if state is not None
        ), (found, order, key, self.history)

    def _ranks(self, order: tuple[str, bool], key: str, state: State, found: int | None) -> bool:
        least = most = 1
        for other, history in self.history.items():
            if other != key:
                before = [
                    each is not None and ordered({key: state, other: each}, [key, other], order)[0] == other
                    for each in history
                ]
                is_certain = all(each is not None and each["number"] < 2**60 for each in history)
                least, most = least + (all(before) and is_certain), most + any(before)
        return found is not None and least <= found <= most


_LIMITS = hypothesis_settings(max_examples=25, stateful_step_count=12, phases=[Phase.generate])


@pytest.mark.hazard(83)
@pytest.mark.timeout(600)
@pytest.mark.parametrize("on_a_server", [False, True])
def test_what_changes_while_a_query_reads_is_given_as_a_list_of_dicts_says(
    server: ValkeyServer, on_a_server: bool
) -> None:
    class Machine(QueryMachine):
        url = server.url if on_a_server else ""

    run_state_machine_as_test(Machine, settings=_LIMITS)


_LONG = "x" * 512  # where the index of texts does not tell whether it is this one
_LATER = datetime(2026, 1, 1, 0, 0, 0, 900, tzinfo=UTC)  # the same for times: within the millisecond of another
_MOVES: list[tuple[Node, State, State, State]] = [
    (Compare("name", "one_of", ("", _LONG)), {"name": "b"}, {"name": ""}, {"name": _LONG}),
    (Compare("name", "one_of", ("", _LONG)), {"name": "b"}, {"name": _LONG}, {"name": ""}),
    (Compare("name", "<", (_LONG + "y",)), {"name": _LONG + "z"}, {"name": _LONG}, {"name": _LONG + "a"}),
    (Compare("seen", "<=", (_LATER,)), {"seen": None}, {"seen": _LATER}, {"seen": _LATER - timedelta(days=1)}),
    (Compare("seen", "<=", (_LATER,)), {"seen": None}, {"seen": _LATER - timedelta(days=1)}, {"seen": _LATER}),
    (Compare("number", ">=", (0,)), {"number": -1}, {"number": 2}, {"number": 2**60}),
    (Compare("number", "!=", (0,)), {"number": 0}, {"number": -2}, {"number": 2**60}),
    (Compare("ratio", "!=", (0.0,)), {"ratio": 0.0}, {"ratio": -1.5}, {"ratio": None}),
]
"""A condition, a state that does not match, and two that do."""


@pytest.mark.hazard(83)
@pytest.mark.parametrize("with_unindexed", [False, True])
@pytest.mark.parametrize("on_a_server", [False, True])
def test_a_count_has_what_matches_throughout_once_wherever_it_moves(
    server: ValkeyServer, on_a_server: bool, with_unindexed: bool
) -> None:
    class Machine(QueryMachine):
        url = server.url if on_a_server else ""

    machine = Machine()
    try:
        for node, other, before, after in _MOVES:
            for looks in range(4):  # before the move
                machine.fill({key: {**_START, **before} for key in ("k0", "k1", "k2")})
                machine.fill({"k3": {**_START, **other}, "k4": {**_START, "number": 2**60 if with_unindexed else 0}})
                changes = [*[None] * looks, ("k1", after)]
                counted = machine.ask_meanwhile(changes, machine.asked(node, None).count)
                assert counted == sum(matches(node, state) for state in machine.states.values()), (node, looks)
    finally:
        machine.teardown()


_PLACES: list[tuple[str, State, State]] = [
    ("number", {"number": -2}, {"number": 2}),
    ("number", {"number": 1}, {"number": 2**60}),
    ("name", {"name": ""}, {"name": "b"}),
    ("name", {"name": "a\0"}, {"name": "a"}),
    ("ratio", {"ratio": -1.5}, {"ratio": None}),
    ("seen", {"seen": None}, {"seen": _LATER}),
]
"""A field by which entities have places, and two of those."""


@pytest.mark.hazard(83)
@pytest.mark.parametrize("on_a_server", [False, True])
def test_nothing_is_before_itself_wherever_it_moves_while_its_place_is_looked_for(
    server: ValkeyServer, on_a_server: bool
) -> None:
    class Machine(QueryMachine):
        url = server.url if on_a_server else ""

    machine = Machine()
    try:
        for field, here, there in _PLACES:
            machine.fill({key: {**_START, **here} for key in ("k0", "k1", "k2")})
            for descending in (False, True):
                for moved in ("k1", "k2"):  # itself, or another one
                    machine.fill({"k1": here})
                    for now in (there, here):
                        machine.rank_meanwhile((field, descending), "k1", [(moved, now)])
    finally:
        machine.teardown()


@pytest.mark.hazard(83)
@pytest.mark.parametrize("field", ["number", "ratio", "seen"])
def test_a_partition_is_counted_by_one_look(field: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks that go out together are at moments of their own all the same, between which anything can move."""
    machine, looked = QueryMachine(), list[Any]()
    look = machine.look

    async def noted(looks: Sequence[Any]) -> Any:
        looked.extend(each.partition for each in looks if isinstance(each, ReadMembers | CountRange))
        return await look(looks)

    try:
        monkeypatch.setattr(machine, "look", noted)
        value = _LATER if field == "seen" else 1
        assert machine.ask_meanwhile([], machine.asked(Compare(field, "!=", (value,)), None).count) == 0
        assert sorted(looked) == list(range(SETTINGS.partitions))
    finally:
        machine.teardown()


@pytest.fixture(autouse=True)
def small_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that much can happen between two of them."""
    monkeypatch.setattr(query, "_ITERATED_LENGTH", 2)
    monkeypatch.setattr(query_looks, "_BATCH_LEAST", 1)
    monkeypatch.setattr(scan, "PIECE_MAX", 1)


@pytest.mark.hazard(83)
@pytest.mark.anyio
@pytest.mark.parametrize("order", [None, ("name", True)])
async def test_what_moves_in_an_index_is_given_once_unless_the_order_is_by_that(order: Any, url: str) -> None:
    async with hub(url) as client:
        await put(client, {f"k{number}": {"number": number, "name": f"n{number}"} for number in range(9)})
        asked = client.query(Item).where(Item.number >= -9)
        asked = asked if order is None else asked.order_by(Item.name, descending=True)
        for moving in (asked, asked.where(Item.number != 4)):
            given: list[str] = []
            async for entity_id, _ in moving:
                given.append(entity_id.key)
                if len(given) == 3:  # those at both ends change places
                    await put(client, {"k8": {"number": -3}, "k0": {"number": 50}})
            assert sorted(given) == [f"k{number}" for number in range(9) if moving is asked or number != 4]
            given, token = [], None
            while token is not None or not given:
                page = await moving.page(2, continuation=token)
                given += [entity_id.key for entity_id, _ in page.items]
                token = page.continuation
                await put(client, {"k8": {"number": 10 + len(given)}, "k0": {"number": 30 - len(given)}})
            assert sorted(given) == [f"k{number}" for number in range(9) if moving is asked or number != 4]
