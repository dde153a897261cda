"""Alarms: entities with reminders, and a partition on a bench in which time is moved by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from stead.entities import ClassEntityType, Entity, EntityContext, FunctionEntityType, Registry, UnknownOperation
from stead.entities._message.record import decode_record
from stead.entities._message.reminders import decode_reminders
from stead.entities._partition.partition import Partition
from stead.entities._turns.entity_kind import EntityKind
from stead.transport import Commit, unpack
from support.core_bench import Bench

A = "@alarm@a"
F = "@notes@f"
MINUTE = timedelta(minutes=1)
MINUTE_MS = 60_000
attempts: list[Callable[[Any, Any], object]] = []


class Base(Entity):
    rung: list[str] = []

    def ring(self, word: str = "") -> None:
        self.rung.append(word)


class Alarm(Base):
    deaf: bool = False

    def set_once(self, name: str, word: str = "") -> None:
        self.context.reminder(name, after=MINUTE).signal(Alarm.ring, word)

    def set_every(self, name: str, operation: str = "ring", seconds: int = 60) -> None:
        self.context.reminder(name, every=timedelta(seconds=seconds)).signal(operation, name)

    def set_by_base(self) -> None:
        self.context.reminder("x", after=MINUTE).signal(Base.ring, "by base")

    def cancel(self, *names: str) -> list[bool]:
        return [self.context.cancel_reminder(name) for name in names]

    def set_and_cancel(self) -> None:
        self.set_once("x")
        assert self.context.cancel_reminder("x")

    def fail(self, name: str) -> None:
        self.rung.append("never")
        self.context.reminder("other", after=MINUTE).signal(Alarm.ring, "never")
        raise ValueError(name)

    def ring_once_more(self, name: str) -> None:
        """What the operation says of its own reminder wins."""
        self.rung.append(name)
        self.context.reminder(name, after=timedelta(seconds=1)).signal(Alarm.ring, "more")

    def ring_and_look(self, name: str) -> None:
        self.rung += [name, *sorted(self.context.reminders), str(self.context.cancel_reminder(name))]

    async def ring_slowly(self, name: str) -> None:
        await asyncio.sleep(0)
        self.rung.append(name)

    def attempt(self) -> None:
        self.rung.append("never")
        attempts[0](self.context, self)

    def look(self) -> None:
        self.rung = [f"{name} {due.isoformat()}" for name, due in self.context.reminders.items()]

    def delete_around(self) -> None:
        self.set_once("before")
        self.context.delete_state()
        self.set_once("after")

    def forget_the_last_call(self) -> None:
        self.rung.append("never")
        self.context.reminder("x", after=MINUTE)

    def set_many(self, count: int) -> None:
        for number in range(count):
            self.set_once(str(number), "x" * 10)

    def set_large(self, size: int) -> None:
        self.set_once("large", "x" * size)


class Stranger(Entity):
    def ring(self) -> None: ...


def notes(context: EntityContext) -> Any:
    seen: list[str] = context.get_state(list[str], default=[])
    match context.operation_name:
        case "set":
            context.reminder("x", after=MINUTE).signal("ring", "f", loud=True)
        case "ring":
            context.set_state([*seen, f"{context.args} {context.kwargs} {context.is_new}"])
        case "empty":
            context.set_state(None)
        case other:
            raise UnknownOperation(other)


class AlarmBench(Bench):
    """One partition with alarms, by hand."""

    now_ms: int

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        registry = Registry()
        registry.add(ClassEntityType(Alarm))
        registry.add(ClassEntityType(Stranger))
        registry.add(FunctionEntityType("Notes", notes))
        self.entities = EntityKind(registry, lambda: self.now_ms, 1_000_000)
        self.find_kind = lambda target: self.entities
        self.partition = self.acquire()

    def run(self, *calls: tuple[str, *tuple[Any, ...]], target: str = A) -> Commit | None:
        """Operations, all in one commit."""
        for operation, *args in calls:
            self.put(target, *args, operation=operation)
        return self.go()

    def go(self) -> Commit | None:
        """Whatever there is to do."""
        self.deliver(self.partition)
        for started in self.turn(self.partition):
            result = asyncio.run(_awaited(started.awaitable))
            self.partition.finish(started.activation, result, None)
        return self.commit(self.partition) if self.partition.wants_commit else None

    def after(self, delta_ms: int) -> Commit | None:
        """Time passes, and what is due fires."""
        self.now_ms += delta_ms
        self.fire(self.partition)
        return self.go()

    def begin_anew(self) -> Partition:
        """Another worker takes over."""
        self.partition = self.acquire()
        return self.partition

    def rung(self, target: str = A) -> list[str]:
        record = self.store.records.get(target)
        packed = None if record is None else decode_record(record).packed_state
        state: Any = unpack(packed) if packed is not None else {}
        return state["rung"] if "rung" in state else list(state)

    def reminders(self, target: str = A) -> dict[str, int]:
        """What the record says is due when."""
        record = self.store.records.get(target)
        more: Mapping[str, Any] = {} if record is None else decode_record(record).more
        return {name: reminder.due_ms for name, reminder in decode_reminders(more.get("r", {})).items()}

    @property
    def timers(self) -> int:
        return len(self.store.timers)


async def _awaited(awaitable: Any) -> object:
    return await awaitable
