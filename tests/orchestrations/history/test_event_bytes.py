"""The bytes of every type of event, with all of its fields and without those that came later, as they were written before
events had classes. Whatever changes here is in the logs of users: none of it may change."""

from __future__ import annotations

from typing import Any

import pytest

from stead.entities import InvalidInput
from stead.orchestrations._history.event_codec import decode_event, encode_event, event_with
from stead.orchestrations._history.event_table import BY_NAME, FORMS, fields_of, shown_fields
from stead.orchestrations._history.events import (
    EventRaised,
    ExecutionCompleted,
    ExecutionRewound,
    ExecutionStarted,
    TaskScheduled,
    TimerCreated,
)
from stead.transport import pack, pack_envelope, unpack

AT_MS = 1_767_225_600_000
VALUES: dict[str, Any] = {
    "name": "order",
    "version": "2",
    "input": {"n": 1},
    "execution_id": "e" * 32,
    "parent": ["p", "x" * 32, 3],
    "tags": {"t": "1"},
    "scheduled_ms": 1_767_225_600_500,
    "children": ["i:1", "i:2"],
    "running_children": ["i:2"],
    "closing": {"i:2": "cancel"},
    "trace": ["00-" + "a" * 32 + "-" + "b" * 16 + "-01", "v=1"],
    "parent_close": "cancel",
    "timeout_ms": 60_000,
    "heartbeat_ms": 5_000,
    "details": [1],
    "limit": "order:shop",
    "priority": 7,
    "await_cleanup": True,
    "fresh": True,
    "update_id": "75",
    "waiter": [1, "c", 2],
    "ok": True,
    "value": 5,
    "status": 3,
    "result": [1, None],
    "failure": {"type": "ValueError", "message": "m", "traceback": "", "cause": None},
    "ran_out": 4,
    "reason": "why",
    "recursive": True,
    "args": [1, "a"],
    "kwargs": {"k": 2},
    "queue": "gpu",
    "attempt": 2,
    "instance_id": "other",
    "fire_at_ms": 1_767_225_601_000,
    "purpose": "retry of f",
    "asked": 1_767_225_600_900,
    "encoded_twice": True,
    "at_ms": 1_767_225_602_000,
    "entity_id": "@counter@a",
    "operation": "add",
    "due_ms": 1_767_225_603_000,
    "delay_ms": 50,
    "lock": b"lock.1",
    "entity_ids": ["@a@1", "@b@2"],
    "granted": True,
    "events": 2,
}

