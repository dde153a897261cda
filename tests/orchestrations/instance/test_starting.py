"""Starts: reservations, IDs that are taken, batches of start and termination, versions that nobody serves."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrations.instance.test_kind import hello, patient
from stead.entities.extending import (
    Failure,
    ReplyAddress,
    TaskAddress,
    UnknownEnvelope,
    decode_message,
    encode_message,
    message_extras,
)
from stead.orchestrations._execution.context import OrchestrationContext
from stead.orchestrations._history.errors import SubOrchestrationFailed
from stead.orchestrations._history.record import (
    Awaited,
    InstanceRecord,
    RuntimeStatus,
    decode_instance_record,
    encode_instance_record,
)
from stead.transport import InvalidInput, Reuse, pack, unpack
from support.kind_bench import CALLER, KindHub
from support.kind_modes import Make


def test_records_survive_the_store() -> None:
    record = InstanceRecord(
        RuntimeStatus.SUSPENDED, "flow", "1.0", "e", 1, 2, b"id", custom_status={"a": [1]}, tags={"a": "b"},
        parent=TaskAddress("p", "e", 3), waiters=[ReplyAddress(0, "c", 1)], former=["d"],
        awaited=[Awaited("Stop", 5)],
    )  # fmt: skip
    data = encode_instance_record(record)
    assert data[0] == 7 and decode_instance_record(data) == record
    stored = unpack(data[1:])
    assert (stored[15], stored[16], stored[20]) == (["p", "e", 3], [[0, "c", 1]], [["Stop", 5]])
    damaged: list[tuple[int, Any]] = [
        (15, ["p"]),
        (16, [[0, "c"]]),
        (16, [["c", 0, 1]]),
        (16, {}),
        (20, [["Stop"]]),
        (20, [[5, "Stop"]]),
    ]
    for place, wrong in damaged:
        with pytest.raises(InvalidInput):
            decode_instance_record(data[:1] + pack([*stored[:place], wrong, *stored[place + 1 :]]))
    with pytest.raises(UnknownEnvelope):
        decode_instance_record(
            data[:3] + b"\x03" + data[4:] if data[3:4] == b"\x01" else b"\x00\x96\x03\x00\x00\x00\x00\x00"
        )
    for garbage in (b"", b"\x09\x90", b"\x00\xc0", b"\x00\x90", b"\x00"):
        with pytest.raises(InvalidInput):
            decode_instance_record(garbage)


def test_the_reservation_goes_with_the_start(make: Make) -> None:
    hub = make(patient)
    hub.start("patient")
    assert hub.reserved
    hub.run()
    assert not hub.reserved and hub.status() == "Running"


def test_start_and_terminate_of_a_reused_id_in_one_batch(make: Make) -> None:
    # Durable Functions #1380
    hub = make(patient, hello)
    hub.start("hello", [])
    hub.run()
    assert hub.status() == "Completed"
    hub.start("patient")
    hub.send("one", "event", "go", 1)
    hub.send("one", "terminate", "enough", True)
    hub.run()
    assert (hub.status(), hub.record().name) == ("Terminated", "patient")
    hub.start("patient")
    hub.send("one", "event", "go", 1)
    hub.send("one", "event", "go", 2)
    hub.run()
    assert hub.output() == [1, 2]


def test_an_id_that_is_taken_is_refused(make: Make) -> None:
    hub = make(patient)
    hub.start("patient")
    hub.start("patient", parent=TaskAddress("boss", "e", 4))
    hub.run()
    assert hub.status() == "Running" and not hub.dead and not hub.reserved
    hub.start("patient")
    hub.run()
    assert len(hub.dead) == 1


def test_a_start_that_nobody_waits_for_collides(make: Make) -> None:
    async def starter(context: OrchestrationContext) -> None:
        context.start_new("patient", instance_id="one")

    hub = make(patient, starter)
    hub.start("starter", instance_id="two")
    hub.start("starter", instance_id="three")
    hub.run()
    assert hub.status("two") == hub.status("three") == "Completed"
    assert hub.status() == "Running" and len(hub.dead) == 1 and not hub.reserved


def test_what_was_taken_is_not_purged_with_who_wanted_it(make: Make) -> None:
    async def boss(context: OrchestrationContext) -> str:
        try:
            await context.call_sub_orchestrator("patient")
        except SubOrchestrationFailed as error:
            return error.error_type
        return "it was started"

    hub = make(boss, patient)
    hub.start("boss")
    hub._receive()
    hub.kind.run(hub.activation("one"), hub.effects, hub.slice)
    commit = hub.build()
    child = commit.starts[0].target
    hub.start("patient", instance_id=child)  # somebody else was faster
    hub.run()
    hub._apply(commit)
    hub.run()
    assert str(hub.output()).endswith("InstanceExists")
    hub.send(child, "terminate", "", False)
    hub.send("one", "purge", True)
    hub.run()
    assert set(hub.states) == {child}


def test_nothing_is_blocked_that_was_terminated_unserved() -> None:
    hub = KindHub(forgetful=True)
    hub.start("patient")
    hub.run()
    assert "one" in hub.blocked
    hub.send("one", "terminate", "", True)
    hub.run()
    assert not hub.blocked


def test_nothing_is_blocked_that_was_terminated_in_the_commit_that_blocked_it() -> None:
    hub = KindHub()
    hub.start("patient")
    hub.send("one", "terminate", "", True)
    hub.run()
    assert hub.status() == "Terminated" and not hub.blocked


def test_a_parent_hears_of_a_collision(make: Make) -> None:
    async def boss(context: OrchestrationContext) -> object:
        return await context.call_sub_orchestrator("boss")

    hub = make(boss, patient)
    hub.start("patient", instance_id="a:b")
    hub.run()
    address = TaskAddress("one", "e", 1)
    hub.start("patient", instance_id="a:b", parent=address)
    hub._receive()
    hub.kind.run(hub.activation("a:b"), hub.effects, hub.slice)
    commit = hub.build()
    ((_, envelope),) = commit.sends
    message = decode_message(envelope)
    assert (message.target, list(message.args)[:3]) == ("one", ["e", 1, False])


def test_always_replaces_what_runs(make: Make) -> None:
    hub = make(patient, hello)
    hub.start("patient", parent=TaskAddress("boss", "e", 4))
    hub.run()
    first = hub.record().execution_id
    hub.send("one", "wait", reply_to=CALLER)
    hub.start("patient", reuse=Reuse.ALWAYS)
    hub.run()
    assert hub.status() == "Running" and hub.record().execution_id != first
    assert decode_instance_record(hub.replies[0][1]).status == "Terminated"
    assert hub.names() == ["ExecutionStarted"]


def test_never_does_not_even_replace_what_is_finished(make: Make) -> None:
    hub = make(hello)
    hub.start("hello", [])
    hub.start("hello", [], reuse=Reuse.NEVER)
    hub.run()
    assert len(hub.dead) == 1


def test_a_scheduled_start_waits_for_its_time(make: Make) -> None:
    async def clock(context: OrchestrationContext) -> str:
        return context.now.isoformat()

    hub = make(clock)
    hub.start("clock", at_ms=hub.now_ms + 60_000)
    hub.advance(59_999)
    assert hub.status() == "Pending"
    hub.advance(1)
    assert hub.output() == "2026-01-01T00:01:00+00:00" and not hub.timers


def test_a_time_that_has_come_has_come_although_the_clock_goes_back() -> None:
    hub = KindHub()
    hub.start("patient", at_ms=hub.now_ms + 10_000)
    hub.advance(10_001)
    assert "one" in hub.blocked and not hub.timers  # it was time, and nobody served it
    hub.now_ms -= 60_000
    hub.register(patient)
    hub.crash().run()
    assert hub.status() == "Running" and not hub.blocked


def test_an_instance_that_nobody_serves_waits_and_can_be_managed(make: Make) -> None:
    hub = make()
    for instance_id in ("one", "two", "three"):
        hub.start("patient", instance_id=instance_id)
        hub.send(instance_id, "event", "go", 1)
    hub.send("two", "terminate", "enough", True)
    hub.send("three", "suspend", "")
    hub.run()
    assert (hub.status("one"), hub.status("two"), hub.status("three")) == ("Pending", "Terminated", "Suspended")
    assert set(hub.blocked) == {"one", "three"} and "patient" in hub.blocked["one"]
    assert hub.effects.lacks == dict.fromkeys(("one", "three"), "orchestration/patient")
    hub.register(patient)
    hub.crash().run()
    assert hub.status("one") == "Running" and hub.status("three") == "Suspended"
    hub.send("one", "event", "go", 2)
    hub.send("three", "resume", "")
    hub.send("three", "event", "go", 2)
    hub.run()
    assert hub.output("one") == hub.output("three") == [1, 2]
    assert not hub.blocked


def test_a_version_that_nobody_serves(make: Make) -> None:
    hub = make(patient)
    hub.start("patient", version="2")
    hub.run()
    assert hub.status() == "Pending" and [*hub.effects.lacks.values()] == ["orchestration/patient@2"]
    hub.register(patient, version="2")
    hub.crash().run()
    assert hub.status() == "Running" and not hub.blocked


def test_nothing_is_lacking_once_who_waited_for_it_has_ended(make: Make) -> None:
    """Else the hub would say for ever that messages wait for what no worker knows."""
    hub = make(patient)
    for instance_id in ("one", "two"):
        hub.start("patient", instance_id=instance_id, version="2")
    hub.run()
    hub.send("one", "terminate", "enough", True)
    hub.run()
    assert hub.effects.lacks == {"two": "orchestration/patient@2"}
    hub.send("two", "terminate", "enough", True)
    hub.run()
    assert not hub.effects.lacks and not hub.blocked


def test_continuing_as_a_version_that_nobody_serves(make: Make) -> None:
    async def moves(context: OrchestrationContext) -> str:
        if context.version != "2":
            await context.wait_for_external_event("go")
            context.continue_as_new(None, version="2")
        return context.version or ""

    hub = make(moves)
    hub.start("moves")
    hub.send("one", "event", "go", 1)
    hub.run()
    assert hub.status() == "Pending" and "one" in hub.blocked
    hub.register(moves, version="2")
    hub.crash().run()
    assert hub.output() == "2" and not hub.blocked


# -- a start that says who waits -------------------------------------------------------------------------------------------

FIRST, SECOND = ReplyAddress(0, "first", 7), ReplyAddress(1, "second", 8)


async def at_once(context: OrchestrationContext) -> str:
    return "done"


async def in_two(context: OrchestrationContext, number: int) -> int:
    if number:
        context.continue_as_new(number - 1)
    return number


def told(hub: KindHub) -> list[tuple[int, str, object]]:
    """Who was told what, in order."""
    answers = [(call_id, decode_instance_record(packed)) for call_id, packed in hub.replies]
    return [(call_id, str(record.status), record.output) for call_id, record in answers]


def test_who_waits_is_told_of_the_end(make: Make) -> None:
    hub = make(patient, at_once, in_two)
    hub.start("at_once", waiter=FIRST)
    hub.run()
    assert told(hub) == [(7, "Completed", "done")]
    hub.start("in_two", 3, waiter=SECOND)
    hub.run()
    assert told(hub)[1:] == [(8, "Completed", 0)]
    hub.start("patient", instance_id="two", waiter=FIRST)
    hub.run()
    assert len(hub.replies) == 2
    assert hub.record("two").waiters == [FIRST]
    hub.send("two", "wait", reply_to=FIRST)  # as whoever does not know that it was heard
    hub.send("two", "wait", reply_to=SECOND)
    hub.send("two", "event", "go", 1)
    hub.send("two", "event", "go", 2)
    hub.run()
    assert told(hub)[2:] == [(7, "Completed", [1, 2]), (8, "Completed", [1, 2])]
    assert not hub.record("two").waiters and not hub.dead


def test_who_waits_for_one_that_is_replaced_is_told_of_its_end(make: Make) -> None:
    hub = make(patient, at_once)
    hub.start("patient", waiter=FIRST)
    hub.run()
    hub.start("at_once", reuse=Reuse.ALWAYS, waiter=SECOND)
    hub.run()
    assert told(hub) == [(7, "Terminated", "replaced by a new start"), (8, "Completed", "done")]


def test_who_waits_for_one_whose_id_was_taken_is_told_of_what_has_it(make: Make) -> None:
    """As if it had asked, which is what it did before; the start itself is a dead letter all the same."""
    hub = make(patient, at_once)
    hub.start("patient")
    hub.start("at_once", waiter=FIRST)
    hub.run()
    assert not hub.replies and len(hub.dead) == 1
    hub.send("one", "terminate", "enough", True)
    hub.run()
    assert told(hub) == [(7, "Terminated", "enough")]
    hub.start("at_once", reuse=Reuse.NEVER, waiter=SECOND)
    hub.run()
    assert told(hub)[1:] == [(8, "Terminated", "enough")] and len(hub.dead) == 2


def test_who_waits_for_a_scheduled_one_is_told_of_its_end(make: Make) -> None:
    hub = make(at_once)
    hub.start("at_once", at_ms=hub.now_ms + 1_000, waiter=FIRST)
    hub.run()
    assert not hub.replies
    hub.send("one", "terminate", "enough", True)
    hub.run()
    assert told(hub) == [(7, "Terminated", "enough")]


def test_who_waits_for_one_whose_start_is_poison_is_told_that_it_failed() -> None:
    hub = KindHub(at_once)
    hub.start("at_once", waiter=FIRST)
    hub._receive()
    activation = hub.activation("one")
    pending = activation.mailbox.popleft()
    hub.kind.poisoned(activation, pending, Failure("poison", "PoisonMessage", "3 workers"), hub.effects)
    hub.commit()
    assert [(call_id, status) for call_id, status, _ in told(hub)] == [(7, "Failed")]


def test_a_start_that_is_none_is_a_dead_letter_although_somebody_waits(make: Make) -> None:
    """A call would be answered, and nothing kept of it."""
    hub = make(at_once)
    hub._enter(encode_message("one", "start", ["at_once"], b"id", message_extras(waiter=FIRST)))
    hub.run()
    assert not hub.replies and len(hub.dead) == 1


@pytest.mark.parametrize(
    "garbage",
    [
        {"waiters": [[0, "c"]]},
        {"waiters": [["0", "c", 1]]},
        {"waiters": [[0, 7, 1]]},
        {"waiters": [[]]},
        {"parent": TaskAddress(1, "e", 3)},  # type: ignore[arg-type]
        {"parent": TaskAddress("p", None, 3)},  # type: ignore[arg-type]
        {"parent": TaskAddress("p", "e", "3")},  # type: ignore[arg-type]
    ],
    ids=repr,
)
def test_a_record_with_addresses_that_are_none_is_refused_whole(garbage: Any) -> None:
    """Answers go to them with the commits of others."""
    record = InstanceRecord(RuntimeStatus.SUSPENDED, "flow", "1.0", "e", 1, 2, b"id", **garbage)
    with pytest.raises(InvalidInput):
        decode_instance_record(encode_instance_record(record))
