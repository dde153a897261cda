"""What stands or falls together, and who may be part of it. See `hop_scenarios.py`."""

from __future__ import annotations

from simulation.hop_scenarios import Q, R, S, bench_of, hand_over_one, scenario, sender_and_receiver
from stead.entities._message.envelope import decode_message
from stead.transport import CommitVerdict
from support.hop_bench import send


@scenario()
def a_chain_is_done_in_one_step() -> None:
    """From one to the next and back again, with nothing that goes through an inbox."""
    bench = bench_of()
    s, r, q = bench.target(S), bench.target(R), bench.target(Q)
    bench.put(s, "1", send(r, "2", send(q, "3", send(r, "4", send(s, "5")))))
    bench.read()
    bench.turns()
    flight = bench.build()
    assert [list(commit.sends) for commit in flight.commits] == [[], [], []]
    assert len({commit.component for commit in flight.commits}) == 1
    assert bench.apply(flight) == [CommitVerdict.APPLIED] * 3
    bench.hear(flight)
    assert (bench.state(s), bench.state(r), bench.state(q)) == (["1", "5"], ["2", "4"], ["3"])
    assert bench.waiting() == 0


@scenario()
def within_a_partition_too() -> None:
    bench = bench_of()
    s, other = bench.target(S), bench.target(S, "other")
    bench.ready(other)
    bench.put(s, "1", send(other, "2"))
    bench.read()
    bench.turns()
    [commit] = bench.build().commits
    assert (list(commit.sends), commit.component, len(commit.states)) == ([], 0, 2)


@scenario(48)
def a_consumer_that_changes_nothing_is_written_all_the_same() -> None:
    """R takes m1 and has nothing to write. R is another's by then: m1 must not be lost."""
    bench, s, r = sender_and_receiver()
    bench.put(s, "a", send(r, "m1", operation="ignore"))
    bench.read()
    bench.turns()
    flight = bench.build(S)
    assert len(flight.commits) == 2
    bench.steal(R)
    assert set(bench.apply(flight)) == {CommitVerdict.VOID, CommitVerdict.FENCED}
    bench.hear(flight)
    bench.kind.seen.clear()
    bench.settle()
    assert [message.args[0] for message in bench.kind.seen] == ["a", "m1"]


@scenario(48)
def a_sender_whose_effects_were_all_taken_is_written_with_them() -> None:
    """S is another's: R does not keep what S never sent."""
    bench, s, r = sender_and_receiver()
    hand_over_one(bench, s, r, "m1")
    bench.steal(S)
    bench.commit()
    bench.settle()
    assert (bench.state(s), bench.state(r)) == (["a"], ["m1"])


@scenario(49)
def no_turn_comes_between_the_commits_of_a_component() -> None:
    """R and S are of one component, and S has a turn to take when their commits are built, R's first. What it hands over to R
    then belongs to the next commits of both."""
    bench, s, r = sender_and_receiver()
    bench.put(r, "z", send(s, "hello"))
    bench.read()
    bench.turns()
    bench.put(s, "a", send(r, "m1"))
    bench.read()
    bench.commit()
    bench.settle()
    assert (bench.state(s), bench.state(r)) == (["hello", "a"], ["z", "m1"])


@scenario(50, 53)
def if_one_ends_all_begin_anew() -> None:
    """S's lease is gone before anything was built: what R has taken of it is forgotten, and what R has not taken is too."""
    bench = bench_of()
    s, r, other = bench.target(S), bench.target(R), bench.target(R, "other")
    bench.ready(other)
    bench.put(s, "a", send(r, "m1"), send(other, "m2"))
    bench.read()
    bench.turn(S)
    bench.one_turn(R)
    bench.steal(S)
    bench.drop(S)
    assert bench.restarted == [R]
    bench.settle()
    assert (bench.state(s), bench.state(r), bench.state(other)) == (["a"], ["m1"], ["m2"])
    assert bench.hub.partitions[R].unclean == 0, "a restart is not a death"


