"""What is seen in which order: lanes, whole reads, and what comes in memory. See `hop_scenarios.py`."""

from __future__ import annotations

from simulation.hop_scenarios import (
    Q,
    R,
    S,
    bench_of,
    busy_in,
    come,
    end_one,
    hand_over_one,
    scenario,
    sender_and_receiver,
    store_one,
)
from stead.entities._partition.activation import Phase
from support.hop_bench import send


@scenario(41)
def what_is_stored_first_runs_first() -> None:
    """m1 is for one who is not in memory, and goes through the store; when m2 is sent it could be handed over. It comes later."""
    bench, s, r = sender_and_receiver()
    store_one(bench, s, r, "m1")
    bench.put(s, "b", send(r, "m2"))
    bench.read()
    bench.turns()
    bench.settle()
    assert bench.state(r) == ["m1", "m2"]


@scenario(41)
def a_lane_stays_closed_until_the_verdict() -> None:
    """m1 is in flight, and the receiver is read to its end: m1 is not there yet, and m2 must not be before it."""
    bench, s, r = sender_and_receiver()
    store_one(bench, s, r, "m1")
    flight = bench.build(S)
    bench.read()
    bench.put(s, "b", send(r, "m2"))
    bench.read()
    bench.turns()
    bench.land(flight)
    bench.settle()
    assert bench.state(r) == ["m1", "m2"]


@scenario(41)
def a_lane_stays_closed_until_a_read_that_was_sent_after_the_verdict() -> None:
    """The read that ends after the verdict was sent before the commit: it has not brought m1."""
    bench, s, r = sender_and_receiver()
    store_one(bench, s, r, "m1")
    bench.put(s, "b", send(r, "m2"))
    flight = bench.build(S)
    read = bench.send_read()
    bench.land(flight)
    bench.receive(read)
    bench.turns()
    bench.settle()
    assert bench.state(r) == ["m1", "m2"]


@scenario(41, 42)
def a_lane_stays_closed_until_its_receiver_is_read_to_its_end() -> None:
    """There is so much in the receiver's inbox that m1 is not among what the first read brings."""
    bench, s, r = sender_and_receiver()
    store_one(bench, s, r, "m1")
    for _ in range(5):
        bench.put(bench.target(R, "filler"), "x", operation="ignore")
    bench.commit(S)
    bench.put(s, "b", send(r, "m2"))
    bench.read(count=5)
    bench.turns()
    bench.settle()
    assert bench.state(r) == ["m1", "m2"]


@scenario(41)
def a_lane_opens_again() -> None:
    bench, s, r = sender_and_receiver()
    store_one(bench, s, r, "m1")
    bench.settle()
    bench.put(s, "b", send(r, "m2"))
    bench.read()
    bench.turns()
    assert [list(commit.sends) for commit in bench.build().commits] == [[], []]
    assert not bench.hops.closed


@scenario(41)
def who_is_told_of_something_comes_after_it() -> None:
    """S stores m1 for R and tells Q, in memory; what Q sends to R then must not be before m1."""
    bench = bench_of()
    s, q, absent = bench.target(S), bench.target(Q), bench.target(R, "absent")
    bench.put(s, "a", send(absent, "m1"), send(q, "told", send(absent, "m2")))
    bench.read()
    bench.turn(S)
    come(bench, absent)
    bench.turn(Q)
    bench.turn(R)
    bench.settle()
    assert bench.state(absent) == ["m1", "m2"]


@scenario(41)
def what_is_stored_after_the_offer_counts_too() -> None:
    """S tells Q first, and then stores m1 for R. What Q does with it comes later, and can know of it by another way."""
    bench = bench_of()
    s, q, absent = bench.target(S), bench.target(Q), bench.target(R, "absent")
    bench.put(s, "a", send(q, "told"), send(absent, "m1"))
    bench.put(s, "b", send(q, "told again", send(absent, "m2")))
    bench.read()
    bench.turn(S)
    come(bench, absent)
    bench.turn(Q)
    bench.turn(R)
    bench.settle()
    assert bench.state(absent) == ["m1", "m2"]


@scenario(41)
def who_was_told_before_knows_nothing_of_what_comes_later() -> None:
    """S tells Q, and nothing of it goes through the store. What S stores for R after that is nothing to Q."""
    bench, s, r = sender_and_receiver()
    hand_over_one(bench, s, bench.target(Q), "told")
    bench.commit()
    store_one(bench, s, bench.target(R, "absent"), "m1")
    bench.put(bench.target(Q), "b", send(r, "m2"))
    come(bench, r)
    bench.hops.offered.clear()
    bench.turn(Q)
    assert R in bench.hops.offered


