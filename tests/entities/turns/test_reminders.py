"""Reminders: they stand in the entity's record, run once for each time that they are due, and not at all once cancelled."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from stead.entities._message.envelope import (
    LOCK,
    RELEASE,
    Failure,
    TaskAddress,
    UnknownEnvelope,
    decode_message,
    encode_message,
)
from stead.entities._message.record import decode_record
from stead.transport import InvalidInput, PayloadTooLarge, pack
from support.alarm_bench import MINUTE, MINUTE_MS, A, Alarm, AlarmBench, F, Stranger, attempts


@pytest.fixture
def bench() -> AlarmBench:
    return AlarmBench()


def test_a_reminder_runs_once_when_it_is_due_and_is_gone(bench: AlarmBench) -> None:
    bench.run(("set_once", "x", "late"))
    assert bench.reminders() == {"x": bench.now_ms + MINUTE_MS}
    bench.after(MINUTE_MS - 1)
    assert bench.rung() == []
    bench.after(1)
    assert (bench.rung(), bench.reminders(), bench.timers) == (["late"], {}, 0)
    bench.after(10 * MINUTE_MS)
    assert bench.rung() == ["late"]


@pytest.mark.hazard(99)
@pytest.mark.parametrize("anew", [False, True])
@pytest.mark.parametrize("how", ["cancel", "set_once", "delete"])
def test_cancelled_is_cancelled_though_it_was_due_and_in_the_mailbox(bench: AlarmBench, how: str, anew: bool) -> None:
    """Cancelled, replaced or dropped: it waits behind the operation that does so."""
    bench.run(("set_once", "x", "never"))
    bench.now_ms += MINUTE_MS
    bench.put(A, *([] if how == "delete" else ["x"]), operation=how)
    bench.fire(bench.partition)
    if anew:
        bench.begin_anew()
    bench.go()
    assert bench.rung() == []
    assert bench.timers == (how == "set_once")
    assert bench.store.inbox.entries == {}
    assert bench.letters == []


def test_a_cancelled_one_has_no_timer(bench: AlarmBench) -> None:
    bench.run(("set_once", "x"), ("set_once", "y"))
    bench.run(("cancel", "x", "nosuch"))
    assert (list(bench.reminders()), bench.timers) == (["y"], 1)


@pytest.mark.hazard(101)
def test_set_and_cancelled_within_one_commit_writes_nothing(bench: AlarmBench) -> None:
    commit = bench.run(("set_and_cancel",), ("set_once", "y"), ("cancel", "y"))
    assert commit is not None
    assert not (commit.states or commit.created or commit.timers or commit.cancelled)


def test_setting_one_of_the_same_name_replaces_it(bench: AlarmBench) -> None:
    bench.run(("set_once", "x", "first"))
    bench.now_ms += 1_000
    bench.run(("set_once", "x", "second"), ("set_once", "x", "third"))
    assert bench.timers == 1
    bench.after(MINUTE_MS - 1_000)
    assert bench.rung() == []
    bench.after(1_000)
    assert bench.rung() == ["third"]


def test_a_replaced_and_then_cancelled_one_has_no_timer(bench: AlarmBench) -> None:
    bench.run(("set_once", "x", "first"))
    bench.run(("set_once", "x", "second"), ("cancel", "x"))
    assert (bench.reminders(), bench.timers) == ({}, 0)


@pytest.mark.hazard(102)
def test_after_a_standstill_it_runs_once_and_goes_on_in_its_old_rhythm(bench: AlarmBench) -> None:
    begin_ms = bench.now_ms
    bench.run(("set_every", "x"))
    bench.after(10 * MINUTE_MS + 7)
    assert bench.rung() == ["x"]
    assert bench.reminders() == {"x": begin_ms + 11 * MINUTE_MS}
    bench.after(MINUTE_MS - 7)
    assert bench.rung() == ["x", "x"]


@pytest.mark.hazard(102)
def test_a_clock_that_is_set_back_fires_no_occurrence_twice(bench: AlarmBench) -> None:
    begin_ms = bench.now_ms
    bench.run(("set_every", "x"))
    bench.after(MINUTE_MS)
    bench.now_ms += MINUTE_MS
    bench.fire(bench.partition)
    bench.now_ms = begin_ms + 10  # before it was set, and the second firing is in the inbox
    bench.go()
    assert bench.reminders() == {"x": begin_ms + 3 * MINUTE_MS}


@pytest.mark.hazard(100)
def test_a_failing_run_does_not_end_the_rhythm(bench: AlarmBench) -> None:
    bench.run(("set_every", "x", "fail"))
    for count in (1, 2, 3):
        bench.after(MINUTE_MS)
        assert bench.rung() == []
        assert list(bench.reminders()) == ["x"]
        assert len(bench.letters) == count
    message = decode_message(bench.letters[0].envelope)
    assert (type(message).__name__, message.operation, message.args) == ("Message", "fail", ["x"])


@pytest.mark.hazard(100)
def test_nor_does_an_operation_that_is_gone(bench: AlarmBench) -> None:
    bench.run(("set_every", "x"))
    record = decode_record(bench.store.records[A])
    old = record.more["r"]["x"]
    unknown = encode_message(A, "removed", ["x"], b"id")
    bench.store.records[A] = pack([2, None, 1, None, {"r": {"x": [*old[:3], unknown]}}])
    bench.begin_anew()
    bench.after(MINUTE_MS)
    assert bench.letters[0].failure.kind == "unknown_operation"
    assert list(bench.reminders()) == ["x"]


@pytest.mark.hazard(100)
def test_what_a_successful_operation_says_of_its_own_reminder_wins(bench: AlarmBench) -> None:
    bench.run(("set_every", "x", "ring_once_more"))
    bench.after(MINUTE_MS)
    assert bench.reminders() == {"x": bench.now_ms + 1_000}
    bench.after(1_000)
    assert (bench.rung(), bench.reminders()) == (["x", "more"], {})


def test_in_its_own_run_a_reminder_has_gone_on_already(bench: AlarmBench) -> None:
    bench.run(("set_every", "x", "ring_and_look"), ("set_every", "y", "ring_and_look", 90))
    bench.after(MINUTE_MS)
    assert bench.rung() == ["x", "x", "y", "True"]
    assert list(bench.reminders()) == ["y"]
    bench.run(("delete",))
    bench.run(("set_once", "z"))
    bench.after(MINUTE_MS)
    assert bench.rung() == [""]


def test_an_asynchronous_operation_runs_as_one(bench: AlarmBench) -> None:
    bench.run(("set_every", "x", "ring_slowly"))
    bench.after(MINUTE_MS)
    bench.after(MINUTE_MS)
    assert bench.rung() == ["x", "x"]
    assert list(bench.reminders()) == ["x"]


@pytest.mark.hazard(100)
@pytest.mark.parametrize("operation", ["ring", "ring_slowly"])
def test_one_that_killed_its_workers_is_buried_as_itself_and_goes_on(bench: AlarmBench, operation: str) -> None:
    bench.run(("set_every", "x", operation))
    bench.now_ms += MINUTE_MS
    bench.fire(bench.partition)
    bench.deliver(bench.partition)
    activation = bench.partition.activations[A]
    bench.partition.bury_next(activation, Failure("poison", "PoisonMessage", "3 workers"), 3)
    bench.commit(bench.partition)
    assert decode_message(bench.letters[0].envelope).operation == operation
    assert bench.reminders() == {"x": bench.now_ms + MINUTE_MS}
    assert bench.timers == 1


@pytest.mark.hazard(99)
def test_what_only_pretends_to_be_a_firing_is_none(bench: AlarmBench) -> None:
    """A client's message of that name is an operation that does not exist; a letter that is sent again runs as a signal."""
    bench.run(("set_every", "x", "fail"))
    generation = decode_record(bench.store.records[A]).more["r"]["x"][0]
    bench.put_raw(encode_message(A, "!reminder", ["x", generation], b"id"))
    bench.go()
    kinds = [letter.failure.kind for letter in bench.letters]
    assert kinds == ["unknown_operation"]
    bench.put_raw(encode_message(F, "!reminder", ["x", generation], b"id"))
    bench.go()
    assert [letter.failure.kind for letter in bench.letters] == ["unknown_operation", "unknown_operation"]
    bench.after(MINUTE_MS)
    bench.run(("cancel", "x"))
    bench.put_raw(bench.letters[-1].envelope)
    bench.go()
    assert [letter.failure.kind for letter in bench.letters][-1:] == ["operation"]