@scenario(50)
def if_the_receiver_ends_the_sender_begins_anew() -> None:
    bench, s, r = sender_and_receiver()
    hand_over_one(bench, s, r, "m1")
    bench.steal(R)
    bench.drop(R)
    assert bench.restarted == [S]
    bench.settle()
    assert (bench.state(s), bench.state(r)) == (["a"], ["m1"])


@scenario(51)
def what_rests_on_what_was_void_begins_anew_too() -> None:
    """{S, R} is void while Q has taken a hop of R's since: Q begins anew as well."""
    bench = bench_of()
    s, r, q = bench.target(S), bench.target(R), bench.target(Q)
    hand_over_one(bench, s, r, "m1")
    flight = bench.build()
    bench.put(r, "b", send(q, "m2"))
    bench.read()
    bench.turns()
    bench.steal(S)
    bench.land(flight)
    assert sorted(bench.restarted) == [R, Q]
    bench.settle()
    assert (bench.state(s), bench.state(r), bench.state(q)) == (["a"], ["b", "m1"], ["m2"])


@scenario(54)
def what_was_in_flight_does_not_come_back() -> None:
    """R begins anew while {S, R} is in flight, which arrives then: it is void, and what R has read meanwhile is right."""
    bench, s, r = sender_and_receiver()
    hand_over_one(bench, s, r, "m1")
    flight = bench.build()
    bench.give_back(R)
    bench.hold(R)
    bench.put(r, "b")
    bench.read()
    bench.turn(R)
    assert set(bench.apply(flight)) == {CommitVerdict.FENCED, CommitVerdict.VOID}
    bench.hear(flight)
    bench.settle()
    assert (bench.state(s), bench.state(r)) == (["a"], ["b", "m1"])


@scenario(51)
def a_tenure_that_ends_in_flight_is_judged_by_the_verdict() -> None:
    """S is let go of while {S, R} is in flight, and it is applied: R goes on with what it knows."""
    bench, s, r = sender_and_receiver()
    bench.put(s, "a", send(r, "m1"), send(bench.target(Q, "absent"), "x"))
    bench.read()
    bench.turns()
    flight = bench.build()
    bench.drop(S)
    bench.land(flight)
    assert bench.restarted == []
    assert R in bench.held
    bench.settle()
    assert (bench.state(s), bench.state(r)) == (["a"], ["m1"])
    assert not bench.hops.closed


@scenario(41, 51)
def what_a_tenure_that_ended_had_in_flight_keeps_lanes_closed() -> None:
    """S stores m1 for the absent one and tells R. S ends in flight; R still comes after m1."""
    bench = bench_of()
    s, r, q = bench.target(S), bench.target(R), bench.target(Q)
    bench.held[Q].evict(0)
    bench.held[Q].activations.clear()
    bench.put(s, "a", send(q, "m1"), send(r, "told"))
    bench.read()
    bench.turns()
    flight = bench.build()
    bench.drop(S)
    bench.put(q, "comes", operation="ignore")
    bench.put(r, "b", send(q, "m2"))
    bench.read()
    bench.turn(Q)
    bench.turn(R)
    bench.turn(Q)
    bench.land(flight)
    bench.settle()
    assert bench.state(q) == ["m1", "m2"]


@scenario(34)
def applied_before_is_applied() -> None:
    """{S, R} is applied, its answer lost, and S another's when it is sent again: R goes on."""
    bench, s, r = sender_and_receiver()
    hand_over_one(bench, s, r, "m1")
    flight = bench.build()
    bench.apply(flight)
    bench.steal(S)
    state = bench.hub.partitions[S]
    state.commit_id = state.applying = b"the other's"
    assert set(bench.apply(flight)) == {CommitVerdict.FENCED, CommitVerdict.ALREADY}
    bench.hear(flight)
    assert R in bench.held
    bench.settle()
    assert bench.state(r) == ["m1"]


