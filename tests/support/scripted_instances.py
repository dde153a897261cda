"""A worker reduced to what clients see of one that runs orchestrations: it takes messages, and writes records and histories.

It holds every partition of a hub. Instances do what events tell them: "finish" completes one with the event's data, "fail"
fails it. So tests of clients need neither the kind nor activities, and can stop this worker at any moment.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from stead.entities.extending import Message, decode_message, encode_reply
from stead.orchestrations._history.event_codec import encode_event
from stead.orchestrations._history.events import Event, EventRaised, ExecutionCompleted, ExecutionStarted
from stead.orchestrations._history.messages import decode_start
from stead.orchestrations._history.record import STATUS_NUMBERS, InstanceRecord, RuntimeStatus, encode_instance_record
from stead.transport import (
    Commit,
    CommitVerdict,
    ConnectionLost,
    LogWrite,
    Reply,
    ServerChanged,
    Store,
    StreamId,
)


class ScriptedInstances:
    """Instances that do what their events say. `silent`: it answers nobody, as a worker whose answers get lost.
    `tells`: it answers those of whom a start says that they wait, as no worker of before does."""

    def __init__(self, store: Store) -> None:
        self.messages: list[Message] = []
        self.records: dict[str, InstanceRecord] = {}
        self.silent = False
        self.tells = False
        self._store = store
        self._tokens: dict[int, bytes] = {}
        self._commit_ids: dict[int, bytes] = {}
        self._positions: dict[int, StreamId] = {}

    async def join(self) -> None:
        for partition in range(self._store.layout.partitions):
            token = secrets.token_bytes(16)
            acquired = await self._store.acquire(partition, "scripted", token, b"", 3_600_000)
            assert acquired is not None
            self._tokens[partition] = token
            self._commit_ids[partition] = acquired.commit_id
            self._positions[partition] = b"0"

    async def run(self) -> None:
        while True:
            with contextlib.suppress(ConnectionLost, ServerChanged):
                for partition, entries in await self._store.read_inboxes(self._positions, 1_000, 200):
                    for stream_id, fields in entries:
                        await self._turn(partition, stream_id, decode_message(bytes(fields[1])))
            await asyncio.sleep(0)

    async def take(self, count: int) -> None:
        """Carry out the next messages, so many at most: for who wants to say when, instead of `run`."""
        for partition, entries in await self._store.read_inboxes(self._positions, count, 0):
            for stream_id, fields in entries[:count]:
                await self._turn(partition, stream_id, decode_message(bytes(fields[1])))
                count -= 1

    async def _turn(self, partition: int, stream_id: StreamId, message: Message) -> None:
        """One message a commit: simple, and slow enough to be seen in between."""
        self.messages.append(message)
        commit = Commit(partition, self._tokens[partition], self._commit_ids[partition], secrets.token_bytes(16))
        commit.consumed = [*commit.consumed, stream_id]
        self._positions[partition] = stream_id
        self._act(commit, message)
        while True:
            try:
                verdicts = await self._store.commit([commit], self._store.generation)
            except (ConnectionLost, ServerChanged):
                await asyncio.sleep(0.01)
                continue
            assert verdicts[0] in (CommitVerdict.APPLIED, CommitVerdict.ALREADY)
            self._commit_ids[partition] = commit.commit_id
            return

    def _act(self, commit: Commit, message: Message) -> None:
        target, args, now_ms = message.target, message.args, self._store.clock.now_ms()
        record = self.records.get(target)
        values: list[Any] = list(args)
        if message.operation == "start":
            self._start(commit, message, now_ms)
        elif record is None:
            self._answer(commit, message, False if message.operation == "purge" else "unknown")
        elif message.operation == "wait":
            if record.finished:
                self._answer(commit, message, encode_instance_record(record))
            elif message.reply_to is not None:
                record.waiters.append(message.reply_to)
        elif message.operation == "purge":
            self._answer(commit, message, record.finished or "running")
            if record.finished:
                del self.records[target]
                commit.deleted = [*commit.deleted, target]
                commit.logs = [*commit.logs, LogWrite(target, [], reset=True)]
        elif message.operation == "rewind":
            self._answer(commit, message, record.status is RuntimeStatus.FAILED)
        elif message.operation == "terminate":
            self._finish(commit, target, RuntimeStatus.TERMINATED, values[0], now_ms)
        elif message.operation == "event" and values[0] == "finish":
            self._finish(commit, target, RuntimeStatus.COMPLETED, values[1], now_ms)
        elif message.operation == "event" and values[0] == "fail":
            self._finish(commit, target, RuntimeStatus.FAILED, None, now_ms)
        elif message.operation == "event":
            self._log(commit, target, EventRaised(now_ms, 0, values[0], values[1]))

    def _start(self, commit: Commit, message: Message, now_ms: int) -> None:
        start = decode_start(message.args)
        target, new = message.target, message.target not in self.records
        execution_id = secrets.token_hex(8)
        self.records[target] = InstanceRecord(
            RuntimeStatus.RUNNING,
            start.name,
            start.version,
            execution_id,
            start.created_ms,
            now_ms,
            message.message_id,
            tags=start.tags,
            waiters=[message.waiter] if message.waiter is not None and self.tells else [],
        )
        fields = start.name, start.version, start.input, execution_id, None, start.tags, start.at_ms
        commit.started = [*commit.started, (target, message.message_id)]
        if new:
            commit.created = [*commit.created, target]
        self._log(commit, target, ExecutionStarted(now_ms, 0, *fields), reset=True)

    def _finish(self, commit: Commit, target: str, status: RuntimeStatus, output: Any, now_ms: int) -> None:
        record = self.records[target]
        record.status, record.output, record.finished_ms = status, output, now_ms
        if status is RuntimeStatus.FAILED:
            record.failure = {"kind": "operation", "type": "ValueError", "message": "no way", "cause": None}
        waiters, record.waiters = record.waiters, []
        self._log(commit, target, ExecutionCompleted(now_ms, 0, STATUS_NUMBERS[status], output, record.failure))
        if not self.silent:
            packed = encode_instance_record(record)
            told = [Reply(one.group, one.client, encode_reply(one.call_id, packed)) for one in waiters]
            commit.replies = [*commit.replies, *told]

    def _log(self, commit: Commit, target: str, event: Event, *, reset: bool = False) -> None:
        record = self.records[target]
        record.history_length = 1 if reset else record.history_length + 1
        record.updated_ms = event.at_ms
        commit.logs = [*commit.logs, LogWrite(target, [encode_event(event)], reset)]
        commit.states = [*commit.states, (target, encode_instance_record(record))]

    def _answer(self, commit: Commit, message: Message, value: object) -> None:
        if message.reply_to is not None and not self.silent:
            group, client, call_id = message.reply_to
            commit.replies = [*commit.replies, Reply(group, client, encode_reply(call_id, value))]


@asynccontextmanager
async def scripted_instances(store: Store) -> AsyncGenerator[ScriptedInstances, None]:
    """Such a worker for the length of a block."""
    worker = ScriptedInstances(store)
    await worker.join()
    task = asyncio.ensure_future(worker.run())
    try:
        yield worker
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