@scenario(41)
def what_was_inherited_is_inherited() -> None:
    """S stores m1 for R and tells Q, that tells P, and P sends to R."""
    bench = bench_of(4)
    s, q, p, absent = bench.target(S), bench.target(Q), bench.target(3), bench.target(R, "absent")
    bench.put(s, "a", send(absent, "m1"), send(q, "told", send(p, "told", send(absent, "m2"))))
    bench.read()
    bench.turn(S)
    come(bench, absent)
    for number in (Q, 3, R):
        bench.turn(number)
    bench.settle()
    assert bench.state(absent) == ["m1", "m2"]


@scenario(41)
def who_was_told_comes_after_what_is_in_flight() -> None:
    """m1 is in flight when S tells Q."""
    bench = bench_of()
    s, r, q = bench.target(S), bench.target(R), bench.target(Q)
    store_one(bench, s, r, "m1")
    flight = bench.build(S)
    bench.put(s, "b", send(q, "told", send(r, "m2")))
    bench.read()
    bench.turns()
    bench.land(flight)
    bench.settle()
    assert bench.state(r) == ["m1", "m2"]


@scenario(41)
def who_was_told_comes_after_what_was_written_and_not_read() -> None:
    """m1 has its verdict when S tells Q, and nothing was read since."""
    bench = bench_of()
    s, q, absent = bench.target(S), bench.target(Q), bench.target(R, "absent")
    bench.put(s, "a", send(absent, "m1"))
    bench.put(s, "b", send(q, "told", send(absent, "m2")))
    bench.put(absent, "comes", operation="ignore")
    bench.read()
    bench.held[R].activations[absent].phase = Phase.LOADING  # until S has sent
    bench.one_turn(S)
    bench.held[R].activations[absent].phase = Phase.READY
    bench.commit(S)
    for number in (S, Q, R):
        bench.turn(number)
    bench.settle()
    assert bench.state(absent) == ["m1", "m2"]


@scenario(41)
def who_was_told_earlier_comes_after_what_is_withdrawn() -> None:
    """S offers m1 to R, and tells Q. R does not come to it, so that m1 goes through the store. What Q sends to R later, in
    memory, must not be before it, though nothing was stored when it was told."""
    bench = bench_of(3, batch_length_max=100)
    s, r, q = bench.target(S), bench.target(R), bench.target(Q)
    bench.put(s, "a", send(r, "m1"), send(q, "told"))
    bench.read()
    bench.turn(S)
    bench.turn(Q)
    flight = bench.build()
    bench.put(q, "b", send(r, "m2"))
    bench.read()
    bench.turn(Q)
    bench.turn(R)
    bench.land(flight)
    bench.settle()
    assert bench.state(r) == ["m1", "m2"]


@scenario(41)
def who_was_told_of_an_offer_that_is_withdrawn_a_generation_later() -> None:
    """The same over two steps: Q, which was told, tells another one of its partition's neighbours, which sends."""
    bench = bench_of(4)
    s, r, q, p = bench.target(S), bench.target(R), bench.target(Q), bench.target(3)
    bench.put(s, "a", send(r, "m1"), send(q, "told"))
    bench.read()
    bench.turn(S)
    bench.turn(Q)
    flight = bench.build()
    bench.put(q, "b", send(p, "told", send(r, "m2")))
    bench.read()
    bench.turn(Q)
    bench.turn(3)
    bench.turn(R)
    bench.land(flight)
    bench.settle()
    assert bench.state(r) == ["m1", "m2"]


@scenario(42)
def a_new_tenure_of_the_receiver_is_not_whole() -> None:
    """The read that has just come was sent in the former tenure of R: what another owner has left there meanwhile, nobody has
    read here."""
    bench, s, r = sender_and_receiver()
    bench.put(s, "a", send(r, "m2"))
    read = bench.send_read()
    bench.give_back(R)
    bench.put(r, "m1")
    bench.hold(R)
    bench.held[R]._activation(r)
    bench.load(bench.held[R])
    bench.receive(read)
    bench.turns()
    bench.settle()
    assert bench.state(r) == ["m1", "m2"]


@scenario(42)
def what_the_former_owner_of_the_sender_sent_is_read_first() -> None:
    """The former owner of S has put m1 into R's inbox; S comes here, and goes on before R was read again."""
    bench, s, r = sender_and_receiver()
    bench.put(s, "a", send(r, "m2"))
    read = bench.send_read()
    bench.give_back(S)
    bench.put(r, "m1")
    bench.hold(S)
    bench.receive(read)
    bench.held[S].receive(bench.hub.partitions[S].inbox.read(b"0", 100), caught_up=False)
    bench.load(bench.held[S])
    bench.turn(S)
    bench.turn(R)
    bench.settle()
    assert bench.state(r) == ["m1", "m2"]


