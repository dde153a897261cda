"""What only instances have: logs, tasks, timers and starts, between two commits."""

from __future__ import annotations

from typing import Any

import pytest

from stead.entities._message.envelope import (
    Failure,
    Message,
    TaskAddress,
    decode_message,
    encode_message,
    message_extras,
)
from stead.entities._partition.activation import Activation
from stead.entities._partition.effects import Effects
from stead.entities._partition.pending import Pending
from stead.entities._partition.slice import Slice
from stead.transport import Commit, InvalidInput, LogWrite, PayloadTooLarge, Settings, Task, partition_of
from support.core_bench import ListKind, built

INSTANCE = "an instance"
ADDRESS = TaskAddress(INSTANCE, "execution", 3)


def make_effects(**settings: Any) -> Effects:
    return Effects(16, Settings(**settings), lambda: 1_000, b"nonce")


def make_slice(**settings: Any) -> tuple[Effects, Slice]:
    effects = make_effects(**settings)
    return effects, Slice(effects, Settings(**settings), lambda: 0.0)


def activation(target: str = INSTANCE) -> Activation:
    made = Activation(target)
    made.kind = ListKind()
    made.body = [1]
    return made


def build(effects: Effects) -> Commit:
    return built(effects)[0]


def task(number: int) -> Task:
    return Task(b"%d" % number, "", shared=False, payload=b"payload")


# -- logs ----------------------------------------------------------------------------------------------------------------


def test_events_of_several_turns_are_one_write_and_the_record_goes_along() -> None:
    effects = make_effects()
    instance = activation()
    effects.append(instance, [b"1", b"2"])
    effects.append(instance, [b"3"])
    commit, written = built(effects, instance)
    assert commit.logs == [LogWrite(INSTANCE, [b"1", b"2", b"3"])]
    assert [target for target, _ in commit.states] == [INSTANCE]
    assert written == [instance]
    assert not build(effects).logs


def test_a_log_that_begins_anew_forgets_what_was_added_before() -> None:
    effects = make_effects()
    effects.append(activation(), [b"old"])
    effects.append(activation(), [b"new"], reset=True)
    effects.append(activation(), [b"newer"])
    assert build(effects).logs == [LogWrite(INSTANCE, [b"new", b"newer"], reset=True)]


# -- tasks ---------------------------------------------------------------------------------------------------------------


def test_a_task_that_is_dropped_before_the_commit_was_never_there() -> None:
    effects = make_effects()
    effects.schedule_task(activation(), task(1))
    effects.schedule_task(activation(), task(2))
    effects.drop_task(b"1")
    effects.drop_task(b"0")
    commit = build(effects)
    assert (commit.tasks, commit.dropped) == ([task(2)], [b"0"])


# -- timers --------------------------------------------------------------------------------------------------------------


def test_a_timer_is_a_message_for_its_target() -> None:
    effects = make_effects()
    effects.set_timer(b"id", 5_000, INSTANCE, "timer", ["execution", 1, 5_000])
    [timer] = build(effects).timers
    assert (timer.timer_id, timer.due_ms) == (b"id", 5_000)
    message = decode_message(timer.payload)
    assert (message.target, message.operation, message.args) == (INSTANCE, "timer", ["execution", 1, 5_000])


@pytest.mark.parametrize(
    ("steps", "timers", "cancelled"),
    [
        ("s", 1, 0),
        ("sc", 0, 0),
        ("c", 0, 1),
        ("cs", 1, 0),
        ("csc", 0, 1),
        ("cscs", 1, 0),
        ("scs", 1, 0),
        ("ss", 1, 0),
    ],
)
def test_setting_and_cancelling_a_timer_in_any_order(steps: str, timers: int, cancelled: int) -> None:
    effects = make_effects()
    for step in steps:
        if step == "s":
            effects.set_timer(b"id", 5_000, INSTANCE, "timer", [])
        else:
            effects.cancel_timer(b"id")
    commit = build(effects)
    assert (len(commit.timers), len(commit.cancelled)) == (timers, cancelled)


