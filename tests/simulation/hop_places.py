"""Where a message may be while it is handed over, and what is not handed over at all. See `hop_scenarios.py`."""

from __future__ import annotations

from simulation.hop_scenarios import Q, R, S, bench_of, busy_in, locked_in, scenario, sender_and_receiver
from support.hop_bench import send


@scenario(44)
def who_has_a_park_is_offered_nothing() -> None:
    """What is still in the park is older."""
    bench, s, r = sender_and_receiver(mailbox_length_max=2)
    for number in range(6):
        bench.put(r, f"m{number}")
    bench.put(s, "a", send(r, "last"))
    bench.read()
    assert bench.held[R].activations[r].park is not None
    for number in (R, S, R):
        bench.turn(number)
    bench.settle()
    assert bench.state(r) == [*(f"m{number}" for number in range(6)), "last"]


@scenario(44)
def what_was_offered_is_not_moved_to_a_park() -> None:
    """The mailbox overflows behind an offer, or grows old: it is in no inbox from which it could be moved."""
    bench, s, r = sender_and_receiver(mailbox_length_max=4)
    bench.put(s, "a", send(r, "m1"))
    bench.read()
    bench.turn(S)
    for number in range(2, 9):
        bench.put(r, f"m{number}")
    bench.read()
    activation = bench.held[R].activations[r]
    assert activation.park is not None
    assert all(activation.park.waiting), "invariant 7: what is in no inbox is to be moved from there"
    bench.settle()
    assert sorted(bench.state(r)) == [f"m{number}" for number in range(1, 9)]


@scenario(44)
def what_was_offered_is_not_parked_for_its_age() -> None:
    bench, s, r = sender_and_receiver(mailbox_age_ms_max=10)
    bench.put(r, "locks", operation="lock")
    bench.put(s, "a", send(r, "m1"))
    bench.read()
    bench.turn(S)
    bench.turn(R)
    bench.now_ms += 100
    bench.held[R].park_the_old()
    activation = bench.held[R].activations[r]
    assert activation.park is None or all(activation.park.waiting), (
        "invariant 7: what is in no inbox is moved from there"
    )


@scenario(44)
def who_is_locked_or_busy_or_not_there_is_offered_nothing() -> None:
    bench = bench_of()
    s = bench.target(S)
    busy, locked, absent = busy_in(bench, R), locked_in(bench, R), bench.target(R, "absent")
    bench.put(s, "a", send(busy, "1"), send(locked, "2"), send(absent, "3"))
    bench.read()
    bench.turns()
    [commit] = bench.build(S).commits
    assert (len(commit.sends), commit.component) == (3, 0)


@scenario(61, 62)
def a_locked_one_takes_what_is_express() -> None:
    """But not past what is stored for it by the same sender."""
    bench = bench_of()
    s, locked = bench.target(S), locked_in(bench, R)
    bench.commit()
    bench.put(s, "a", send(locked, "1", lock=b"lock"), send(locked, "2", operation="unlock", lock=b"lock"))
    bench.read()
    bench.turns()
    assert [list(commit.sends) for commit in bench.build().commits] == [[], []]
    other = bench_of()
    s, locked = other.target(S), locked_in(other, R)
    other.commit()
    other.put(s, "a", send(locked, "waits"), send(locked, "1", lock=b"lock"))
    other.read()
    other.turns()
    other.commit()
    assert len(other.state(locked)) == 1, "what is stored first is read first"


@scenario(44)
def a_mailbox_is_filled_to_its_half() -> None:
    bench, s, r = sender_and_receiver(mailbox_length_max=6)
    bench.put(s, "a", *(send(r, f"m{number}") for number in range(8)))
    bench.read()
    bench.turn(S)
    assert len(bench.held[R].activations[r].mailbox) == 3
    bench.settle()
    assert bench.state(r) == [f"m{number}" for number in range(8)]


@scenario(45)
def what_is_withdrawn_runs_once_and_in_its_place() -> None:
    """R has no time for m1 before the commit of S is built: m1 is out of its mailbox then, and goes before m2 and m3."""
    bench, s, r = sender_and_receiver()
    absent = bench.target(Q, "absent")
    bench.put(s, "a", send(r, "m1"), send(absent, "x"), send(r, "m2"))
    bench.read()
    bench.turn(S)
    flight = bench.build(S)
    assert bench.held[R].runnable == 0
    assert not bench.held[R].activations[r].mailbox
    bench.turn(R)
    bench.put(s, "b", send(r, "m3"))
    bench.read()
    bench.turns()
    bench.land(flight)
    bench.settle()
    assert (bench.state(r), bench.state(absent)) == (["m1", "m2", "m3"], ["x"])


@scenario(45)
def some_are_taken_and_some_withdrawn() -> None:
    """Places count over those that were taken: also for a start."""
    bench = bench_of()
    s, r, other, new = bench.target(S), bench.target(R), bench.target(R, "other"), bench.target(R, "new")
    bench.ready(other)
    sends = (send(r, "t1"), send(other, "w1"), send(new, "0", operation="start"), send(other, "w2"), send(new, "1"))
    bench.put(s, "a", *sends)
    bench.read()
    bench.turn(S)
    bench.one_turn(R)
    flight = bench.build()
    [commit] = [commit for commit in flight.commits if commit.partition == S]
    assert (len(commit.sends), [start.place for start in commit.starts]) == (3, [1])
    bench.land(flight)
    bench.settle()
    assert (bench.state(r), bench.state(other), bench.state(new)) == (["t1"], ["w1", "w2"], ["0", "1"])


@scenario(46)
def what_is_scheduled_does_not_hop() -> None:
    bench, s, r = sender_and_receiver()
    bench.put(s, "a", send(r, "later", delay_ms=1_000), send(bench.target(Q), "at", due_ms=bench.now_ms + 5_000))
    bench.put(s, "b", send(bench.target(R, "new"), "c", operation="start"))
    bench.read()
    bench.turns()
    bench.settle()
    assert (bench.state(r), bench.state(bench.target(Q))) == ([], [])
    assert [len(state.timers.by_id) for state in bench.hub.partitions] == [0, 1, 1]


@scenario(47)
def what_one_sends_to_itself_does_not_hop() -> None:
    """It may be there to let the next owner go on."""
    bench = bench_of()
    s = bench.target(S)
    bench.put(s, "a", send(s, "go on"))
    bench.read()
    bench.turn(S)
    [commit] = bench.build().commits
    assert len(commit.sends) == 1


@scenario(56)
def what_is_asynchronous_does_not_hop() -> None:
    """It would call the world for a message that nobody has sent, if the sender has lost its lease."""
    bench, s, r = sender_and_receiver()
    bench.put(s, "a", send(r, "calls", operation="wait"))
    bench.read()
    bench.turn(S)
    assert bench.turn(R) == []


@scenario(57)
def bytes_hop_and_no_objects() -> None:
    """What the receiver does to its arguments is not seen by the sender, nor by another receiver."""
    bench, s, r = sender_and_receiver()
    program = send(r, "1", send(bench.target(Q), "2"))
    bench.put(s, "a", program, program)
    bench.read()
    bench.turns()
    arguments = [message.args for message in bench.kind.seen if message.target == r]
    assert arguments[0] == arguments[1]
    assert arguments[0] is not arguments[1]
    assert arguments[0][1] is not arguments[1][1]
    sent = next(message.args for message in bench.kind.seen if message.target == s)
    assert all(one is not arguments[0][1] for one in (sent[1], sent[1][0][3], sent[1][1][3]))  # type: ignore[index]