@scenario(43)
def all_of_a_read_is_received_first() -> None:
    """A client's deposit m1 waits in R and its transfer in S. One read brings both, S's first."""
    bench, s, r = sender_and_receiver()
    bench.put(r, "m1")
    bench.put(s, "a", send(r, "m2"))
    read = bench.send_read()
    bench.receive(read, first=S)
    bench.turn(S)
    bench.receive(read)
    bench.turns()
    bench.settle()
    assert bench.state(r) == ["m1", "m2"]


@scenario(43)
def a_read_of_which_the_rest_never_comes() -> None:
    """It broke off in the middle: nothing is handed over before another one has come."""
    bench, s, r = sender_and_receiver()
    bench.put(r, "m1")
    bench.put(s, "a", send(r, "m2"))
    read = bench.send_read()
    bench.receive(read, first=S)
    bench.turns()
    bench.settle()
    assert bench.state(r) == ["m1", "m2"]


@scenario(42, 43)
def who_was_cut_off_is_not_whole() -> None:
    """There is more in R's inbox than one read brings, m1 the last of it."""
    bench, s, r = sender_and_receiver()
    for _ in range(3):
        bench.put(r, "x", operation="ignore")
    bench.put(r, "m1")
    bench.put(s, "a", send(r, "m2"))
    bench.read(count=3)
    bench.turns()
    bench.settle()
    assert bench.state(r) == ["m1", "m2"]


@scenario(42, 43)
def who_was_left_out_of_a_read_is_not_whole() -> None:
    bench, s, r = sender_and_receiver()
    bench.put(r, "m1")
    bench.put(s, "a", send(r, "m2"))
    bench.read(without=[R])
    bench.turns()
    bench.settle()
    assert bench.state(r) == ["m1", "m2"]


@scenario(43)
def what_comes_in_memory_comes_after_what_it_has_seen() -> None:
    """An activity signals R (m1) and returns; its result comes in memory, before anything is read. What it causes comes later."""
    bench, s, r = sender_and_receiver()
    bench.put(s, "waits", send(r, "m2"), operation="wait")
    bench.read()
    [started] = bench.turn(S)
    bench.put(r, "m1")
    bench.held[S].finish(started.activation, None, None)
    bench.turns()
    bench.settle()
    assert bench.state(r) == ["m1", "m2"]


@scenario(43)
def a_local_message_comes_after_what_it_has_seen() -> None:
    """The same with a message that is in no inbox, such as the result of an activity."""
    bench, s, r = sender_and_receiver()
    bench.put(r, "m1")
    bench.held[S].deliver_local(s, bench.message(s, "result", send(r, "m2")))
    bench.turns()
    bench.settle()
    assert bench.state(r) == ["m1", "m2"]


@scenario(43)
def a_read_that_was_sent_before_is_too_early() -> None:
    """The read that is under way when the result comes has not seen m1, though it ends later."""
    bench, s, r = sender_and_receiver()
    read = bench.send_read()
    bench.put(r, "m1")
    bench.held[S].deliver_local(s, bench.message(s, "result", send(r, "m2")))
    bench.receive(read)
    bench.turns()
    bench.settle()
    assert bench.state(r) == ["m1", "m2"]


@scenario(36)
def an_inbox_gets_what_was_sent_in_the_order_of_sending() -> None:
    """S stores m1 for who is busy, and tells Q, which stores m2 for the same. Whichever commit comes first in the batch."""
    for first, second in ((S, Q), (Q, S)):
        bench = bench_of()
        sender, told = bench.target(first), bench.target(second)
        busy = busy_in(bench, R)
        bench.put(told, "z", send(sender, "hello", send(busy, "m1"), send(told, "told", send(busy, "m2"))))
        bench.read()
        bench.turns()
        bench.commit()
        end_one(bench, busy)
        bench.settle()
        assert bench.state(busy) == ["waits", "m1", "m2"]


@scenario(36, 46)
def a_start_has_its_place_in_that_order() -> None:
    for first, second in ((S, Q), (Q, S)):
        bench = bench_of()
        sender, told = bench.target(first), bench.target(second)
        new, before = bench.target(R, "new"), bench.target(R, "before")
        start = send(new, "m1", operation="start")
        bench.put(told, "z", send(new, "m0"), send(sender, "hello", start, send(told, "told", send(new, "m2"))))
        bench.put(sender, "y", send(before, "x"))
        bench.read()
        bench.turns()
        bench.settle()
        assert bench.state(new) == ["m0", "m1", "m2"]