# The event's name, how many of its fields it has, its bytes. Its time is that above and its number; its task ID is the
# number modulo 3.
STORED: list[tuple[str, int, str]] = [
    (
        "ExecutionStarted",
        7,
        (
            "9a00cf0000019b76daa80000a56f72646572a13281a16e01d92065656565656565656565656565656565656565656565"
            "6565656565656565656593a170d920787878787878787878787878787878787878787878787878787878787878787803"
            "81a174a131cf0000019b76daa9f4"
        ),
    ),
    (
        "ExecutionStarted",
        9,
        (
            "9c00cf0000019b76daa80000a56f72646572a13281a16e01d92065656565656565656565656565656565656565656565"
            "6565656565656565656593a170d920787878787878787878787878787878787878787878787878787878787878787803"
            "81a174a131cf0000019b76daa9f492a3693a31a3693a3291a3693a32"
        ),
    ),
    (
        "ExecutionStarted",
        10,
        (
            "9d00cf0000019b76daa80000a56f72646572a13281a16e01d92065656565656565656565656565656565656565656565"
            "6565656565656565656593a170d920787878787878787878787878787878787878787878787878787878787878787803"
            "81a174a131cf0000019b76daa9f492a3693a31a3693a3291a3693a3281a3693a32a663616e63656c"
        ),
    ),
    (
        "ExecutionStarted",
        11,
        (
            "9e00cf0000019b76daa80000a56f72646572a13281a16e01d92065656565656565656565656565656565656565656565"
            "6565656565656565656593a170d920787878787878787878787878787878787878787878787878787878787878787803"
            "81a174a131cf0000019b76daa9f492a3693a31a3693a3291a3693a3281a3693a32a663616e63656c92d93730302d6161"
            "6161616161616161616161616161616161616161616161616161616161612d626262626262626262626262626262622d"
            "3031a3763d31"
        ),
    ),
    (
        "ExecutionCompleted",
        3,
        (
            "9601cf0000019b76daa80101039201c084a474797065aa56616c75654572726f72a76d657373616765a16da974726163"
            "656261636ba0a56361757365c0"
        ),
    ),
    (
        "ExecutionCompleted",
        4,
        (
            "9701cf0000019b76daa80101039201c084a474797065aa56616c75654572726f72a76d657373616765a16da974726163"
            "656261636ba0a56361757365c004"
        ),
    ),
    ("ExecutionTerminated", 2, "9502cf0000019b76daa80202a3776879c3"),
    ("ExecutionSuspended", 1, "9403cf0000019b76daa80300a3776879"),
    ("ExecutionResumed", 1, "9404cf0000019b76daa80401a3776879"),
    ("ExecutionRewound", 1, "9405cf0000019b76daa80502a3776879"),
    (
        "ExecutionRewound",
        2,
        "9505cf0000019b76daa80502a3776879d9206565656565656565656565656565656565656565656565656565656565656565",
    ),
    (
        "ExecutionRewound",
        4,
        (
            "9705cf0000019b76daa80502a3776879d920656565656565656565656565656565656565656565656565656565656565"
            "656592a3693a31a3693a3291a3693a32"
        ),
    ),
    (
        "ExecutionRewound",
        5,
        (
            "9805cf0000019b76daa80502a3776879d920656565656565656565656565656565656565656565656565656565656565"
            "656592a3693a31a3693a3291a3693a3281a3693a32a663616e63656c"
        ),
    ),
    (
        "ExecutionRewound",
        6,
        (
            "9905cf0000019b76daa80502a3776879d920656565656565656565656565656565656565656565656565656565656565"
            "656592a3693a31a3693a3291a3693a3281a3693a32a663616e63656cc3"
        ),
    ),
    ("TaskScheduled", 6, "9906cf0000019b76daa80600a56f726465729201a16181a16b02a367707581a174a13102"),
    (
        "TaskScheduled",
        9,
        "9c06cf0000019b76daa80600a56f726465729201a16181a16b02a367707581a174a13102cdea60cd13889101",
    ),
    (
        "TaskScheduled",
        10,
        (
            "9d06cf0000019b76daa80600a56f726465729201a16181a16b02a367707581a174a13102cdea60cd13889101aa6f7264"
            "65723a73686f70"
        ),
    ),
    (
        "TaskScheduled",
        11,
        (
            "9e06cf0000019b76daa80600a56f726465729201a16181a16b02a367707581a174a13102cdea60cd13889101aa6f7264"
            "65723a73686f7007"
        ),
    ),
    (
        "TaskScheduled",
        12,
        (
            "9f06cf0000019b76daa80600a56f726465729201a16181a16b02a367707581a174a13102cdea60cd13889101aa6f7264"
            "65723a73686f7007c3"
        ),
    ),
    ("TaskCompleted", 1, "9407cf0000019b76daa807019201c0"),
    (
        "TaskFailed",
        1,
        (
            "9408cf0000019b76daa8080284a474797065aa56616c75654572726f72a76d657373616765a16da97472616365626163"
            "6ba0a56361757365c0"
        ),
    ),
    ("SubOrchestrationInstanceCreated", 6, "9909cf0000019b76daa80900a56f72646572a132a56f7468657281a16e0181a174a13102"),
    (
        "SubOrchestrationInstanceCreated",
        7,
        "9a09cf0000019b76daa80900a56f72646572a132a56f7468657281a16e0181a174a13102a663616e63656c",
    ),
    ("SubOrchestrationInstanceCompleted", 1, "940acf0000019b76daa80a019201c0"),
    (
        "SubOrchestrationInstanceFailed",
        1,
        (
            "940bcf0000019b76daa80b0284a474797065aa56616c75654572726f72a76d657373616765a16da97472616365626163"
            "6ba0a56361757365c0"
        ),
    ),
    ("TimerCreated", 2, "950ccf0000019b76daa80c00cf0000019b76daabe8aa7265747279206f662066"),
    ("TimerCreated", 3, "960ccf0000019b76daa80c00cf0000019b76daabe8aa7265747279206f662066cf0000019b76daab84"),
    ("TimerFired", 1, "940dcf0000019b76daa80d01cf0000019b76daabe8"),
    ("EventSent", 3, "960ecf0000019b76daa80e02a56f74686572a56f7264657281a16e01"),
    ("EventRaised", 2, "950fcf0000019b76daa80f00a56f7264657281a16e01"),
    ("EventRaised", 3, "960fcf0000019b76daa80f00a56f7264657281a16e01c3"),
    (
        "OrchestrationInstanceStarted",
        6,
        "9910cf0000019b76daa81001a56f72646572a132a56f7468657281a16e01cf0000019b76daafd081a174a131",
    ),
    (
        "EntityOperationSignaled",
        6,
        "9911cf0000019b76daa81102aa40636f756e7465724061a36164649201a16181a16b02cf0000019b76dab3b832",
    ),
    (
        "EntityOperationCalled",
        5,
        "9812cf0000019b76daa81200aa40636f756e7465724061a36164649201a16181a16b02c4066c6f636b2e31",
    ),
    ("EntityOperationCompleted", 1, "9413cf0000019b76daa813019201c0"),
    (
        "EntityOperationFailed",
        1,
        (
            "9414cf0000019b76daa8140284a474797065aa56616c75654572726f72a76d657373616765a16da97472616365626163"
            "6ba0a56361757365c0"
        ),
    ),
    ("EntityLockRequested", 2, "9515cf0000019b76daa81500c4066c6f636b2e3192a440614031a440624032"),
    ("EntityLockGranted", 0, "9316cf0000019b76daa81601"),
    ("EntityUnlockSent", 3, "9617cf0000019b76daa81702c4066c6f636b2e3192a440614031a440624032c3"),
    ("Patched", 1, "9418cf0000019b76daa81800a56f72646572"),
    ("OrchestratorStarted", 1, "9419cf0000019b76daa8190102"),
    ("ExecutionCancelRequested", 1, "941acf0000019b76daa81a02a3776879"),
    ("UpdateAccepted", 5, "981bcf0000019b76daa81b00a23735a56f726465729201a16181a16b029301a16302"),
    ("UpdateCompleted", 3, "961ccf0000019b76daa81c01a23735c305"),
]


