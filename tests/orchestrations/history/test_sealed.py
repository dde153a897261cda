"""Users' data in stored values: put into caskets and taken out again, whatever it is; and what cannot be opened says why."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stead.entities._client.dead_letters import read_letter
from stead.entities._index.feeds import read_entry, write_entry
from stead.entities._message.envelope import encode_firing
from stead.entities._message.letters import encode_letter
from stead.entities.extending import (
    Failure,
    LockedEnvelope,
    Message,
    UnknownEnvelope,
    decode_message,
    decode_record,
    decode_reply,
    encode_failure,
    encode_message,
    encode_record,
    encode_reply,
    message_extras,
)
from stead.orchestrations._activities.job import Job, encode_task
from stead.orchestrations._history.event_codec import decode_event, encode_event
from stead.orchestrations._history.events import EventRaised
from stead.orchestrations._history.record import (
    InstanceRecord,
    RuntimeStatus,
    decode_instance_record,
    encode_instance_record,
)
from stead.orchestrations._payloads.store import FORMS
from stead.transport import DeadLetter, PayloadLocked, Vault, pack
from support.codecs import aes, masked

pytestmark = pytest.mark.hazard(114)

CODED = Vault(masked)
KEYLESS = Vault(None)

scalars = (
    st.sampled_from(
        [None, True, 0, 2**70, -5, 1.5, (1, 2), {1, 2}, {"a": [1, {2: b"x"}]}, datetime(2026, 1, 1), Decimal("1.20")]
    )
    | st.text(max_size=40)
    | st.binary(max_size=40)
)
plain: st.SearchStrategy[Any] = scalars | st.lists(scalars, max_size=20)
args = st.lists(plain, max_size=3)
kwargs = st.dictionaries(st.text(min_size=1, max_size=5), plain, max_size=3)
names = st.text(min_size=1, max_size=40)
targets = st.sampled_from(["@note@k", "instance", "@a@" + "k" * 300])


@st.composite
def messages(draw: st.DrawFn) -> bytes:
    target, operation = draw(targets), draw(st.sampled_from(["put", "start", "task", "!lock"]))
    extras = message_extras(
        kwargs=draw(kwargs), sender=draw(st.none() | names), due_ms=draw(st.none() | st.integers(0, 2**40))
    )
    version = draw(st.sampled_from([1, 2]))
    return encode_message(target, operation, draw(args), b"id", extras, version)


def _record(state: bytes | None, ms: int, lock: list[object] | None, message: bytes | None) -> bytes:
    more = None if message is None else {"r": {"n": [b"g", 5, None, message]}}
    return encode_record(state, ms, lock, more)


def _failure(words: str) -> Failure:
    return Failure("operation", "ValueError", words, words, words)


def _letter(message: bytes, failure: Failure) -> bytes:
    return encode_letter(message, failure, b"1-1", 5, 1)


def _event(at_ms: int, name: str, data: Any) -> bytes:
    return encode_event(EventRaised(at_ms, 0, name, data))


def _task(name: str, args: list[Any], kwargs: dict[str, Any], details: Any) -> bytes:
    limits = (5 if details else None, None, details)
    return encode_task(name, args, kwargs or None, ("i", "e", 1), tags={"a": "b"}, limits=limits)


def _instance(status: RuntimeStatus, custom: Any, output: Any, failure: str, reason: str) -> bytes:
    record = InstanceRecord(status, "name", "1", "e", 1, 2, b"id", custom_status=custom, output=output, reason=reason)
    record.failure = {"message": failure} if failure else None
    record.progress, record.tags = [[1, custom]], {"a": "b"}
    return encode_instance_record(record)


def _cut(data: bytes) -> st.SearchStrategy[bytes]:
    return st.integers(0, len(data)).map(lambda end: data[:end])


short = st.text(max_size=9)
locks: st.SearchStrategy[Any] = st.sampled_from([None, [b"request", "owner", []]])
records = st.builds(
    _record, st.none() | plain.map(pack), st.integers(0, 2**45), locks, st.none() | messages()
)  # fmt: skip
replies = st.builds(encode_reply, st.integers(0, 2**31), plain)
letters = st.builds(_letter, messages() | st.binary(), st.builds(_failure, st.text(max_size=30)))
entries = st.lists(st.tuples(st.text(max_size=5), st.none() | st.binary(max_size=9)), max_size=4).map(write_entry)
events = st.builds(_event, st.integers(0, 2**45), names, plain)
tasks = st.builds(_task, names, args, kwargs, plain)
instances = st.builds(
    _instance, st.sampled_from(sorted(set(RuntimeStatus) - {RuntimeStatus.CONTINUED_AS_NEW})), plain, plain, short, short
)  # fmt: skip
ALL: list[tuple[str, Any]] = [
    ("message", messages()), ("entity", records), ("reply", replies), ("letter", letters), ("entry", entries),
    ("event", events), ("task", tasks), ("instance", instances),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "values"), ALL, ids=[kind for kind, _ in ALL])
def test_what_is_sealed_comes_out_as_it_went_in(kind: str, values: Any) -> None:
    form = getattr(FORMS, kind)

    @settings(max_examples=30)
    @given(values)
    def check(data: bytes) -> None:
        sealed = form.seal(data, CODED.put)
        assert form.seal(sealed, CODED.put) == sealed  # once is enough
        assert form.open(sealed, CODED.get) == data
        assert form.open(data, CODED.get) == data  # of before there was a codec
        locked = form.open(sealed, KEYLESS.get)
        if kind in ("message", "letter"):  # which may be written again by who could not open them
            assert form.open(form.seal(locked, CODED.put), CODED.get) == data

    check()


@pytest.mark.parametrize(("kind", "values"), ALL, ids=[kind for kind, _ in ALL])
def test_garbage_stays_as_it_is(kind: str, values: Any) -> None:
    form = getattr(FORMS, kind)

    @settings(max_examples=30)
    @given(st.binary(max_size=30) | values.flatmap(_cut))
    def check(data: bytes) -> None:
        try:
            sealed = form.seal(data, CODED.put)
        finally:
            assert form.open(data, CODED.get) is not None
        assert form.open(sealed, CODED.get) == data

    check()


def _locked(kind: str, data: bytes) -> bytes:
    form = getattr(FORMS, kind)
    return form.open(form.seal(data, Vault(aes).put), KEYLESS.get)  # type: ignore[no-any-return]


def test_a_message_that_cannot_be_opened_waits_and_says_whose_it_is() -> None:
    sealed = _locked("message", encode_message("@note@k", "put", ["word"], b"id"))
    with pytest.raises(LockedEnvelope, match=r"@note@k is locked: .* STEAD_PAYLOAD_CODEC") as found:
        decode_message(sealed)
    assert isinstance(found.value, UnknownEnvelope)
    assert isinstance(found.value, PayloadLocked)
    assert found.value.message is not None
    assert found.value.message.args == []


def test_of_a_start_all_but_the_input_can_be_read() -> None:
    start = ["story", "1", "word", 5, None, {"tag": "value"}, None, 0]
    sealed = _locked("message", encode_message("told", "start", start, b"id"))
    with pytest.raises(LockedEnvelope) as found:
        decode_message(sealed)
    assert found.value.message is not None
    assert list(found.value.message.args) == ["story", "1", None, 5, None, {"tag": "value"}, None, 0]


def test_what_has_no_data_in_it_stays_readable() -> None:
    for message in (encode_message("@note@k", "put", [], b"id"), encode_firing("@note@k", "later", b"g", b"id")):
        assert FORMS.message.seal(message, CODED.put) == message
        assert isinstance(decode_message(message), Message)


def test_locked_records_events_tasks_replies_letters_and_changes_say_so() -> None:
    with pytest.raises(PayloadLocked):
        decode_record(_locked("entity", encode_record(b"state", 5)))
    with pytest.raises(PayloadLocked):
        decode_event(_locked("event", encode_event(EventRaised(5, 0, "go", "word"))))
    with pytest.raises(PayloadLocked):
        Job(b"i|e|1", _locked("task", encode_task("shout", ["word"], None, ("i", "e", 1))))
    with pytest.raises(PayloadLocked):
        read_entry(_locked("entry", write_entry([("k", b"state")])))
    for reply in (encode_reply(7, "word"), encode_failure(7, Failure("operation", "ValueError", "word"))):
        call_id, answer, well = decode_reply(_locked("reply", reply))
        assert (call_id, well) == (7, False)
        assert isinstance(answer, Failure)
        assert answer.kind == "locked"
    envelope = encode_message("@note@k", "put", ["word"], b"id")
    letter = encode_letter(envelope, Failure("operation", "ValueError", "word", "word"), b"1-1", 5, 1)
    read = read_letter(DeadLetter(0, b"1-1", _locked("letter", letter)))
    assert read.locked
    assert (read.target, read.operation, read.failure.type) == ("@note@k", "put", "ValueError")
    assert "locked" in read.failure.message
    assert "word" not in repr(read)


def test_of_a_locked_instance_names_and_times_can_be_read() -> None:
    record = InstanceRecord(RuntimeStatus.COMPLETED, "story", "1", "e", 1, 2, output="word", tags={"a": "b"})
    found = decode_instance_record(_locked("instance", encode_instance_record(record)))
    assert found.locked
    assert (found.name, found.status, found.output, found.tags) == ("story", RuntimeStatus.COMPLETED, None, {"a": "b"})