@pytest.mark.hazard(101)
def test_delete_drops_those_that_were_set_before_it_and_not_after(bench: AlarmBench) -> None:
    bench.run(("set_once", "x"), ("delete_around",))
    assert list(bench.reminders()) == ["after"]
    assert bench.timers == 1
    bench.run(("delete",))
    assert (bench.store.records, bench.timers) == ({}, 0)


@pytest.mark.hazard(101)
def test_an_entity_that_does_not_exist_may_have_reminders(bench: AlarmBench) -> None:
    commit = bench.run(("set_once", "x", "hello"))
    assert commit is not None
    assert decode_record(bench.store.records[A]).packed_state is None
    bench.begin_anew()
    bench.after(MINUTE_MS)
    assert bench.rung() == ["hello"]
    bench.run(("set_once", "x"), ("delete",))
    assert bench.store.records == {}


def test_a_function_entity_has_them_too(bench: AlarmBench) -> None:
    bench.run(("set",), target=F)
    bench.after(MINUTE_MS)
    assert bench.rung(F) == ["('f',) {'loud': True} True"]
    for way in ("delete", "empty"):
        bench.run(("set",), target=F)
        bench.run((way,), target=F)
        assert (bench.store.records, bench.timers) == ({}, 0)


@pytest.mark.hazard(78)
def test_an_inherited_operation_may_be_named_by_its_base_class(bench: AlarmBench) -> None:
    bench.run(("set_by_base",))
    bench.after(MINUTE_MS)
    assert bench.rung() == ["by base"]


