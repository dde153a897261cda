"""A worker with an extension: another kind of targets, parts that run beside its own, and the board's hooks."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Any

from stead.entities import ClassEntityType, Entity, EntityClient, Registry, Worker
from stead.entities.extending import (
    Activation,
    Board,
    Effects,
    Environment,
    Failure,
    Hooks,
    Kind,
    Message,
    Partition,
    Pending,
    ReplyAddress,
    Slice,
    TaskAddress,
    Turns,
    encode_message,
    message_extras,
)
from stead.transport import Batch, MemoryStore, ServerClock, Settings, Task, pack, partition_of, unpack
from support.guards import HANGS_S

INSTANCE = "an instance"


class Book(Entity):
    entries: list[str] = []

    def write(self, tag: str) -> int:
        self.entries.append(tag)
        return len(self.entries)


class Script:
    """An instance that calls an entity within a lock, then has a task done, then answers whoever waits."""

    def __init__(self) -> None:
        self.events: list[tuple[str, list[object]]] = []
        self.logs: list[Sequence[bytes]] = []

    def activate(self, target: str, record: bytes | None, log: Sequence[bytes]) -> object:
        self.logs.append(log)
        return [] if record is None else unpack(record)

    def run(self, activation: Activation, effects: Effects, slice: Slice) -> Awaitable[object] | None:
        activation.more = False
        while (pending := activation.next) is not None:
            (activation.express or activation.mailbox).popleft()
            self.take(activation, pending.message, effects)
            effects.consume(activation, pending)
        return None

    def take(self, activation: Activation, message: Message, effects: Effects) -> None:
        self.events.append((message.operation, list(message.args)))
        effects.append(activation, [pack(len(self.events))])
        if message.operation == "start":
            assert message.reply_to is not None
            activation.body = list(message.reply_to)
            self.send(effects, "!lock", [b"lock", ["@book@a"], 0], task=TaskAddress(INSTANCE, "e", 1))
        elif message.operation == "task" and message.args[1] == 1:
            self.send(effects, "write", ["mine"], task=TaskAddress(INSTANCE, "e", 2), lock=b"lock")
        elif message.operation == "task" and message.args[1] == 2:
            self.send(effects, "!release", [b"lock", ["@book@a"], 0, True])
            effects.schedule_task(activation, Task(b"3", "", shared=False, payload=b"payload"))
        elif message.operation == "task":
            effects.drop_task(b"3")
            effects.reply(effects.answer(ReplyAddress(*activation.body), message.args[3]))

    def send(self, effects: Effects, operation: str, args: list[object], **extras: Any) -> None:
        envelope = encode_message("@book@a", operation, args, effects.next_message_id(), message_extras(**extras))
        effects.send("@book@a", envelope)

    def finish(self, activation: Activation, effects: Effects, result: object, error: BaseException | None) -> None:
        raise AssertionError("nothing is asynchronous")

    def record(self, activation: Activation, now_ms: int) -> bytes | None:
        return pack(activation.body)

    def poisoned(self, activation: Activation, pending: Pending, failure: Failure, effects: Effects) -> None:
        effects.refuse(pending, failure)

    def forget(self, activation: Activation) -> None:
        self.events.append(("forgotten", []))


class Scripts(Hooks):
    """The extension, which listens. Implements `Extension`."""

    def __init__(self) -> None:
        self.script = Script()
        self.heard: list[str] = []
        self.partitions: set[Partition] = set()
        self.ran = asyncio.Event()

    def kind(self, environment: Environment) -> Kind:
        return self.script

    def names(self) -> Mapping[str, Mapping[str, Any]]:
        return {"orchestration/script": {"name": "script"}}

    def parts(self, board: Board, turns: Turns) -> Sequence[tuple[str, Callable[[], Coroutine[Any, Any, None]]]]:
        self.turns = turns
        board.listen(self)
        board.info["queues"] = ["a"]
        return [("script", self.part)]

    def granted(self, partition: Partition, tasks: Sequence[Task]) -> None:
        self.heard += [f"granted {task.task_id.decode()}" for task in tasks]
        result = Message(INSTANCE, "task", ["e", 3, True, "done"], b"", None, None, None, None, None)
        self.turns.deliver_local(partition, INSTANCE, result)

    def unwanted(self, partition: Partition, task_ids: Sequence[bytes]) -> None:
        self.heard += [f"unwanted {task_id.decode()}" for task_id in task_ids]

    async def giving_back(self, partition: Partition) -> None:
        assert partition.draining
        self.heard.append("giving back")

    def held(self, partition: Partition) -> None:
        self.partitions.add(partition)

    def let_go(self, partition: Partition) -> None:
        self.partitions.discard(partition)

    async def part(self) -> None:
        self.ran.set()
        await asyncio.Event().wait()


async def test_an_instance_beside_entities() -> None:
    settings = Settings(partitions=2, heartbeat_ms=50)
    store = MemoryStore("extended", settings, ServerClock())
    registry = Registry()
    registry.add(ClassEntityType(Book))
    scripts = Scripts()
    async with Worker(store, registry, settings, extensions=[scripts]):
        assert {partition.number for partition in scripts.partitions} == {0, 1}
        await asyncio.wait_for(scripts.ran.wait(), HANGS_S)
        reply_to = ReplyAddress(0, "reader", 1)
        start = encode_message(INSTANCE, "start", [], b"m", message_extras(reply_to=reply_to))
        await store.enqueue([Batch(partition_of(INSTANCE, 2), "session", 0, -1, 0, [start], 1_000, 60_000)])
        replies = await store.read_replies(0, "reader", b"0", 10_000)
        assert unpack(replies[0][1])[3] == "done"
        client = EntityClient(store, registry, settings)
        assert await client.call_entity(Book.write, "a", "other's") == 2
        await client.aclose()
        [worker] = await store.workers()
        assert worker.info["queues"] == ["a"]
        assert "orchestration/script" in worker.info["kinds"]
        assert "orchestration/script" in await store.published()
    assert scripts.heard == ["granted 3", "unwanted 3", "giving back", "giving back"]
    assert not scripts.partitions
    assert [operation for operation, _ in scripts.script.events] == ["start", *["task"] * 3, "forgotten"]
    loaded = await store.load({partition_of(INSTANCE, 2): [INSTANCE]})
    assert len(loaded[partition_of(INSTANCE, 2)][0].log) == 4


async def test_without_an_extension_messages_for_instances_wait() -> None:
    settings = Settings(partitions=1, heartbeat_ms=50)
    store = MemoryStore("plain", settings, ServerClock())
    start = encode_message(INSTANCE, "start", [], b"m")
    await store.enqueue([Batch(0, "session", 0, -1, 0, [start], 1_000, 60_000)])
    async with Worker(store, Registry(), settings):
        async with asyncio.timeout(HANGS_S):
            while not any(worker.info.get("waiting") for worker in await store.workers()):
                await asyncio.sleep(0.01)  # a heartbeat says so
        [worker] = await store.workers()
        assert worker.info["waiting"] == {"0": ["orchestration"]}
    [info] = await store.info()
    assert info.backlog == 1
