"""What an operation sees and sends, and that nobody else can use it."""

from __future__ import annotations

import logging
import pickle
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from stead.entities import (
    CallTimeout,
    ClassEntityType,
    ContextEnded,
    Entity,
    EntityContext,
    EntityId,
    FunctionEntityType,
    InvalidInput,
    InvalidState,
    OperationFailed,
    Registry,
    SteadError,
    UnknownEntity,
    UnknownOperation,
)
from stead.entities._definition.addressing import resolve_call
from stead.entities._message.envelope import Message, decode_message
from stead.entities._partition.effects import Effects
from stead.entities._turns.turn import Turn
from stead.transport import Settings
from stead.transport.describing import qualified_name
from support.activation_bench import cell_of

NOW_MS = 1_767_225_600_000


class Alarm(Entity):
    """Hears what others send."""

    rings: int = 0

    def ring(self, station: str, *, loud: bool = False) -> None:
        self.rings += 1


class Stranger(Entity):
    """Is not registered."""

    def hello(self) -> None: ...


kept: list[EntityContext] = []


class Station(Entity):
    """Sends."""

    count: int = 0

    def record(self, celsius: float) -> None:
        self.count += 1
        if celsius > 40:
            self.context.signal_entity(Alarm.ring, "duty", self.context.entity_id.key, loud=True)

    def by_name(self, name: str, operation: str, *args: Any) -> None:
        self.context.signal_entity(EntityId(name, "k"), operation, *args)

    def stranger(self) -> None:
        self.context.signal_entity(Stranger.hello, "x")

    def remind(self, minutes: float) -> None:
        self.context.after(timedelta(minutes=minutes)).signal_entity(Station.record, "oslo", 1)

    def wake(self, when: Any) -> None:
        self.context.at(when).signal_entity(EntityId(Station, "oslo"), "record", 1)

    def look(self) -> tuple[str, str, bool, datetime]:
        return (
            str(self.context.entity_id),
            self.context.operation_name,
            self.context.is_new,
            self.context.now,
        )

    def log(self) -> None:
        self.context.logger.warning("it is %s", "hot", extra={"more": 1})

    def keep(self) -> None:
        kept.append(self.context)


def free(context: EntityContext) -> None: ...


REGISTRY = Registry()
for cls in (Alarm, Station):
    REGISTRY.add(ClassEntityType(cls))
REGISTRY.add(FunctionEntityType("Free", free))


class Bench:
    """One activation of Station, whose messages stay here."""

    def __init__(self) -> None:
        self.entity = ClassEntityType(Station)
        self.cell = cell_of(self.entity, None)
        self.turn = Turn(REGISTRY, lambda: NOW_MS)
        self.turn.serve("@station@oslo", Effects(1, Settings(), lambda: NOW_MS, b"nonce"))

    def run(self, operation: str, *args: Any) -> Any:
        known = self.entity.operation(operation)
        return self.cell.invoke(self.turn, known, Message("", operation, args, b"", None, None, None, None, None))

    def sends(self, operation: str, *args: Any) -> list[Message]:
        self.run(operation, *args)
        sends = [replace(decode_message(send.envelope), message_id=b"id") for send in self.turn.sends]
        self.cell.settle()
        self.turn.end()
        assert self.turn.sends == []
        return sends


def sent(target: str, operation: str, args: Any, kwargs: Any, delay_ms: int | None = None) -> Message:
    return Message(target, operation, args, b"id", kwargs, None, delay_ms, None, "@station@oslo")


def test_signals_are_collected_in_order_with_plain_arguments() -> None:
    bench = Bench()
    assert bench.sends("record", 3.5) == []
    assert bench.sends("record", 41) == [sent("@alarm@duty", "ring", ["oslo"], {"loud": True})]


def test_signals_by_name_are_checked_as_far_as_the_name_is_known() -> None:
    bench = Bench()
    assert bench.sends("by_name", "ALARM", "RING", "x") == [sent("@alarm@k", "ring", ["x"], None)]
    assert bench.sends("by_name", "elsewhere", "Op", 1, "a") == [sent("@elsewhere@k", "Op", (1, "a"), None)]
    assert bench.sends("by_name", "free", "Op", 1) == [sent("@free@k", "Op", (1,), None)]
    with pytest.raises(UnknownOperation, match="'sing'; it has: delete, ring"):
        bench.run("by_name", "alarm", "sing")
    with pytest.raises(InvalidInput, match=r"argument 'station' of Alarm\.ring: it is missing"):
        bench.run("by_name", "alarm", "ring")
    with pytest.raises(InvalidInput, match="printable"):
        bench.run("by_name", "elsewhere", "")
    with pytest.raises(UnknownEntity, match=r"'Stranger' is registered.*known: Alarm, Free, Station"):
        bench.run("stranger")