def test_a_forgotten_last_call_fails_the_operation(bench: AlarmBench) -> None:
    bench.run(("forget_the_last_call",))
    assert "say what is to run then" in bench.letters[0].failure.message
    assert bench.letters[0].failure.type == "stead.transport.InvalidInput"
    assert (bench.store.records, bench.timers) == ({}, 0)


def test_there_are_so_many_and_no_more() -> None:
    bench = AlarmBench(reminders_max=3)
    bench.run(("set_many", 3))
    bench.run(("set_many", 3))  # they are replaced
    assert bench.letters == []
    bench.run(("set_many", 4))
    assert "STEAD_REMINDERS_MAX is 3" in bench.letters[0].failure.message
    assert len(bench.reminders()) == 3


def test_and_so_large_and_no_larger() -> None:
    bench = AlarmBench(payload_bytes_max=2_000)
    bench.run(("set_large", 1_990))
    assert bench.letters[0].failure.type.endswith(PayloadTooLarge.__name__)
    bench.run(("set_many", 40))  # each is small
    assert bench.letters[1].failure.type.endswith(PayloadTooLarge.__name__)
    assert bench.reminders() == {}


@pytest.mark.hazard(101)
def test_a_lock_and_a_park_treat_a_firing_as_any_message() -> None:
    bench = AlarmBench(mailbox_length_max=2)
    bench.run(("set_every", "x"))
    task = TaskAddress("flow", "execution", 1)
    bench.put(A, b"lock", [A], 0, operation=LOCK, task=task)
    bench.go()
    for _ in range(3):
        bench.after(MINUTE_MS)
    assert len(bench.store.inbox.entries) == 1, "one firing is outstanding"
    for _ in range(4):
        bench.put(A, "y", operation="ring")
    bench.deliver(bench.partition)
    bench.park(bench.partition)
    assert bench.rung() == []
    bench.put(A, b"lock", [A], 0, True, operation=RELEASE)
    bench.go()
    bench.refill(bench.partition)
    bench.go()
    assert bench.rung() == ["x", "y", "y", "y", "y"]


@pytest.mark.hazard(26)
def test_a_record_of_a_later_version_waits(bench: AlarmBench) -> None:
    later: list[list[Any]] = [[3, None, 1], [2, None, 1, None, {"later": 1}]]
    for record in later:
        with pytest.raises(UnknownEnvelope):
            decode_record(pack(record))
    broken: list[list[Any]] = [[2, None, 1], [2, None, 1, None, []]]
    for record in broken:
        with pytest.raises(InvalidInput):
            decode_record(pack(record))
    nonsense: list[Any] = [{"x": []}, {1: [b"", 1, None, b""]}, [], {"x": [b"", 1, ["monthly"], b""]}]
    for reminders in nonsense:
        bench.store.records[A] = pack([2, None, 1, None, {"r": reminders}])
        bench.begin_anew()
        bench.run(("ring",))
        assert A in bench.store.blocked


REFUSED: list[Callable[[Any, Any], object]] = [
    lambda c, alarm: c.reminder("x"),
    lambda c, alarm: c.reminder("x", after=MINUTE, at=datetime.now(UTC)),
    lambda c, alarm: c.reminder("x", every=timedelta(milliseconds=999)),
    lambda c, alarm: c.reminder("x", cron="0 9 * * *", every=MINUTE),
    lambda c, alarm: c.reminder("x", cron="0 0 30 2 *"),
    lambda c, alarm: c.reminder("x", cron=5),
    lambda c, alarm: c.reminder("x", cron="0 9 * * *", timezone="Europe/Atlantis"),
    lambda c, alarm: c.reminder("x", after=MINUTE, timezone="Europe/Oslo"),
    lambda c, alarm: c.reminder("x", at=datetime(2026, 1, 1)),
    lambda c, alarm: c.reminder("", after=MINUTE),
    lambda c, alarm: c.reminder(5, after=MINUTE),
    lambda c, alarm: c.reminder("x", after=MINUTE).signal(Stranger.ring),
    lambda c, alarm: c.reminder("x", after=MINUTE).signal(alarm.ring),
    lambda c, alarm: c.reminder("x", after=MINUTE).signal(Alarm.ring, 5),
    lambda c, alarm: c.reminder("x", after=MINUTE).signal("!lock"),
]


@pytest.mark.parametrize("attempt", REFUSED)
def test_what_cannot_be_said_is_refused_at_the_call(bench: AlarmBench, attempt: Callable[[Any, Any], object]) -> None:
    attempts[:] = [attempt]
    bench.run(("attempt",))
    assert bench.rung() == []
    assert bench.letters[0].failure.type == "stead.transport.InvalidInput"
    assert bench.letters[0].failure.message.count("set nothing") == 0