@scenario(52)
def a_chain_without_end_is_cut() -> None:
    """Two who answer each other for ever consume what they send: a commit is full at last."""
    bench, s, r = sender_and_receiver(batch_length_max=6)
    bench.put(s, "60", r, operation="rally")
    bench.read()
    bench.turns()
    flight = bench.build()
    assert len(bench.kind.seen) <= 8
    bench.land(flight)
    bench.settle()
    assert len(bench.state(s)) + len(bench.state(r)) == 61


@scenario(52)
def a_component_is_no_larger_than_a_commit() -> None:
    """What two have to commit together is more than one call may carry: they are not linked."""
    bench, s, r = sender_and_receiver(batch_length_max=8)
    for number in range(5):
        bench.put(r, f"x{number}")
        bench.put(s, f"y{number}")
    bench.read()
    bench.turns()
    hand_over_one(bench, s, r, "m1")
    assert {commit.component for commit in bench.build().commits} == {0}


@scenario(59)
def nothing_hops_into_what_is_given_back() -> None:
    bench, s, r = sender_and_receiver()
    bench.put(s, "a", send(r, "m1"))
    bench.put(r, "b", send(s, "m2"))
    bench.read()
    bench.held[R].draining = True
    bench.turn(S)
    assert len(bench.held[R].activations[r].mailbox) == 1
    assert bench.held[R].settled
    bench.held[R].draining = False
    bench.turn(R)
    bench.settle()
    assert bench.state(r) == ["b", "m1"]


@scenario(59)
def what_holds_an_offer_is_not_settled() -> None:
    """R is to be given back when m1 is in its mailbox: not before m1 has been withdrawn."""
    bench, s, r = sender_and_receiver()
    bench.put(s, "a", send(r, "m1"))
    bench.read()
    bench.turn(S)
    bench.held[R].draining = True
    assert not bench.held[R].settled
    bench.commit(S)
    assert bench.held[R].settled
    bench.held[R].draining = False
    bench.settle()
    assert bench.state(r) == ["m1"]


@scenario(60)
def nothing_hops_from_or_to_what_is_under_suspicion() -> None:
    """What hops has no stream ID by which it could be named, if it is what kills."""
    for suspicious in (S, R):
        bench, s, r = sender_and_receiver()
        bench.put(bench.target(suspicious, "old"), "an old one", operation="wait")
        bench.held.pop(suspicious).end()  # its process died
        bench.hold(suspicious)
        assert bench.held[suspicious].suspects.active
        bench.read()
        bench.turns()
        for target in (s, r):
            bench.put(target, "ready", operation="ignore")
        bench.read()
        bench.turns()
        assert bench.held[suspicious].suspects.active
        bench.put(s, "a", send(r, "m1"))
        bench.read()
        bench.turn(S)
        assert {commit.component for commit in bench.build().commits} == {0}
        assert all(pending.stream_id for pending in bench.held[R].activations[r].mailbox)


@scenario(64)
def what_holds_an_offer_stays_in_memory() -> None:
    bench, s, r = sender_and_receiver()
    bench.put(s, "a", send(r, "m1"))
    bench.read()
    bench.turn(S)
    bench.held[R].evict(-1)
    assert r in bench.held[R].activations
    bench.turns()
    flight = bench.build()
    bench.held[R].evict(-1)
    assert r in bench.held[R].activations
    bench.land(flight)
    assert bench.state(r) == ["m1"]


@scenario(57)
def the_dead_letter_of_a_hop_has_its_bytes() -> None:
    """It failed, nobody waits for it, and it can be sent again."""
    bench, s, r = sender_and_receiver()
    bench.put(s, "a", send(r, "m1", operation="refuse"))
    bench.read()
    bench.turns()
    bench.commit()
    [letter] = bench.letters(R)
    assert (letter.failure.message, decode_message(letter.envelope).args[0]) == ("m1", "m1")