def test_scheduled_signals() -> None:
    bench = Bench()
    assert bench.sends("remind", 2) == [sent("@station@oslo", "record", [1], None, delay_ms=120_000)]
    assert bench.sends("remind", -2)[0].delay_ms == 0
    assert bench.sends("remind", 0.001 / 60)[0].delay_ms == 1, "never early: a fraction counts as whole"
    oslo = timezone(timedelta(hours=1))
    assert bench.sends("wake", datetime(2026, 1, 1, 1, 0, tzinfo=oslo))[0].due_ms == NOW_MS
    assert bench.sends("wake", datetime(2026, 1, 1, microsecond=1, tzinfo=UTC))[0].due_ms == NOW_MS + 1
    assert bench.sends("wake", datetime(1900, 1, 1, tzinfo=UTC))[0].due_ms == 0
    with pytest.raises(InvalidInput, match="no time zone"):
        bench.run("wake", datetime(2026, 1, 1))
    with pytest.raises(InvalidInput, match="it is a datetime"):
        bench.run("wake", timedelta(1))
    with pytest.raises(InvalidInput, match="hundred years"):
        bench.run("remind", 100 * 366 * 24 * 60 + 1)


def test_what_the_context_knows() -> None:
    bench = Bench()
    expected = ("@station@oslo", "LOOK", True, datetime(2026, 1, 1, tzinfo=UTC))
    assert bench.run("LOOK") == expected


def test_the_logger_names_the_entity(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "stead.entity"):
        Bench().run("log")
    record = caplog.records[0]
    assert record.getMessage() == "@station@oslo log: it is hot"
    assert (record.entity_id, record.operation, record.more) == ("@station@oslo", "log", 1)  # type: ignore[attr-defined]


def test_a_context_ends_with_its_operation() -> None:
    kept.clear()
    bench = Bench()
    bench.run("keep")
    assert kept[0].operation_name == "keep"
    bench.turn.end()
    bench.run("keep")
    assert kept[1] is not kept[0]
    uses: list[Callable[[EntityContext], object]] = [
        lambda context: context.signal_entity(Alarm.ring, "x", "y"),
        lambda context: context.after(timedelta(1)).signal_entity(Alarm.ring, "x", "y"),
        lambda context: context.now,
        lambda context: context.delete_state(),
        lambda context: context.logger,
    ]
    for use in uses:
        with pytest.raises(ContextEnded, match="has ended"):
            use(kept[0])
    assert str(kept[0].entity_id) == "@station@oslo"


def test_there_is_no_context_outside_an_operation() -> None:
    with pytest.raises(ContextEnded, match="this Station is a copy"):
        _ = Station().context
    bench = Bench()
    bench.run("keep")
    bench.turn.end()
    instance = bench.entity.operation("record").function
    assert instance is Station.record
    with pytest.raises(ContextEnded, match="no operation of @station@oslo is running"):
        bench.turn.open_context()


@pytest.mark.parametrize("wrong", [len, Station, "record", Station().record, None, lambda: None])
def test_what_is_no_operation_is_refused(wrong: Any) -> None:
    with pytest.raises((InvalidInput, UnknownEntity)):
        resolve_call(REGISTRY, wrong, "key", (), {})


def test_an_operation_of_an_instance_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"name it by its class \(Station.record\)"):
        resolve_call(REGISTRY, Station().record, "key", (1.0,), {})


def test_a_bad_key_is_refused() -> None:
    with pytest.raises(InvalidInput, match="entity key"):
        resolve_call(REGISTRY, Station.record, "a\n", (1.0,), {})
    with pytest.raises(InvalidInput, match="an operation's name is text"):
        resolve_call(REGISTRY, EntityId("Station", "x"), 5, (), {})


# -- errors --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "error",
    [
        OperationFailed(EntityId("Station", "oslo"), "record", "ValueError", "bad", "Traceback …", "KeyError: 'x'"),
        UnknownEntity("Station", ["Alarm"]),
        UnknownOperation("sing", "Alarm", ["ring"]),
        UnknownOperation("sing"),
        CallTimeout("Station.record of @station@oslo", 5.0),
        InvalidState("field 'x'"),
        ContextEnded("over"),
    ],
)
def test_errors_keep_their_fields_over_pickling(error: SteadError) -> None:
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert vars(copy) == vars(error)
    assert str(copy) == str(error)


def test_error_types() -> None:
    assert isinstance(CallTimeout("x", 1), TimeoutError)
    assert str(OperationFailed("@a@b", "op", "ValueError", "")) == "operation 'op' of @a@b raised ValueError"
    assert qualified_name(ValueError) == "ValueError"
    from decimal import InvalidOperation

    assert qualified_name(InvalidOperation) == "decimal.InvalidOperation"