# -- starts and answers --------------------------------------------------------------------------------------------------


def test_a_start_goes_where_its_instance_lives() -> None:
    effects = make_effects()
    effects.send_start(INSTANCE, b"envelope", b"message")
    effects.started("other", b"its start")
    commit = build(effects)
    [start] = commit.starts
    assert (start.partition, start.target, start.message_id) == (partition_of(INSTANCE, 16), INSTANCE, b"message")
    assert commit.started == [("other", b"its start")]


def test_an_orchestration_is_answered_by_a_message() -> None:
    effects = make_effects()
    effects.answer_task(ADDRESS, True, {"a": 1})
    [(partition, envelope)] = build(effects).sends
    assert partition == partition_of(INSTANCE, 16)
    message = decode_message(envelope)
    assert (message.target, message.operation, message.args) == (INSTANCE, "task", ["execution", 3, True, {"a": 1}])
    assert not message.express


def test_an_answer_that_is_too_large_or_cannot_be_stored_is_refused() -> None:
    effects = make_effects(payload_bytes_max=2_000)
    with pytest.raises(PayloadTooLarge):
        effects.answer_task(ADDRESS, True, "x" * 3_000)
    with pytest.raises(InvalidInput):
        effects.answer_task(ADDRESS, True, object())
    assert effects.empty


def test_the_failure_of_a_call_reaches_the_orchestration_and_not_the_dead_letters() -> None:
    effects = make_effects()
    envelope = encode_message("@list@a", "add", [], b"id", message_extras(task=ADDRESS))
    failure = Failure("unknown_operation", "UnknownOperation", "no")
    effects.fail(Pending(b"1-0", envelope, decode_message(envelope), False), failure)
    commit = build(effects)
    assert decode_message(commit.sends[0][1]).args == ["execution", 3, False, failure.as_map()]
    assert commit.dead == []


def test_a_message_keeps_its_address_and_lock() -> None:
    envelope = encode_message("@list@a", "add", [], b"id", message_extras(task=ADDRESS, lock=b"lock"))
    message = decode_message(envelope)
    assert (message.task, message.lock) == (ADDRESS, b"lock")


@pytest.mark.parametrize("extras", [{"o": ["a", 1, 1]}, {"o": "a"}, {"l": "text"}])
def test_an_envelope_with_a_wrong_address_or_lock_is_refused(extras: dict[str, object]) -> None:
    with pytest.raises(InvalidInput):
        decode_message(encode_message("@list@a", "add", [], b"id", extras))


# -- limits --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["events", "tasks", "timers", "dropped", "cancelled", "starts"])
def test_everything_counts_towards_the_length_of_a_commit(what: str) -> None:
    effects, time = make_slice(batch_length_max=5)
    instance = activation()
    for number in range(5):
        assert not time.full
        match what:
            case "events":
                effects.append(instance, [b"event"])
            case "tasks":
                effects.schedule_task(instance, task(number))
            case "timers":
                effects.set_timer(b"%d" % number, 1, INSTANCE, "timer", [])
            case "dropped":
                effects.drop_task(b"%d" % number)
            case "cancelled":
                effects.cancel_timer(b"%d" % number)
            case _:
                effects.send_start(INSTANCE, b"", b"")
        assert not effects.empty
    assert time.full
    build(effects)
    assert effects.empty
    assert not time.full


def test_bytes_of_events_and_tasks_count() -> None:
    effects, time = make_slice(batch_bytes_max=2_000)
    effects.append(activation(), [b"x" * 1_000])
    assert not time.full
    effects.schedule_task(activation(), Task(b"1", "", shared=False, payload=b"x" * 1_000))
    assert time.full


def test_what_comes_of_a_local_message_is_committed() -> None:
    effects = make_effects()
    local = Pending(b"", b"", Message(INSTANCE, "task", [], b"", None, None, None, None, None), False)
    effects.consume(activation(), local)
    assert effects.empty
    effects.answer_task(ADDRESS, True, None)
    assert not effects.empty
    assert build(effects).consumed == []
