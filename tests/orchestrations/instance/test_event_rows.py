"""External events that wait in a row: one turn for all of them, and nothing else is different."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Callable, Coroutine, Sequence
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stead.entities import EntityId
from stead.entities.extending import Message, Pending
from stead.orchestrations._execution.context import OrchestrationContext
from stead.orchestrations._execution.loop import DeterministicLoop
from stead.orchestrations._history.event_codec import encode_event
from stead.orchestrations._history.events import EventRaised
from stead.orchestrations._instance import answers, event_rows
from stead.orchestrations._instance.turn import Body, InstanceTurn
from support.kind_bench import KindHub

Function = Callable[..., Coroutine[Any, Any, Any]]


async def adds(context: OrchestrationContext, count: int) -> list[Any]:
    return [await context.wait_for_external_event("a") for _ in range(count)]


def raise_all(hub: KindHub, *numbers: int, name: str = "a") -> None:
    for number in numbers:
        hub.send("one", "event", name, number)


def begun(function: Function, input: Any = None, **settings: Any) -> KindHub:
    """An instance that waits for events."""
    hub = KindHub(function, **settings)
    hub.start(function.__name__, input)
    return hub.run()


# -- what it saves -------------------------------------------------------------------------------------------------------


def test_a_row_is_one_turn_of_the_loop_and_one_write_of_the_record(monkeypatch: pytest.MonkeyPatch) -> None:
    hub = begun(adds, 100)
    entered: list[DeterministicLoop] = []
    enter = DeterministicLoop.enter

    def counted(loop: DeterministicLoop) -> None:
        entered.append(loop)
        enter(loop)

    monkeypatch.setattr(DeterministicLoop, "enter", counted)
    before = len(hub.commits)
    raise_all(hub, *range(99))
    hub.run()
    assert len(entered) == 2  # the first, and those behind it
    (commit,) = hub.commits[before:]
    assert (len(commit.states), len(commit.consumed), len(commit.logs[0].events)) == (1, 99, 99)
    raise_all(hub, 99)
    assert hub.run().output() == list(range(100))


# -- what is the same ----------------------------------------------------------------------------------------------------


async def asks_now_and_then(context: OrchestrationContext, count: int) -> list[Any]:
    got: list[Any] = []
    for number in range(count):
        got.append(await context.wait_for_external_event("a"))
        if number % 3 == 2:
            got.append(await context.call_activity("double", number))
        if number % 5 == 4:
            context.set_custom_status(number)
        if number % 7 == 6:
            context.signal_entity(EntityId("Lamp", "k"), "blink", number)
    return got


async def asks_for_many(context: OrchestrationContext, count: int) -> list[Any]:
    """More than a commit holds, if that is small."""
    got: list[Any] = []
    for number in range(count):
        got.append(await context.wait_for_external_event("a"))
        got += await asyncio.gather(*(context.call_activity("double", number + each) for each in range(number % 7)))
    return got


async def begins_anew(context: OrchestrationContext, count: int) -> int:
    for _ in range(3):
        await context.wait_for_external_event("a")
        count -= 1
        if not count:
            return 0
    context.continue_as_new(count)
    return count


async def takes_turns(context: OrchestrationContext, count: int) -> str:
    got = ""
    while len(got) < count:
        waits = {name: context.wait_for_external_event(name) for name in "ab"}
        timer = context.create_timer(timedelta(minutes=1))
        done, _ = await asyncio.wait([*waits.values(), timer], return_when="FIRST_COMPLETED")
        got += "".join(name for name, wait in waits.items() if wait in done)
        for task in (*waits.values(), timer):
            task.cancel()
    return got


async def fails_at_seven(context: OrchestrationContext, count: int) -> None:
    for _ in range(count):
        number = await context.wait_for_external_event("a", int)
        if number == 7:
            raise ValueError("seven")


async def keeps_all(context: OrchestrationContext, count: int) -> list[Any]:
    await context.wait_for_external_event("b")
    return [await context.wait_for_external_event("a") for _ in range(count)]


FUNCTIONS = (adds, asks_now_and_then, asks_for_many, begins_anew, takes_turns, fails_at_seven, keeps_all)

MESSAGES: Any = st.one_of(
    st.tuples(st.just("event"), st.just("a"), st.integers(0, 9)),
    st.tuples(st.just("event"), st.sampled_from("aAb"), st.integers(0, 9)),
    st.tuples(st.just("event"), st.just("a"), st.just("5"), st.booleans()),  # a client's text
    st.sampled_from(
        [
            ("event",),
            ("event", 5, 5),
            ("event", "a", 1, 2),
            ("suspend", ""),
            ("resume", ""),
            ("cancel", "enough"),
            ("go-on",),
        ]
    ),
)
BURSTS = st.lists(st.lists(MESSAGES, max_size=12), min_size=1, max_size=5)


def double(number: int) -> int:
    return 2 * number


def take_no_row(turn: InstanceTurn, first: Pending) -> None:
    """Each event has a turn of its own."""


def outcome(function: Function, bursts: Sequence[Sequence[Any]], **settings: Any) -> object:
    """All that is stored of an instance that was sent these, and what it has sent itself, commit by commit."""
    hub = KindHub(function, **settings)
    hub.activities["double"] = double
    hub.start(function.__name__, 12)
    for burst in bursts:
        for message in burst:
            hub.send("one", *message)
        hub.run()
    hub.close()
    commits = [(commit.consumed, commit.states, [log.events for log in commit.logs]) for commit in hub.commits]
    return commits, hub.logs, hub.states, hub.outgoing, hub.dead


LIMITS: list[dict[str, int]] = [{}, {"history_length_max": 4}, {"batch_length_max": 4}]


@settings(max_examples=150)
@given(st.sampled_from(FUNCTIONS), BURSTS, st.sampled_from(LIMITS))
def test_a_row_comes_to_what_its_events_come_to_one_by_one(
    function: Function, bursts: Sequence[Sequence[Any]], limits: dict[str, int]
) -> None:
    """To the byte: each is logged, and the code run, before the next one is."""
    in_rows = outcome(function, bursts, **limits)
    with patch.object(answers, "take_row", take_no_row):
        assert outcome(function, bursts, **limits) == in_rows


def test_an_event_that_is_none_is_a_dead_letter_and_the_others_are_taken() -> None:
    hub = begun(adds, 6)
    raise_all(hub, 0, 1, 2)
    hub.send("one", "event", "a")
    hub.send("one", "event", "a", 3, "not a flag")
    raise_all(hub, 3, 4, 5)
    assert hub.run().output() == list(range(6))
    assert len(hub.dead) == 2


class TickingHub(KindHub):
    """Whose time goes on whenever somebody looks."""

    def __init__(self, *functions: Function) -> None:
        super().__init__(*functions)
        self.kind._now_ms = self.effects._now_ms = itertools.count(self.now_ms).__next__


def test_each_event_has_its_own_time() -> None:
    async def says_when(context: OrchestrationContext) -> list[float]:
        times: list[float] = []
        for _ in range(5):
            await context.wait_for_external_event("a")
            times.append(context.now.timestamp())
        return times

    hub = TickingHub(says_when)
    hub.start("says_when")
    hub.run()
    raise_all(hub, *range(5))
    hub.run()
    times = [event.at_ms for event in hub.history() if isinstance(event, EventRaised)]
    assert len(set(times)) == 5 and times == sorted(times)
    assert hub.output() == [pytest.approx(at_ms / 1000, abs=0.0005) for at_ms in times]


def test_who_takes_one_turn_at_a_time_takes_no_row() -> None:
    hub = begun(adds, 5, batched=False)
    before = len(hub.commits)
    raise_all(hub, *range(5))
    assert hub.run().output() == list(range(5))
    assert [len(commit.consumed) for commit in hub.commits[before:]] == [1] * 5


def test_who_replays_at_every_turn_does_so_for_each_event(monkeypatch: pytest.MonkeyPatch) -> None:
    dropped: list[Body] = []
    drop = Body.drop_code

    def counted(body: Body) -> None:
        dropped.append(body)
        drop(body)

    hub = begun(adds, 5, replay_every_turn=True)
    monkeypatch.setattr(Body, "drop_code", counted)
    raise_all(hub, *range(4))
    hub.run()
    assert len(dropped) == 4


def test_what_came_in_memory_passes_by_a_row() -> None:
    hub = begun(adds, 5)
    for number in range(2):
        hub.local.append(Message("one", "event", ["a", number], b"", None, None, None, None, None))
    raise_all(hub, 2, 3, 4)
    assert hub.run().output() == list(range(5)) and not hub.inbox


# -- where it ends -------------------------------------------------------------------------------------------------------


def test_a_row_ends_where_a_commit_is_full() -> None:
    hub = begun(adds, 20, batch_length_max=6)
    before = len(hub.commits)
    raise_all(hub, *range(20))
    assert hub.run().output() == list(range(20))
    assert [len(commit.consumed) for commit in hub.commits[before:]] == [6, 6, 6, 2]


def test_a_row_ends_with_its_slice_of_time() -> None:
    hub = begun(adds, 20)
    seconds = itertools.count()
    hub.slice.elapsed = lambda: float(next(seconds))
    hub.slice.slow_s = 1_000.0
    hub.slice.stop_at = 5.0
    before = len(hub.commits)
    raise_all(hub, *range(20))
    hub.step()
    assert [len(commit.consumed) for commit in hub.commits[before:]] == [5]
    hub.slice.stop_at = float("inf")
    assert hub.run().output() == list(range(20))


def test_one_event_that_holds_the_worker_is_named_and_not_the_row(caplog: pytest.LogCaptureFixture) -> None:
    passed = [0.0]

    async def held_at_the_third(context: OrchestrationContext) -> None:
        for number in range(10):
            await context.wait_for_external_event("a")
            passed[0] += 2.0 if number == 2 else 0.2

    hub = begun(held_at_the_third)
    hub.slice.elapsed = lambda: passed[0]
    hub.slice.slow_s = 1.0
    raise_all(hub, *range(10))
    with caplog.at_level(logging.WARNING, "stead.worker"):
        hub.run()
    (record,) = caplog.records
    assert "held the worker for 2000 ms:" in record.getMessage()


def test_a_row_in_which_stead_itself_fails_ends_with_the_instance(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def failing(event: EventRaised) -> bytes:
        if event.input == 3:
            raise RuntimeError("a fault of ours")
        return encode_event(event)

    monkeypatch.setattr(event_rows, "encode_event", failing)
    hub = begun(adds, 9)
    raise_all(hub, *range(9))
    hub.run()
    assert hub.status() == "Failed" and not hub.inbox
    # What comes for a failed instance is kept, as is what comes later than this.
    assert [event.input for event in hub.history() if isinstance(event, EventRaised)] == list(range(9))
    assert "a turn failed in stead itself" in caplog.text


def test_what_ends_the_process_is_blamed_on_the_event_that_brought_it() -> None:
    async def ends_it(context: OrchestrationContext) -> None:
        for number in range(9):
            await context.wait_for_external_event("a")
            if number == 4:
                raise KeyboardInterrupt

    hub = begun(ends_it)
    raise_all(hub, *range(9))
    with pytest.raises(KeyboardInterrupt):
        hub.step()
    assert hub.slice.running is not None and hub.slice.running.message.args == ["a", 4]
    assert hub.activation("one").mailbox[0] is hub.slice.running
