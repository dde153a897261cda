"""Critical sections as entities see them (HAZARDS 12): each rule by itself."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from stead.entities import ClassEntityType, Entity, EntityClient, EntityId, Registry
from stead.entities._message.envelope import TaskAddress, encode_message, message_extras
from stead.entities._message.record import decode_record, encode_record
from stead.entities._partition.activation import Activation, Blocked
from stead.entities._partition.effects import Effects
from stead.entities._partition.slice import Slice
from stead.entities._turns.entity_kind import EntityKind
from stead.entities._turns.locks import LockState
from stead.transport import Commit, CommitVerdict, InvalidInput, MemoryStore, ServerClock, Settings, pack, unpack
from support.core_bench import Bench, ListKind
from support.guards import HANGS_S


class Book(Entity):
    """What was written into it, in order."""

    entries: list[str] = []

    def write(self, tag: str) -> int:
        self.entries.append(tag)
        return len(self.entries)

    async def write_slowly(self, tag: str) -> None:
        await asyncio.sleep(0)
        self.entries.append(tag)

    def fail(self) -> None:
        raise ValueError("no")


REGISTRY = Registry()
REGISTRY.add(ClassEntityType(Book))
A, B, C = "@book@a", "@book@b", "@book@c"
OWNER = "an instance"
ADDRESS = TaskAddress(OWNER, "execution", 1)


def new_kind() -> EntityKind:
    return EntityKind(REGISTRY, lambda: 1_000, 1_000_000)


# -- one partition -------------------------------------------------------------------------------------------------------


class LockBench(Bench):
    """A bench with books on it, whose answers to an orchestration stay in the inbox of the instance."""

    def __init__(self) -> None:
        super().__init__()
        books = new_kind()
        self.owner = Owner()
        self.find_kind = lambda target: books if target.startswith("@") else self.owner
        self.partition = self.acquire()

    def request(self, lock: bytes, *targets: str, task: TaskAddress | None = ADDRESS) -> None:
        extras = message_extras(task=task)
        self.put_raw(encode_message(targets[0], "!lock", [lock, list(targets), 0], b"m", extras))

    def release(self, lock: bytes, *targets: str, granted: bool) -> None:  # type: ignore[override]
        for position in range(len(targets) if granted else 1):
            args = [lock, list(targets), position, granted]
            self.put_raw(encode_message(targets[position], "!release", args, b"m"))

    def call(self, target: str, tag: str, lock: bytes | None = None, operation: str = "write") -> None:
        args = [tag] if operation != "fail" else []
        self.put_raw(encode_message(target, operation, args, b"m", message_extras(task=ADDRESS, lock=lock)))

    def entries(self, target: str) -> list[str]:
        record = self.store.records.get(target)
        packed = None if record is None else decode_record(record).packed_state
        return [] if packed is None else unpack(packed)["entries"]

    def lock_of(self, target: str) -> Any:
        record = self.store.records.get(target)
        return None if record is None else decode_record(record).lock

    def holder(self, target: str) -> bytes | None:
        lock = self.lock_of(target)
        return None if lock is None else lock[0]

    def acquire_anew(self) -> None:
        self.partition.end()
        self.partition = self.acquire()

    def answers(self) -> list[list[Any]]:
        """Let everything run; gives what the orchestration was answered since: whether it went well, and the value."""
        self.owner.answers.clear()
        self.work(self.partition)
        return list(self.owner.answers)


class Owner(ListKind):
    """The kind of an orchestration that only listens."""

    def __init__(self) -> None:
        super().__init__()
        self.answers: list[list[Any]] = []

    def run(self, activation: Activation, effects: Effects, slice: Slice) -> None:
        while activation.mailbox:
            pending = activation.mailbox.popleft()
            self.answers.append(list(pending.message.args[2:]))
            effects.consume(activation, pending)


def test_a_lock_set_is_granted_once_all_of_it_is_locked() -> None:
    bench = LockBench()
    bench.request(b"1", A, B, C)
    assert bench.answers() == [[True, None]]
    for target in (A, B, C):
        assert bench.lock_of(target) == [b"1", OWNER, []]


def test_what_others_send_to_a_locked_entity_waits_for_the_release() -> None:
    bench = LockBench()
    bench.call(A, "before")
    bench.request(b"1", A)
    bench.call(A, "other")
    assert bench.answers() == [[True, 1], [True, None]]
    bench.call(A, "holder's", b"1")
    assert bench.answers() == [[True, 2]]
    bench.release(b"1", A, granted=True)
    assert bench.answers() == [[True, 3]]
    assert bench.entries(A) == ["before", "holder's", "other"]
    assert bench.lock_of(A) is None


def test_lock_sets_that_overlap_are_granted_one_after_the_other() -> None:
    bench = LockBench()
    sets = {b"1": (A, B), b"2": (B, C), b"3": (A, C)}
    for lock, targets in sets.items():
        bench.request(lock, *targets)
    while sets:
        assert bench.answers() == [[True, None]]
        [held] = [lock for lock, targets in sets.items() if all(bench.holder(target) == lock for target in targets)]
        bench.release(held, *sets.pop(held), granted=True)
    bench.answers()
    assert not bench.store.records


def test_a_lock_survives_its_worker() -> None:
    bench = LockBench()
    bench.call(A, "before")
    bench.request(b"1", A)
    bench.answers()
    bench.acquire_anew()
    bench.call(A, "other")
    bench.call(A, "holder's", b"1")
    assert bench.answers() == [[True, 2]]
    bench.release(b"1", A, granted=True)
    bench.answers()
    assert bench.entries(A) == ["before", "holder's", "other"]


def test_an_asynchronous_call_of_the_holder() -> None:
    bench = LockBench()
    bench.request(b"1", A)
    bench.answers()
    bench.call(A, "slow", b"1", "write_slowly")
    bench.call(A, "other")
    [started] = bench.work(bench.partition)
    bench.release(b"1", A, granted=True)
    bench.call(A, "late")
    bench.work(bench.partition)
    assert bench.entries(A) == [], "it still runs"
    asyncio.run(asyncio.wait_for(cast("Any", started.awaitable), HANGS_S))
    bench.partition.finish(started.activation, None, None)
    bench.work(bench.partition)
    assert bench.entries(A) == ["slow", "other", "late"]
    assert bench.partition.runnable == 0


def test_a_call_with_a_lock_that_was_released_fails() -> None:
    bench = LockBench()
    bench.call(A, "never locked", b"1")
    [[ok, failure]] = bench.answers()
    assert (ok, failure["type"]) == (False, "LockLost")
    bench.request(b"2", A)
    bench.answers()
    bench.call(A, "another's", b"1")
    [[ok, failure]] = bench.answers()
    assert (ok, failure["type"]) == (False, "LockLost")
    assert bench.entries(A) == []


def test_an_entity_that_does_not_exist_can_be_locked_and_leaves_nothing() -> None:
    bench = LockBench()
    bench.request(b"1", A)
    bench.answers()
    assert decode_record(bench.store.records[A]).packed_state is None
    bench.release(b"1", A, granted=True)
    bench.answers()
    assert A not in bench.store.records
    assert A not in bench.store.index


def test_an_entity_that_is_deleted_while_locked_stays_locked() -> None:
    bench = LockBench()
    bench.call(A, "one")
    bench.request(b"1", A)
    bench.answers()
    bench.put_raw(encode_message(A, "delete", [], b"m", message_extras(task=ADDRESS, lock=b"1")))
    bench.call(A, "other")
    bench.answers()
    assert decode_record(bench.store.records[A]).packed_state is None
    assert bench.holder(A) == b"1"
    bench.release(b"1", A, granted=True)
    bench.answers()
    assert bench.entries(A) == ["other"]


def test_a_release_along_the_chain_undoes_what_was_locked_and_what_waits() -> None:
    bench = LockBench()
    bench.request(b"0", B)
    bench.answers()
    bench.request(b"1", A, B, C)
    assert bench.answers() == []
    assert bench.holder(A) == b"1"
    bench.release(b"1", A, B, C, granted=False)
    assert bench.answers() == []
    assert bench.lock_of(A) is None
    assert bench.lock_of(B) == [b"0", OWNER, [b"1"]]
    bench.acquire_anew()
    bench.release(b"0", B, granted=True)
    assert bench.answers() == [], "the request is passed over"
    assert all(bench.lock_of(target) is None for target in (A, B, C))
    assert not bench.store.records


def test_a_release_along_the_chain_undoes_a_grant_that_was_not_seen() -> None:
    bench = LockBench()
    bench.request(b"1", A, B, C)
    bench.release(b"1", A, B, C, granted=False)
    bench.answers()
    assert not bench.store.records


def test_a_direct_release_of_what_is_not_locked_changes_nothing() -> None:
    bench = LockBench()
    bench.release(b"1", A, granted=True)
    bench.request(b"2", A)
    bench.answers()
    bench.release(b"1", A, granted=True)
    bench.answers()
    assert bench.lock_of(A) == [b"2", OWNER, []]


def test_a_failing_call_of_the_holder_is_answered_and_the_lock_stays() -> None:
    bench = LockBench()
    bench.request(b"1", A)
    bench.answers()
    bench.call(A, "", b"1", "fail")
    bench.put_raw(encode_message(A, "nothing", [], b"m", message_extras(task=ADDRESS, lock=b"1")))
    failed, unknown = bench.answers()
    assert (failed[0], failed[1]["type"], failed[1]["message"]) == (False, "ValueError", "no")
    assert (unknown[0], unknown[1]["kind"]) == (False, "unknown_operation")
    assert bench.holder(A) == b"1"
    assert bench.letters == []


def test_a_target_that_cannot_exist_is_refused_to_the_orchestration_and_released_without_a_letter() -> None:
    bench = LockBench()
    bench.request(b"1", A, "@Book@a")
    [[ok, failure]] = bench.answers()
    assert (ok, failure["kind"]) == (False, "invalid_input")
    bench.release(b"1", A, "@Book@a", granted=False)
    bench.answers()
    assert not bench.store.records
    assert bench.letters == []


def test_lock_messages_that_no_orchestration_sends_are_refused() -> None:
    bench = LockBench()
    for args in ([], [b"1", [A], 1], [b"1", [B], 0], ["1", [A], 0], [b"1", A, 0]):
        bench.put_raw(encode_message(A, "!lock", args, b"m", message_extras(task=ADDRESS)))
    answers = bench.answers()
    assert [answer[0] for answer in answers] == [False] * 5
    bench.request(b"1", A, task=None)
    bench.put_raw(encode_message(A, "!release", [], b"m"))
    bench.answers()
    assert len(bench.letters) == 2
    assert not bench.store.records


@pytest.mark.invariant(8)
async def test_readers_see_no_entity_that_is_only_locked() -> None:
    settings = Settings(partitions=1)
    store = MemoryStore("locked", settings, ServerClock())
    acquired = await store.acquire(0, "worker", b"token", b"", 10_000)
    assert acquired is not None
    commit = Commit(0, b"token", acquired.commit_id, b"id")
    book = pack({"entries": ["x"]})
    for target, packed in ((A, None), (B, book)):
        commit.states = [*commit.states, (target, encode_record(packed, 1_000, [b"1", OWNER, []]))]
        commit.created = [*commit.created, target]
    assert await store.commit([commit], store.generation) == [CommitVerdict.APPLIED]
    client = EntityClient(store, REGISTRY, settings)
    assert await client.read_entity(Book, "a") is None
    assert await client.read_entity(EntityId("Book", "a")) is None
    found = await client.read_entity(Book, "b")
    assert found is not None
    assert found.entries == ["x"]
    assert [str(entity_id) async for entity_id, _ in client.list_entities(Book)] == [B]
    await client.aclose()


@pytest.mark.parametrize(
    "lock",
    [[], [b"id"], [b"id", "flow"], ["id", "flow", []], [b"id", 7, []], [b"id", "flow", None], [None, "", ["x"]], {}, 7],
)
def test_a_lock_that_cannot_be_read_blocks_its_entity_and_says_why(lock: object) -> None:
    """Neither is it taken for unlocked, nor is what a message does to it stead's failure."""
    with pytest.raises(InvalidInput, match="lock"):
        LockState.of(cast("Any", lock))
    record = pack([1, None, 0, lock])
    with pytest.raises(Blocked, match="lock"):
        new_kind().activate(A, record, ())
