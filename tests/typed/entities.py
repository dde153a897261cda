"""What type checkers know of entities: checked by mypy and pyright (strict), never run.

Each `type: ignore` stands where both checkers have to report an error: an unused one is an error itself.
"""

# pyright: reportUnnecessaryTypeIgnoreComment=true

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeVar, assert_type

from pydantic import BaseModel

from stead.app import App
from stead.entities import Entity, EntityClient, EntityContext, EntityId, EntityStatus, ReminderToSet

T = TypeVar("T")


class Reading(BaseModel):
    celsius: float


class Station(Entity):
    """An ordinary entity."""

    count: int = 0
    total: float = 0.0
    last: Reading | None = None

    def record(self, celsius: float, at: datetime | None = None, *, flag: bool = False) -> None:
        self.count += 1
        assert_type(self.context, EntityContext)
        self.context.signal_entity(Station.record, "x", 3.5)
        self.context.signal_entity(Station.record, "x", 3.5, flag=True)
        self.context.signal_entity(Station.slow, "x")
        self.context.signal_entity(EntityId("Station", "x"), "record", 3.5, anything=1)
        self.context.after(timedelta(hours=1)).signal_entity(Station.record, "x", 3.5)
        self.context.at(datetime.now(UTC)).signal_entity(EntityId(Station, "x"), "record", 3.5)
        self.context.signal_entity(Station.record, "x", "warm")  # type: ignore[call-overload]
        self.context.signal_entity(Station.record, "x")  # type: ignore[call-overload]

    def remind(self) -> None:
        later = self.context.reminder("x", after=timedelta(minutes=5), every=timedelta(minutes=5))
        assert_type(later, ReminderToSet)
        assert_type(later.signal(Station.record, 3.5, flag=True), None)
        self.context.reminder("x", at=datetime.now(UTC)).signal(Station.slow)
        self.context.reminder("x", every=timedelta(hours=1)).signal("record", 3.5)
        self.context.reminder("x", cron="0 9 * * MON-FRI", timezone="Europe/Oslo").signal(Station.mean)
        assert_type(self.context.cancel_reminder("x"), bool)
        assert_type(self.context.reminders, dict[str, datetime])

        later.signal(Station.record, "warm")  # type: ignore[call-overload]
        later.signal(Station.record)  # type: ignore[call-overload]
        self.context.reminder("x")  # type: ignore[call-overload]
        self.context.reminder("x", after=5)  # type: ignore[call-overload]
        self.context.reminder("x", cron="0 9 * * *", every=timedelta(hours=1))  # type: ignore[call-overload]
        self.context.reminder("x", after=timedelta(hours=1), timezone="UTC")  # type: ignore[call-overload]

    def mean(self) -> float | None:
        return self.total / self.count if self.count else None

    async def slow(self) -> Reading:
        return Reading(celsius=1)


class Hot(Station):
    """A subclass: its copies of the operations have the same types."""

    async def delete(self, reason: str = "") -> int:
        return 1


class Box(Entity, Generic[T]):
    """A generic entity."""

    item: T | None = None

    def put(self, item: T) -> T:
        self.item = item
        return item

    async def take(self) -> T | None:
        return self.item


class IntBox(Box[int]):
    """A box of integers."""


async def calls(client: EntityClient) -> None:
    assert_type(await client.call_entity(Station.mean, "oslo"), float | None)
    assert_type(await client.call_entity(Station.slow, "oslo"), Reading)
    assert_type(await client.call_entity(Hot.mean, "oslo"), float | None)
    assert_type(await client.call_entity(Hot.delete, "oslo"), int)
    assert_type(await client.call_entity(Hot.delete, "oslo", reason="old"), int)
    await client.call_entity(Station.delete, "oslo")
    assert_type(await client.call_entity(Box[int].put, "a", 1), int)
    assert_type(await client.call_entity(IntBox.put, "a", 1), int)
    assert_type(await client.call_entity(IntBox.take, "a"), int | None)
    assert_type(await client.call_entity(EntityId("Station", "oslo"), "mean"), Any)

    await client.call_entity(IntBox.put, "a", "b")  # type: ignore[call-overload]
    await client.call_entity(Station.mean, "oslo", 1)  # type: ignore[call-overload]
    await client.call_entity(Station.average, "oslo")  # type: ignore[attr-defined]
    await client.call_entity(Station.delete, "oslo", 1)  # type: ignore[call-overload]
    await client.call_entity(len, "oslo")  # type: ignore[call-overload]


async def signals(client: EntityClient) -> None:
    await client.signal_entity(Station.record, "oslo", 3.5)
    await client.signal_entity(Station.record, "oslo", celsius=3.5, flag=True)
    await client.signal_entity(Station.delete, "oslo")
    await client.signal_entity(EntityId("Station", "oslo"), "record", 3.5)
    await client.after(timedelta(minutes=5)).signal_entity(Station.record, "oslo", 3.5)
    await client.at(datetime.now(UTC)).signal_entity(Station.record, "oslo", 3.5)

    await client.signal_entity(Station.record, "oslo", "warm")  # type: ignore[call-overload]
    await client.signal_entity(Station.record, "oslo")  # type: ignore[call-overload]
    await client.signal_entity(Station.record, "oslo", 3.5, None, True)  # type: ignore[call-overload]
    await client.signal_entity(Station.record, 5, 3.5)  # type: ignore[call-overload]


async def reads(client: EntityClient) -> None:
    assert_type(await client.read_entity(Station, "oslo"), Station | None)
    assert_type(await client.read_entity(EntityId("Station", "oslo")), Any)
    assert_type(await client.describe_entity(EntityId("Station", "oslo")), EntityStatus | None)
    assert_type(client.list_entities(Station, prefix="os"), AsyncIterator[tuple[EntityId, Station]])
    async for entity_id, station in client.list_entities(Hot):
        assert_type(entity_id, EntityId)
        assert_type(station, Hot)


def function_form(context: EntityContext) -> None:
    assert_type(context.get_state(int, default=0), int)
    assert_type(context.get_state(int), int | None)
    assert_type(context.get_state(list[int], default=[]), list[int])
    assert_type(context.get_state(int | str), int | str | None)
    assert_type(context.get_state(int | None), int | None)
    assert_type(context.get_input(int | None), int | None)
    assert_type(context.get_input(Reading), Reading)
    assert_type(context.args, tuple[Any, ...])
    assert_type(context.now, datetime)
    context.set_state(0)
    context.delete_state()


typed = App("typed")


@typed.entity(expires_after=timedelta(days=30))
class Session(Entity):
    def on_expire(self) -> timedelta | None:
        return None


assert_type(Session(), Session)
typed.entity(expires_after=30)  # type: ignore[call-overload]
