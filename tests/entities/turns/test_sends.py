"""What an operation sends: in its order, with its commit; and nothing at all if it fails, however late."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from stead.entities import (
    ClassEntityType,
    DeadLetters,
    Entity,
    EntityClient,
    EntityId,
    OperationFailed,
    Registry,
    Worker,
)
from stead.entities._message.envelope import ReplyAddress, decode_message, decode_reply, encode_message
from stead.entities._message.record import decode_record
from stead.entities._turns.entity_kind import EntityKind
from stead.transport import Commit, MemoryStore, Settings, unpack
from support.core_bench import Bench

CALLER = ReplyAddress(0, "client", 7)


class Sender(Entity):
    n: int = 0

    def send(self, *words: str) -> None:
        """A word is a signal to `Log`, or the start of an instance if it begins with "+"."""
        for word in words:
            if word.startswith("+"):
                self.context.start_new("flow", word, instance_id=word[1:])
            else:
                self.context.signal_entity(EntityId("Log", "x"), "add", word)
        self.n += len(words)

    def send_and_raise(self, word: str) -> None:
        self.send(word)
        raise ValueError("no")

    def send_and_leave_nonsense(self, word: str) -> None:
        self.send(word)
        self.n = "many"  # type: ignore[assignment]

    def send_and_give_what_cannot_be_stored(self, word: str) -> Any:
        self.send(word)
        return object()

    def send_too_many(self, word: str) -> None:
        self.send(*[word] * 11)

    def send_something_bad(self, word: str) -> None:
        self.send(word)
        self.context.signal_entity(EntityId("Log", "x"), "add", object())

    def catches_what_is_refused(self, word: str) -> None:
        for bad in (object(), "x" * 100_000):
            with pytest.raises(ValueError):
                self.context.signal_entity(EntityId("Log", "x"), "add", bad)
        self.send(word)


class SenderBench(Bench):
    """A bench with one sender on it. All operations run before one commit."""

    def __init__(self) -> None:
        super().__init__(turn_sends_max=10, payload_bytes_max=50_000)
        registry = Registry()
        registry.add(ClassEntityType(Sender))
        senders = EntityKind(registry, lambda: self.now_ms, 1_000_000)
        self.find_kind = lambda target: senders
        self.partition = self.acquire()

    def run(self, *calls: tuple[str, *tuple[str, ...]]) -> Commit:
        for number, (operation, *args) in enumerate(calls):
            self.put_raw(encode_message("@sender@a", operation, list(args), b"m%d" % number, {"r": list(CALLER)}))
        self.deliver(self.partition)
        self.turn(self.partition)
        return self.commit(self.partition)


def sent(commit: Commit) -> list[Any]:
    """The words that were sent, starts among them in their places."""
    words = [decode_message(payload).args[0] for _, payload in commit.sends]
    for start in reversed(commit.starts):
        words.insert(start.place, f"+{start.target}")
    return words


def state(commit: Commit) -> Any:
    [(_, record)] = commit.states
    return unpack(decode_record(record).packed_state or b"")


def answers(commit: Commit) -> list[bool]:
    return [decode_reply(reply.payload)[2] for reply in commit.replies]


def test_an_operations_sends_leave_in_its_order() -> None:
    words = ["c", "a", "+one", "b", "+two", "a", "d"]
    assert sent(SenderBench().run(("send", *words))) == words


def test_and_those_of_several_operations_in_theirs() -> None:
    commit = SenderBench().run(("send", "z", "+one"), ("send", "y"), ("send", "+two", "x"))
    assert sent(commit) == ["z", "+one", "y", "+two", "x"]
    assert state(commit) == {"n": 5}


FAILING = [
    "send_and_raise",
    "send_and_leave_nonsense",
    "send_and_give_what_cannot_be_stored",
    "send_too_many",
    "send_something_bad",
]


@pytest.mark.parametrize("operation", FAILING)
@pytest.mark.parametrize("word", ["lost", "+lost"])
def test_what_a_failed_operation_sent_and_changed_is_gone(operation: str, word: str) -> None:
    """Also for the operations before and after it, which have the same commit."""
    commit = SenderBench().run(("send", "before"), (operation, word), ("send", "after", "+last"))
    assert answers(commit) == [True, False, True]
    assert sent(commit) == ["before", "after", "+last"]
    assert state(commit) == {"n": 3}


def test_a_failed_operation_alone_leaves_nothing() -> None:
    commit = SenderBench().run(("send_and_raise", "lost"))
    assert ([*commit.sends], [*commit.starts], [*commit.states], answers(commit)) == ([], [], [], [False])


def test_what_is_refused_at_its_line_can_be_caught_and_leaves_nothing() -> None:
    commit = SenderBench().run(("catches_what_is_refused", "fine"))
    assert (answers(commit), sent(commit)) == ([True], ["fine"])


# -- asynchronous operations: beside a worker --------------------------------------------------------------------------


class Sleeper(Entity):
    n: int = 0

    async def nap(self, word: str, *, for_ever: bool) -> str:
        """Sends before and after it has waited for something."""
        self.n += 1
        self.context.signal_entity(Log.add, "x", f"{word} first")
        await (asyncio.Event().wait() if for_ever else asyncio.sleep(0))
        self.context.signal_entity(Log.add, "x", f"{word} second")
        return word

    async def stubborn(self) -> None:
        """Does not end when it is told to, the first time."""
        self.context.signal_entity(Log.add, "x", "stubborn")
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)

    async def cancels_itself(self) -> None:
        self.context.signal_entity(Log.add, "x", "cancelled")
        raise asyncio.CancelledError


class Log(Entity):
    words: list[str] = []

    def add(self, word: str) -> None:
        self.words.append(word)


@asynccontextmanager
async def working(**settings: Any) -> AsyncGenerator[tuple[EntityClient, MemoryStore]]:
    known = Registry()
    known.add(ClassEntityType(Sleeper))
    known.add(ClassEntityType(Log))
    all_settings = Settings(partitions=1, slot_groups=1, **settings)
    store = MemoryStore("sends", all_settings)
    worker = Worker(store, known, all_settings)
    await worker.start()
    try:
        async with EntityClient(store, known, all_settings) as client:
            yield client, store
    finally:
        await worker.stop()


async def logged(client: EntityClient) -> list[str]:
    """What has arrived, once something that was sent after all of it has."""
    await client.call_entity(Log.add, "x", "end")
    log = await client.read_entity(Log, "x")
    return [] if log is None else log.words


@pytest.mark.anyio
async def test_the_sends_of_an_asynchronous_operation_leave_in_its_order() -> None:
    async with working() as (client, _):
        assert await client.call_entity(Sleeper.nap, "s", "a", for_ever=False) == "a"
        assert await logged(client) == ["a first", "a second", "end"]


@pytest.mark.hazard(21)
@pytest.mark.anyio
async def test_an_operation_ends_after_operation_ms_max_and_nothing_of_it_is_left() -> None:
    async with working(operation_ms_max=20) as (client, store):
        for operation in ("nap", "stubborn"):
            given = {"for_ever": True} if operation == "nap" else {}
            args = ["lost"] if operation == "nap" else []
            with pytest.raises(OperationFailed) as caught:
                await client.call_entity(EntityId("Sleeper", "s"), operation, *args, **given)
            assert caught.value.error_type == "TimeoutError"
            assert "operation_ms_max" in str(caught.value).lower()
        # The entity goes on, and a quick operation is left alone.
        assert await client.call_entity(Sleeper.nap, "s", "b", for_ever=False) == "b"
        assert await logged(client) == ["b first", "b second", "end"]
        sleeper = await client.read_entity(Sleeper, "s")
        assert sleeper is not None and sleeper.n == 1
        await client.signal_entity(Sleeper.nap, "t", "lost", for_ever=True)
        letters = DeadLetters(store)
        while not (found := [letter async for letter in letters.all()]):
            await asyncio.sleep(0)
        assert [letter.failure.kind for letter in found] == ["time_out"]


@pytest.mark.anyio
async def test_without_a_limit_of_time_an_operation_may_wait_and_one_that_is_cancelled_sends_nothing() -> None:
    async with working(operation_ms_max=60_000) as (client, _):
        with pytest.raises(OperationFailed):
            await client.call_entity(Sleeper.cancels_itself, "s")
        assert await logged(client) == ["end"]
