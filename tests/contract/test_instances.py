"""What instances have beside a record: a log, a reservation from the start's acceptance to its being carried out."""

from __future__ import annotations

from typing import Any
from unittest.mock import ANY

import pytest

from stead.transport import Acquired, Commit, CommitVerdict, InstanceView, LogWrite, SentStart, Store
from support.redis_steps import commit, payloads, put, reservations, take

pytestmark = pytest.mark.anyio


async def apply(store: Store, *commits: Commit) -> None:
    """Apply commits, which have to go well."""
    for each in commits:
        assert await store.commit([each], store.generation) == [CommitVerdict.APPLIED]


class Owner:
    """Commits one after the other."""

    def __init__(self, store: Store, acquired: Acquired) -> None:
        self._store = store
        self._acquired = acquired
        self._last = acquired.commit_id
        self._count = 0

    async def commit(self, **effects: Any) -> None:
        self._count += 1
        name = b"%d" % self._count
        await apply(self._store, commit(self._acquired, name, self._last, **effects))
        self._last = name


@pytest.fixture
async def owner(store: Store) -> Owner:
    return Owner(store, await take(store))


# -- logs --------------------------------------------------------------------------------------------------------------


async def test_a_log_grows_by_what_commits_append(store: Store, owner: Owner) -> None:
    await owner.commit(logs=[LogWrite("i", [b"1", b"2"]), LogWrite("j", [b"\x00"])])
    await owner.commit(logs=[LogWrite("i", [b"", b"4"])])
    assert await store.read_log(0, "i", 0, 10) == [b"1", b"2", b"", b"4"]
    assert await store.read_log(0, "i", 1, 2) == [b"2", b""]
    assert await store.read_log(0, "i", 4, 10) == []
    assert await store.read_log(0, "i", 0, 0) == []
    assert await store.read_log(0, "j", 0, 10) == [b"\x00"]
    assert await store.read_log(0, "never", 0, 10) == []


async def test_a_reset_log_begins_anew(store: Store, owner: Owner) -> None:
    await owner.commit(logs=[LogWrite("i", [b"1", b"2"]), LogWrite("j", [b"1"]), LogWrite("k", [b"1"])])
    await owner.commit(logs=[LogWrite("i", [b"3"], reset=True), LogWrite("j", (), reset=True), LogWrite("k", ())])
    assert [await store.read_log(0, name, 0, 10) for name in "ijk"] == [[b"3"], [], [b"1"]]


async def test_a_log_longer_than_a_command_may_be_is_written_whole(store: Store, owner: Owner) -> None:
    events = [b"%d" % number for number in range(9_001)]
    await owner.commit(logs=[LogWrite("i", events)])
    assert await store.read_log(0, "i", 0, 10_000) == events


async def test_the_logs_of_instances_are_loaded_with_their_records(store: Store, owner: Owner) -> None:
    await owner.commit(
        states=[("@e@k", b"e"), ("i", b"r")],
        created=["@e@k", "i"],
        logs=[LogWrite("i", [b"1", b"2"]), LogWrite("j", [b"3"])],
    )
    loaded = await store.load({0: ["i", "@e@k", "j", "never"], 1: ["i"], 2: []})
    assert loaded == {0: [(b"r", [b"1", b"2"]), (b"e", ()), (None, [b"3"]), (None, [])], 1: [(None, [])], 2: []}


async def test_a_commit_that_is_sent_again_appends_nothing(store: Store) -> None:
    acquired = await take(store)
    first = commit(acquired, logs=[LogWrite("i", [b"1"])], starts=[SentStart(1, "c", b"s", b"start")])
    assert await store.commit([first], store.generation) == [CommitVerdict.APPLIED]
    assert await store.commit([first], store.generation) == [CommitVerdict.ALREADY]
    assert await store.read_log(0, "i", 0, 10) == [b"1"]
    assert await payloads(store, 1) == [b"start"]


async def test_a_fenced_commit_writes_nothing_of_instances(store: Store, owner: Owner) -> None:
    await owner.commit(logs=[LogWrite("i", [b"1"])], starts=[SentStart(0, "c", b"s", b"start")])
    late = Commit(0, b"another", b"1", b"late", logs=[LogWrite("i", [b"2"], reset=True)], started=[("c", b"s")])
    assert await store.commit([late], store.generation) == [CommitVerdict.FENCED]
    assert await store.read_log(0, "i", 0, 10) == [b"1"]
    assert await reservations(store, 0, ["c"]) == [b"start"]


# -- starts that turns send --------------------------------------------------------------------------------------------


