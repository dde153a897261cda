"""The effects of turns between two commits: what is collected, what is limited, what a commit is made of."""

from __future__ import annotations

from typing import Any

import pytest

from stead.entities._message.envelope import (
    Failure,
    Message,
    ReplyAddress,
    decode_message,
    decode_reply,
    encode_message,
    message_extras,
)
from stead.entities._message.letters import decode_letter
from stead.entities._partition.activation import Activation
from stead.entities._partition.building import Unstorable
from stead.entities._partition.effects import Effects
from stead.entities._partition.pending import Pending
from stead.entities._partition.slice import Slice
from stead.transport import Commit, PayloadTooLarge, Settings, partition_of
from support.core_bench import Bench, ListKind, built

A = "@list@a"
CALLER = ReplyAddress(3, "client", 7)
FAILURE = Failure("operation", "ValueError", "no")


def make_effects(**settings: Any) -> Effects:
    return Effects(16, Settings(**settings), lambda: 1_000, b"nonce")


def pending(reply_to: ReplyAddress | None = None, stream_id: bytes = b"1-0", *, from_park: bool = False) -> Pending:
    envelope = encode_message(A, "add", [1], b"id", message_extras(reply_to=reply_to))
    return Pending(stream_id, envelope, decode_message(envelope), from_park)


def activation() -> Activation:
    made = Activation(A)
    made.kind = ListKind()
    made.body = [1]
    return made


def test_there_is_nothing_to_commit_at_first_and_after_a_commit() -> None:
    effects = make_effects()
    assert effects.empty
    effects.consume(activation(), pending())
    assert not effects.empty
    built(effects)
    assert effects.empty


def test_a_commit_names_its_lease_and_the_commit_before_it() -> None:
    commit, _ = built(make_effects(), commit=Commit(5, b"token", b"previous", b"id"))
    assert (commit.partition, commit.token, commit.previous, commit.commit_id) == (5, b"token", b"previous", b"id")


def test_a_state_is_packed_once_a_commit_however_often_it_changed() -> None:
    effects = make_effects()
    changed = activation()
    for _ in range(3):
        effects.changed(changed)
    commit, written = built(effects, changed)
    assert [target for target, _ in commit.states] == [A]
    assert written == [changed]
    assert not changed.dirty


def test_what_was_made_and_deleted_between_two_commits_was_never_there() -> None:
    effects = make_effects()
    made = activation()
    made.body = []
    effects.changed(made)
    commit, _ = built(effects, made)
    assert (commit.states, commit.created, commit.deleted) == ([], [], [])


def test_creation_and_deletion_reach_the_index_once_each() -> None:
    effects = make_effects()
    made = activation()
    effects.changed(made)
    first, _ = built(effects, made)
    made.body = []
    effects.changed(made)
    second, _ = built(effects, made)
    effects.changed(made)
    third, _ = built(effects, made)
    assert (first.created, first.deleted) == ([A], [])
    assert (second.created, second.deleted, second.states) == ([], [A], [])
    assert (third.created, third.deleted) == ([], [])


def test_a_state_that_cannot_be_packed_is_said_by_name() -> None:
    class Broken(ListKind):
        def record(self, activation: Activation, now_ms: int) -> bytes | None:
            raise ValueError("too large")

    effects = make_effects()
    broken = activation()
    broken.kind = Broken()
    effects.changed(broken)
    with pytest.raises(Unstorable) as caught:
        built(effects, broken)
    assert (caught.value.target, caught.value.reason) == (A, "too large")


def test_messages_go_to_the_partitions_of_their_targets_and_have_ids_of_their_own() -> None:
    effects = make_effects()
    targets = [f"@list@{number}" for number in range(20)]
    ids = [effects.next_message_id() for _ in targets]
    for target in targets:
        effects.send(target, b"envelope")
    commit, _ = built(effects)
    assert [partition for partition, _ in commit.sends] == [partition_of(target, 16) for target in targets]
    assert len(set(ids)) == len(ids)


def test_a_failure_goes_to_the_caller_or_to_the_dead_letters() -> None:
    effects = make_effects()
    effects.fail(pending(CALLER), FAILURE)
    signal = pending()
    effects.fail(signal, FAILURE)
    commit, _ = built(effects)
    [reply], [dead] = commit.replies, commit.dead
    assert (reply.group, reply.client) == (3, "client")
    assert decode_reply(reply.payload) == (7, FAILURE, False)
    letter = decode_letter(dead)
    assert (letter.envelope, letter.failure, letter.tries, letter.died_ms) == (signal.envelope, FAILURE, 1, 1_000)


def test_an_answer_goes_to_the_caller() -> None:
    effects = make_effects()
    effects.reply(effects.answer(CALLER, {"mean": 3.5}))
    commit, _ = built(effects)
    assert decode_reply(commit.replies[0].payload) == (7, {"mean": 3.5}, True)


def test_an_answer_has_the_limit_of_a_payload() -> None:
    effects = make_effects(payload_bytes_max=2_048)
    with pytest.raises(PayloadTooLarge):
        effects.answer(CALLER, "x" * 2_048)
    assert effects.empty


def test_a_scheduled_signal_comes_back_without_its_delay() -> None:
    effects = make_effects()
    extras = message_extras(kwargs={"n": 1}, delay_ms=500, sender="@list@b", reply_to=CALLER)
    message = decode_message(encode_message(A, "add", [1], b"id", extras))
    effects.schedule(b"77-3", message, 1_500)
    commit, _ = built(effects)
    [timer] = commit.timers
    assert (timer.timer_id, timer.due_ms, commit.consumed) == (b"77-3", 1_500, [b"77-3"])
    assert decode_message(timer.payload) == Message(A, "add", [1], b"id", {"n": 1}, CALLER, None, None, "@list@b")


def full_by_messages(effects: Effects) -> None:
    for number in range(4):
        effects.consume(activation(), pending(stream_id=b"%d-0" % number))


def full_by_parked_messages(effects: Effects) -> None:
    parked = activation()
    for number in range(4):
        effects.consume(parked, pending(stream_id=b"%d-0" % number, from_park=True))


def full_by_signals(effects: Effects) -> None:
    for _ in range(4):
        effects.send(A, b"envelope")


def full_by_bytes_of_signals(effects: Effects) -> None:
    effects.send(A, b"x" * 3_000)


def full_by_bytes_of_replies(effects: Effects) -> None:
    effects.reply(effects.answer(CALLER, "x" * 3_000))


def full_by_bytes_of_letters(effects: Effects) -> None:
    effects.bury(b"x" * 3_000, FAILURE, b"1-0")


@pytest.mark.parametrize(
    "fill",
    [
        full_by_messages,
        full_by_parked_messages,
        full_by_signals,
        full_by_bytes_of_signals,
        full_by_bytes_of_replies,
        full_by_bytes_of_letters,
    ],
)
def test_a_commit_is_full_by_number_or_by_bytes(fill: object) -> None:
    assert callable(fill)
    settings = Settings(batch_length_max=4, batch_bytes_max=3_000)
    effects = Effects(16, settings, lambda: 1_000, b"nonce")
    time = Slice(effects, settings, lambda: 0.0)
    assert not time.full and not time.over
    fill(effects)
    assert time.full and time.over


def test_the_worker_reads_which_message_runs() -> None:
    bench = Bench()
    stream_id = bench.put(A, 1, operation="wait")
    partition = bench.acquire()
    bench.work(partition)
    running = partition.slice.running
    assert running is not None
    assert running.stream_id == stream_id