@pytest.mark.parametrize(("name", "length", "stored"), STORED, ids=lambda value: str(value)[:30])
def test_the_bytes_of_every_event_are_what_they_were(name: str, length: int, stored: str) -> None:
    form, data = BY_NAME[name], bytes.fromhex(stored)
    fields = {field: VALUES[field] for field in form.names[:length]}
    event = form.cls(AT_MS + form.number, form.number % 3, *fields.values())
    assert encode_event(event) == data
    assert event_with(event, pack(fields_of(event))) == data
    assert decode_event(data) == event
    assert type(decode_event(data)) is form.cls
    assert shown_fields(event) == fields


def test_there_are_bytes_of_every_type_and_of_every_length_that_was_written() -> None:
    lengths: dict[str, set[int]] = {}
    for name, length, _ in STORED:
        lengths.setdefault(name, set()).add(length)
    assert set(lengths) == set(BY_NAME)
    for form in FORMS:
        assert {form.written, len(form.names)} <= lengths[form.cls.__name__]


def test_what_an_older_worker_left_out_is_read_with_its_default() -> None:
    for cls, expected in [
        (ExecutionStarted, ExecutionStarted(1, 0, "f", None, 5, "e" * 32)),
        (ExecutionCompleted, ExecutionCompleted(1, 0, 3, None, None, None)),
        (ExecutionRewound, ExecutionRewound(1, 0, "why", None)),
        (TimerCreated, TimerCreated(1, 2, 9, "", None)),
        (EventRaised, EventRaised(1, 0, "go", 1, None)),
    ]:
        form = BY_NAME[cls.__name__]
        stored = (form.number, expected.at_ms, expected.task_id, *fields_of(expected)[: form.least])
        assert decode_event(pack_envelope(stored)) == expected


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.cls.__name__)
def test_what_a_newer_worker_has_added_is_left_out(form: Any) -> None:
    values = [VALUES[name] for name in form.names]
    longer = pack_envelope((form.number, 1, 2, *values, "colour", 7))
    assert decode_event(longer) == form.cls(1, 2, *values)


