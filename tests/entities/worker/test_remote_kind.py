"""A kind whose turns are carried out by a program somewhere else, which answers when it is done."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Any, cast

import pytest

from stead.entities import Registry, Worker
from stead.entities.extending import (
    Activation,
    Board,
    Effects,
    Environment,
    Failure,
    Kind,
    Pending,
    ReplyAddress,
    Slice,
    Turns,
    decode_message,
    decode_reply,
    encode_message,
    failure_of,
    message_extras,
)
from stead.transport import Batch, Commit, CommitAnswer, MemoryStore, Settings, pack, unpack
from support.dying_worker import die
from support.guards import HANGS_S

SETTINGS = Settings(partitions=1, heartbeat_ms=50, lease_ms=500)
CALLER = ReplyAddress(0, "caller", 1)


class Program:
    """What runs somewhere else: it is asked, and answers when a test lets it."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, object, asyncio.Future[object]]] = []
        self._rung = asyncio.Event()

    def ask(self, target: str, what: object) -> asyncio.Future[object]:
        answer: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        self.asked.append((target, what, answer))
        self._rung.set()
        return answer

    async def asked_for(self, count: int) -> None:
        async with asyncio.timeout(HANGS_S):
            while len(self.asked) < count:
                await self._rung.wait()
                self._rung.clear()


class RemoteKind:
    """Asks the program about each message, and keeps its answers. Also the extension that adds it."""

    def __init__(self, program: Program) -> None:
        self._program = program

    def activate(self, target: str, record: bytes | None, log: Sequence[bytes]) -> object:
        return [] if record is None else unpack(record)

    def run(self, activation: Activation, effects: Effects, slice: Slice) -> Awaitable[object] | None:
        activation.more = False
        pending = activation.next
        if pending is None:
            return None
        slice.running = activation.current = pending
        return self._program.ask(activation.target, pending.message.args[0])

    def finish(self, activation: Activation, effects: Effects, result: object, error: BaseException | None) -> None:
        pending = activation.runs.popleft()
        message = pending.message
        if error is not None:
            effects.fail(pending, failure_of(error))
        else:
            cast("list[object]", activation.body).append(result)
            effects.changed(activation)
            effects.send("@log@a", encode_message("@log@a", "add", [result], effects.next_message_id()))
            if message.reply_to is not None:
                effects.reply(effects.answer(message.reply_to, result))
        effects.consume(activation, pending)

    def record(self, activation: Activation, now_ms: int) -> bytes | None:
        return pack(activation.body)

    def poisoned(self, activation: Activation, pending: Pending, failure: Failure, effects: Effects) -> None:
        effects.refuse(pending, failure)

    def forget(self, activation: Activation) -> None:
        """The program's answer comes too late: whoever awaits it is cancelled."""

    def kind(self, environment: Environment) -> Kind:
        return self

    def names(self) -> Mapping[str, Mapping[str, Any]]:
        return {"remote/asked": {}}

    def parts(self, board: Board, turns: Turns) -> Sequence[tuple[str, Callable[[], Coroutine[Any, Any, None]]]]:
        return []


class Store(MemoryStore):
    """Remembers what was committed."""

    def __init__(self) -> None:
        super().__init__("remote", SETTINGS)
        self.commits: list[Commit] = []
        self.committed = asyncio.Event()

    async def commit(self, commits: Sequence[Commit], generation: int) -> list[CommitAnswer]:
        verdicts = await super().commit(commits, generation)
        self.commits += commits
        self.committed.set()
        return verdicts

    async def send(self, target: str, what: str) -> None:
        message = encode_message(target, "ask", [what], what.encode(), message_extras(reply_to=CALLER))
        await self.enqueue([Batch(0, f"of {what}", 0, -1, 0, [message], 1_000, 60_000)])

    async def commits_of(self, count: int) -> None:
        async with asyncio.timeout(HANGS_S):
            while len(self.commits) < count:
                await self.committed.wait()
                self.committed.clear()

    async def stored(self, target: str) -> list[Any]:
        (loaded,) = (await self.load({0: [target]}))[0]
        return [] if loaded.record is None else unpack(loaded.record)

    async def waiting(self) -> int:
        [info] = await self.info()
        return info.backlog


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def program() -> Program:
    return Program()


def worker(store: Store, program: Program) -> Worker:
    return Worker(store, Registry(), SETTINGS, extensions=[RemoteKind(program)])


async def test_nothing_of_a_turn_exists_before_its_answer_and_all_of_it_at_once_then(
    store: Store, program: Program
) -> None:
    async with worker(store, program):
        await store.send("one", "first")
        await store.send("one", "second")
        await program.asked_for(1)
        await store.send("two", "other")
        await program.asked_for(2)  # the others of its partition go on
        program.asked[1][2].set_result("other's")
        await store.commits_of(1)
        assert [target for target, _ in store.commits[0].states] == ["two"]
        assert await store.waiting() == 2 + 1  # both messages, and what the other one sent to an entity nobody knows
        assert await store.stored("one") == []
        assert len(program.asked) == 2  # one turn at a time

        program.asked[0][2].set_result("answer")
        await store.commits_of(2)
        commit = store.commits[1]
        assert [(target, unpack(record)) for target, record in commit.states] == [("one", ["answer"])]
        assert [decode_reply(reply.payload) for reply in commit.replies] == [(1, "answer", True)]
        assert [decode_message(envelope).args for _, envelope in commit.sends] == [["answer"]]
        assert len(commit.consumed) == 1
        await program.asked_for(3)
        assert program.asked[2][:2] == ("one", "second")
        program.asked[2][2].set_result("late")
        await store.commits_of(3)
    assert await store.stored("one") == ["answer", "late"]


async def test_a_worker_that_ends_meanwhile_leaves_the_turn_to_the_next_one(store: Store, program: Program) -> None:
    first = worker(store, program)
    await first.start()
    await store.send("one", "question")
    await program.asked_for(1)
    await die(first)
    async with worker(store, program):
        await program.asked_for(2)
        program.asked[0][2].cancel()  # nobody waits for it any more
        assert program.asked[1][:2] == ("one", "question")
        program.asked[1][2].set_result("answer")
        await store.commits_of(1)
    assert len(store.commits) == 1
    assert await store.stored("one") == ["answer"]


@pytest.mark.parametrize("error", [ValueError("no"), ConnectionError("gone")])
async def test_whoever_waits_hears_why_the_program_failed(store: Store, program: Program, error: Exception) -> None:
    async with worker(store, program):
        await store.send("one", "question")
        await program.asked_for(1)
        program.asked[0][2].set_exception(error)
        await store.commits_of(1)
    [commit] = store.commits
    assert not commit.states and len(commit.consumed) == 1
    _, failure, ok = decode_reply(commit.replies[0].payload)
    assert not ok and isinstance(failure, Failure)
    assert (failure.kind, failure.type, failure.message) == ("operation", type(error).__name__, str(error))


async def test_what_waits_for_a_program_is_given_back_with_its_partition(store: Store, program: Program) -> None:
    first = Worker(store, Registry(), SETTINGS.model_copy(update={"drain_ms": 1}), extensions=[RemoteKind(program)])
    await first.start()
    await store.send("one", "question")
    await program.asked_for(1)
    await first.stop()
    assert program.asked[0][2].cancelled()
    assert store.commits == [] and await store.waiting() == 1
