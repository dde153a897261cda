"""A worker reduced to what clients see of one: it takes messages in order, and commits states and answers.

It holds every partition of a hub, and its one kind of entity is a number: the operations are given by the test. So tests
of clients need no real worker, and can make this one slow, silent or wrong.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

from stead.entities._message.envelope import (
    Failure,
    Message,
    ReplyAddress,
    decode_message,
    encode_failure,
    encode_reply,
)
from stead.entities._message.record import encode_record
from stead.transport import (
    Commit,
    CommitVerdict,
    ConnectionLost,
    Reply,
    ServerChanged,
    Store,
    StreamId,
    pack,
    partition_of,
)

Handler = Callable[["ScriptedWorker", Message], Any]


def add(worker: ScriptedWorker, message: Message) -> Any:
    """The usual script: the operations of a counter."""
    value = worker.states.get(message.target, {"value": 0})["value"]
    match message.operation.lower():
        case "add":
            value += sum(int(str(number)) for number in message.args)
            worker.states[message.target] = {"value": value}
            return value
        case "get":
            return value
        case "echo":
            return message.args[0]
        case other:
            return Failure("unknown_operation", "UnknownOperation", f"there is no {other}")


class ScriptedWorker:
    """Answers calls by a handler, which gives a result or a `Failure`; `SILENCE` is no answer at all."""

    SILENCE = object()

    def __init__(self, store: Store, handler: Handler = add) -> None:
        self.handler: Handler = handler
        self.messages: list[Message] = []
        self.states: dict[str, Any] = {}
        self._store = store
        self._tokens: dict[int, bytes] = {}
        self._commit_ids: dict[int, bytes] = {}
        self._positions: dict[int, StreamId] = {}
        self._written: dict[str, Any] = {}

    async def join(self) -> None:
        """Take every partition."""
        for partition in range(self._store.layout.partitions):
            token = secrets.token_bytes(16)
            acquired = await self._store.acquire(partition, "scripted", token, b"", 3_600_000)
            assert acquired is not None
            self._tokens[partition] = token
            self._commit_ids[partition] = acquired.commit_id
            self._positions[partition] = b"0"

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            with contextlib.suppress(ConnectionLost, ServerChanged):
                for partition, entries in await self._store.read_inboxes(self._positions, 1_000, 200):
                    await self._turn(partition, entries)
            await asyncio.sleep(0)

    async def answer(self, address: ReplyAddress, payload: bytes) -> None:
        """Put bytes into a client's reply stream, whatever they are."""
        commit = self._new_commit(0)
        commit.replies = [*commit.replies, Reply(address.group, address.client, payload)]
        await self._commit(commit)

    def _new_commit(self, partition: int) -> Commit:
        return Commit(partition, self._tokens[partition], self._commit_ids[partition], secrets.token_bytes(16))

    async def _turn(self, partition: int, entries: Any) -> None:
        commit = self._new_commit(partition)
        for stream_id, fields in entries:
            message = decode_message(bytes(fields[1]))
            self.messages.append(message)
            answer = self.handler(self, message)
            if message.reply_to is not None and answer is not self.SILENCE:
                group, client, call_id = message.reply_to
                payload = (
                    encode_failure(call_id, answer) if isinstance(answer, Failure) else encode_reply(call_id, answer)
                )
                commit.replies = [*commit.replies, Reply(group, client, payload)]
            commit.consumed = [*commit.consumed, stream_id]
            self._positions[partition] = stream_id
        for target, state in self.states.items():
            if self._written.get(target, self.SILENCE) != state and self._partition_of(target) == partition:
                commit.states = [*commit.states, (target, encode_record(pack(state), self._store.clock.now_ms()))]
                if target not in self._written:
                    commit.created = [*commit.created, target]
                self._written[target] = state
        await self._commit(commit)

    def _partition_of(self, target: str) -> int:
        return partition_of(target, self._store.layout.partitions)

    async def _commit(self, commit: Commit) -> None:
        while True:
            try:
                verdicts = await self._store.commit([commit], self._store.generation)
            except (ConnectionLost, ServerChanged):
                await asyncio.sleep(0.01)
                continue
            assert verdicts[0] in (CommitVerdict.APPLIED, CommitVerdict.ALREADY)
            self._commit_ids[commit.partition] = commit.commit_id
            return


@asynccontextmanager
async def scripted_worker(store: Store, handler: Handler = add) -> AsyncGenerator[ScriptedWorker, None]:
    """A scripted worker for the length of a block."""
    worker = ScriptedWorker(store, handler)
    await worker.join()
    task = asyncio.ensure_future(worker.run())
    try:
        yield worker
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