async def test_a_sent_start_reserves_its_instance_until_it_is_carried_out(store: Store, owner: Owner) -> None:
    """HAZARDS 14."""
    await owner.commit(starts=[SentStart(1, "c", b"s", b"start"), SentStart(0, "d", b"t", b"other")])
    assert await payloads(store, 1) == [b"start"]
    assert await reservations(store, 1, ["c", "d"]) == [b"start", None]
    assert await reservations(store, 0, ["c", "d"]) == [None, b"other"]
    assert await reservations(store, 0, []) == []
    assert await store.read_instance(1, "c", 1) == InstanceView(b"start", None, ANY)
    assert (await store.read_instance(0, "nobody", 0)).record is None
    receiver = Owner(store, await take(store, 1))
    await receiver.commit(started=[("c", b"s"), ("never", b"s")])
    assert await reservations(store, 1, ["c"]) == [None]


@pytest.mark.hazard(14)
@pytest.mark.parametrize("other", [b"", b"s", b"st", b"stb", b"stat"])
async def test_only_the_message_that_reserved_ends_the_reservation(store: Store, owner: Owner, other: bytes) -> None:
    await owner.commit(starts=[SentStart(0, "c", b"sta", b"t")])
    await owner.commit(started=[("c", other)])
    assert await reservations(store, 0, ["c"]) == [b"t"]
    await owner.commit(started=[("c", b"sta")])
    assert await reservations(store, 0, ["c"]) == [None]


async def test_a_start_of_a_reserved_instance_goes_out_and_leaves_the_reservation(store: Store, owner: Owner) -> None:
    await owner.commit(starts=[SentStart(1, "c", b"s", b"1")])
    await owner.commit(starts=[SentStart(1, "c", b"t", b"2"), SentStart(1, "c", b"u", b"3")])
    assert await payloads(store, 1) == [b"1", b"2", b"3"]
    assert await reservations(store, 1, ["c"]) == [b"1"]


async def test_a_commit_may_carry_out_a_start_and_send_the_next(store: Store, owner: Owner) -> None:
    ids = await put(store, [b"x"])
    await owner.commit(starts=[SentStart(0, "c", b"s", b"1")])
    await owner.commit(consumed=ids, started=[("c", b"s")], starts=[SentStart(0, "c", b"t", b"2")])
    assert await reservations(store, 0, ["c"]) == [b"2"]


@pytest.mark.invariant(4)
async def test_starts_and_messages_to_one_partition_arrive_in_the_order_of_sending(store: Store, owner: Owner) -> None:
    await owner.commit(
        sends=[(1, b"1"), (2, b"2"), (1, b"4")],
        starts=[
            SentStart(1, "c", b"s", b"0"),
            SentStart(1, "d", b"t", b"3", place=2),
            SentStart(1, "e", b"u", b"5", 3),
        ],
    )
    assert await payloads(store, 1) == [b"0", b"1", b"3", b"4", b"5"]
    assert await payloads(store, 2) == [b"2"]
    assert await reservations(store, 1, ["c", "d", "e"]) == [b"0", b"3", b"5"]


async def test_of_two_starts_of_one_instance_the_one_sent_first_reserves(store: Store, owner: Owner) -> None:
    later = SentStart(1, "c", b"t", b"2", place=1)
    await owner.commit(sends=[(1, b"x")], starts=[later, SentStart(1, "c", b"s", b"1")])
    assert await payloads(store, 1) == [b"1", b"x", b"2"]
    assert await reservations(store, 1, ["c"]) == [b"1"]


# -- listing -----------------------------------------------------------------------------------------------------------


async def test_instances_are_listed_apart_from_entities(store: Store, owner: Owner) -> None:
    names = ["!", "?x", "@", "@e@k", "@~", "A", "a1", "a2", "b", "å"]
    await owner.commit(states=[(name, name.encode()) for name in names], created=names)

    async def listed(prefix: str, page: int, after: str = "") -> list[str]:
        return [name async for found in store.list_instances(prefix, page, after) for name, _ in found]

    for page in (1, 3, 100):
        assert await listed("", page) == ["!", "?x", "A", "a1", "a2", "b", "å"]
        assert await listed("a", page) == ["a1", "a2"]
        assert await listed("å", page) == ["å"]
        assert await listed("@", page) == []
        assert await listed("", page, "?x") == ["A", "a1", "a2", "b", "å"]
        assert await listed("", page, "a1") == ["a2", "b", "å"]
        assert await listed("a", page, "a1") == ["a2"]
    info = (await store.info())[0]
    assert (info.entities, info.instances) == (3, 7)