@pytest.mark.parametrize("form", [form for form in FORMS if form.least], ids=lambda form: form.cls.__name__)
def test_an_event_that_lacks_a_field_is_refused_by_its_name(form: Any) -> None:
    for length in range(form.least):
        short = pack_envelope((form.number, 1, 2, *[VALUES[name] for name in form.names[:length]]))
        said = "its beginning" if form.cls is ExecutionStarted else f"{form.cls.__name__}, lacks `{form.names[length]}`"
        with pytest.raises(InvalidInput, match=said):
            decode_event(short)


@pytest.mark.parametrize(
    "garbled", [None, 7, "event", {}, [], [6], [6, 1], ["6", 1, 2], [6, None, 2], [6, 1, 2.0], [True, 1, 2]]
)
def test_what_is_no_event_is_refused(garbled: Any) -> None:
    with pytest.raises(InvalidInput, match="an entry of it is no event"):
        decode_event(pack(garbled))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("name", None),
        ("version", 1),
        ("execution_id", b"e"),
        ("parent", "p"),
        ("parent", ["p", "e"]),
        ("parent", ["p", 7, 7]),
        ("tags", []),
        ("scheduled_ms", "soon"),
        ("scheduled_ms", {}),
        ("children", 7),
        ("running_children", "c"),
        ("closing", []),
    ],
)
def test_a_beginning_with_a_field_of_another_type_is_refused(name: str, value: Any) -> None:
    """All that follows is read by what it says: it would fail far from here, as a bug of stead."""
    form = BY_NAME["ExecutionStarted"]
    sound: list[Any] = [*"nv", None, "e", ["p", "e", 7], {}, 5, ["c"], [], {}]
    assert decode_event(pack_envelope((form.number, 1, 0, *sound))).at_ms == 1
    sound[form.names.index(name)] = value
    with pytest.raises(InvalidInput, match="its beginning is not one of an execution"):
        decode_event(pack_envelope((form.number, 1, 0, *sound)))


def test_an_event_of_a_newer_stead_is_refused_as_such() -> None:
    with pytest.raises(InvalidInput, match="event type 99 is not known to this version of stead"):
        decode_event(pack_envelope((99, 1, 2)))


def test_an_event_is_one_list_in_the_log() -> None:
    event = TaskScheduled(1, 2, "work", [], None, "", None, 1)
    assert unpack(encode_event(event)) == [6, 1, 2, "work", [], None, "", None, 1]


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.cls.__name__)
def test_a_field_of_another_type_is_no_event(form: Any) -> None:
    """Whoever has written over it: its instance waits, and is not failed for it in the middle of a replay."""
    whole: list[Any] = [form.number, AT_MS, 1, *(VALUES[name] for name in form.names)]
    assert decode_event(pack_envelope(whole)).at_ms == AT_MS
    for place, name in enumerate(form.names, 3):
        if name in {"input", "result", "details", "value"}:  # whatever the user's code has given
            continue
        garbled = [*whole]
        garbled[place] = 1.5
        with pytest.raises(InvalidInput, match=r"damaged|beginning"):
            decode_event(pack_envelope(garbled))


@pytest.mark.parametrize("instant_ms", [-1, 2**62, -(2**62), 253_402_300_800_000])
@pytest.mark.parametrize(
    ("number", "fields"),
    [(TimerCreated.number, [AT_MS, ""]), (ExecutionCompleted.number, [0, None, None])],
)
def test_an_instant_that_cannot_be_shown_is_no_event_of_ours(number: int, fields: list[Any], instant_ms: int) -> None:
    """Whoever looks at the history would be told of a year that there is not."""
    decode_event(pack([number, AT_MS, 1, *fields]))
    with pytest.raises(InvalidInput):
        decode_event(pack([number, instant_ms, 1, *fields]))
    if number == TimerCreated.number:
        with pytest.raises(InvalidInput, match="fire_at_ms"):
            decode_event(pack([number, AT_MS, 1, instant_ms, ""]))
