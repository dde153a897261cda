"""A long history is replayed in slices of time: others have their turns in between, and the message that wants it waits."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any, cast

import pytest

from stead.entities.extending import Blocked, Opening
from stead.orchestrations._execution.context import OrchestrationContext
from stead.orchestrations._execution.execution import REPLAY_STEP
from stead.orchestrations._history.event_codec import decode_event
from stead.orchestrations._history.events import Event, EventRaised, ExecutionCompleted, TaskCompleted
from stead.orchestrations._history.record import decode_instance_record
from stead.orchestrations._instance import kind
from stead.orchestrations._instance.turn import Body
from support.kind_bench import KindHub

LENGTH = 10 * REPLAY_STEP  # activities: as many events again
CHECKS = 3  # looks at the clock in a slice


def double(number: int) -> int:
    return 2 * number


async def long(context: OrchestrationContext) -> Any:
    total: int = sum(await asyncio.gather(*(context.call_activity("double", number) for number in range(LENGTH))))
    return total + await context.wait_for_external_event("go")


async def another(context: OrchestrationContext) -> Any:
    return await context.wait_for_external_event("go")


class SlicedHub(KindHub):
    """Its clock goes on by one whenever somebody looks at it, and a slice ends after so many looks."""

    def start_worker(self) -> None:
        super().start_worker()
        self.looks = itertools.count()
        self.sliced = False
        self.slice.elapsed = lambda: float(next(self.looks))

    def step(self) -> bool:
        self.slice.stop_at = float(next(self.looks) + CHECKS + 2) if self.sliced else float("inf")
        return super().step()

    @property
    def waiting(self) -> int:
        return len(self.inbox) + sum(len(each.express) for each in self.activations.values())


@pytest.fixture
def hub() -> SlicedHub:
    hub = SlicedHub(long, another)
    hub.activities["double"] = double
    hub.start("long")
    hub.start("another", instance_id="two")
    hub.run()
    assert len(hub.history()) == 2 * LENGTH + 1
    hub.crash()
    hub.sliced = True
    return hub


def replayed(hub: SlicedHub) -> int:
    replay = cast("Body", hub.activation("one").body).replay
    return 0 if replay is None else replay._replayed


def test_a_replay_is_done_in_slices_and_others_take_their_turns_in_between(hub: SlicedHub) -> None:
    hub.send("one", "event", "go", 1)
    hub.send("two", "event", "go", 2)
    commits = len(hub.commits)
    at = [0]
    while hub.status() == "Running":
        assert len(hub.inbox) in {1, 2}  # its message stays where it is
        hub.step()
        at.append(replayed(hub))
        assert hub.status("two") == "Completed"  # in the first slice
    assert len(at) - 1 >= 2 * LENGTH // (REPLAY_STEP * (CHECKS + 2))
    assert all(after - before <= REPLAY_STEP * (CHECKS + 2) for before, after in itertools.pairwise(at))
    assert (hub.output(), hub.output("two")) == (LENGTH * (LENGTH - 1) + 1, 2)
    assert (len(hub.commits) - commits, hub.waiting) == (2, 0)  # the slices themselves had nothing to write


def test_a_worker_that_ends_in_the_middle_of_one_leaves_nothing(hub: SlicedHub) -> None:
    hub.send("one", "event", "go", 1)
    before = hub.states["one"]
    for _ in range(2):
        hub.step()
        assert replayed(hub)
        hub.crash()
        hub.sliced = True
    assert hub.states["one"] == before
    hub.run()
    assert hub.output() == LENGTH * (LENGTH - 1) + 1


def test_what_wakes_code_that_does_otherwise_is_kept_however_long_that_took_to_find(hub: SlicedHub) -> None:
    async def otherwise(context: OrchestrationContext) -> None:
        await asyncio.gather(*(context.call_activity("double", number) for number in range(LENGTH)))
        await context.call_activity("double", 0)

    hub.register(otherwise, "long")
    hub.send("one", "event", "go", 1)
    hub.step()
    assert hub.status() == "Running"
    hub.run()
    assert hub.status() == "Completed"  # of what is new, a part was run only: no contradiction


async def rewinds(context: OrchestrationContext) -> Any:
    given_up = context.call_activity("given_up")
    total: int = sum(await asyncio.gather(*(context.call_activity("double", number) for number in range(LENGTH))))
    given_up.cancel()
    beside = context.call_activity("beside")
    await context.call_activity("fragile")
    return total + await beside


@pytest.fixture
def failed() -> SlicedHub:
    """A hub with an instance that has failed, while one activity of it ran, and one had been given up."""
    hub = SlicedHub(rewinds, another)

    def fragile() -> None:
        raise ValueError("not yet")

    hub.activities.update(double=double, fragile=fragile, beside=lambda: 1, given_up=lambda: 1 / 0)
    hub.run_tasks = False
    hub.start("rewinds", instance_id="one")
    hub.start("another", instance_id="two")
    hub.run()
    for key in [key for key in hub.tasks if not key.endswith(b"|1")]:
        hub.perform(key)
    hub.run()
    hub.perform(next(key for key in hub.tasks if key.endswith(b"|%d" % (LENGTH + 3))))
    hub.run()
    assert hub.status() == "Failed"
    hub.activities["fragile"] = lambda: None
    hub.tasks.clear()
    hub.crash()
    hub.sliced = True
    return hub


@pytest.mark.hazard(17)
@pytest.mark.parametrize("dies", [0, 2, 4])
def test_a_rewinding_is_done_in_slices_and_asks_once_for_what_was_open(failed: SlicedHub, dies: int) -> None:
    hub = failed
    hub.send("one", "rewind", "")
    hub.send("two", "event", "go", 2)
    steps = 0
    while hub.step():
        steps += 1
        assert steps < 1_000
        if replayed(hub):
            assert hub.status("two") == "Completed"
            assert not hub.tasks  # what the code gave up is known at the end only
        if steps == dies:
            assert replayed(hub)
            hub.crash()
            hub.sliced = True
    assert steps > LENGTH // (REPLAY_STEP * (CHECKS + 2))
    assert sorted(int(key.rpartition(b"|")[2]) for key in hub.tasks) == [LENGTH + 2, LENGTH + 3]
    hub.run_tasks = True
    hub.crash()
    hub.run()
    assert hub.output() == LENGTH * (LENGTH - 1) + 1
    assert hub.record().again is None


async def contradicts(context: OrchestrationContext) -> None:
    await context.call_activity("halve", 1)


async def works(context: OrchestrationContext) -> Any:
    await asyncio.gather(*(context.call_activity("double", number) for number in range(LENGTH)))
    return await context.call_activity("last")


@pytest.mark.parametrize("news", [EventRaised, TaskCompleted])
def test_the_message_that_brings_the_bad_news_is_kept(news: type[Event]) -> None:
    name = "long" if news is EventRaised else "works"
    hub = SlicedHub(long, works)
    hub.activities = {"double": double, "last": lambda: 1}
    hub.start(name)
    while not hub.history() or len(hub.history()) < 2 * LENGTH + 1:
        hub.run_tasks = len(hub.history()) < 2 * LENGTH  # the last one is never run by this worker
        hub.step()
    hub.run_tasks = True
    hub.register(contradicts, name)
    hub.crash()
    hub.sliced = True
    if news is EventRaised:
        hub.send("one", "event", "go", 1)
    hub.step()
    hub.run()
    assert hub.status() == "Failed"
    assert [type(event) for event in hub.history()[-2:]] == [ExecutionCompleted, news]


def test_nothing_else_that_comes_meanwhile_is_before_its_turn(hub: SlicedHub) -> None:
    hub.send("one", "event", "go", 1)
    hub.step()
    assert replayed(hub)
    hub.send("one", "terminate", "enough")
    hub.send("one", "event", "go", 5)
    hub.run()
    assert hub.status() == "Completed"
    assert hub.output() == LENGTH * (LENGTH - 1) + 1


def test_events_that_nobody_had_the_code_for_are_sliced_too_and_are_no_replay() -> None:
    seen: list[bool] = []

    async def collects(context: OrchestrationContext) -> int:
        total = 0
        for _ in range(LENGTH):
            total += await context.wait_for_external_event("go")
            seen.append(context.is_replaying)
        return total

    hub = SlicedHub(collects)
    hub.start("collects")
    hub.run()
    hub.registry.codes.clear()
    hub.crash()
    for _ in range(LENGTH):
        hub.send("one", "event", "go", 1)
    hub.run()
    hub.now_ms += 86_400_000
    hub.register(collects)
    for _ in range(3):  # the first workers end in the middle
        hub.crash()
        hub.sliced = True
        seen.clear()
        hub.step()
        assert 0 < len(seen) < LENGTH
        assert not any(seen)
    hub.run()
    assert hub.output() == LENGTH
    assert not any(seen)


def test_a_long_history_is_decoded_in_steps_of_so_many_events(hub: SlicedHub, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded = [0]

    def decode(data: bytes) -> Event:
        decoded[0] += 1
        return decode_event(data)

    monkeypatch.setattr(kind, "decode_event", decode)
    monkeypatch.setattr(kind, "OPENED_AT_ONCE", 100)
    record, log = hub.states["one"], tuple(hub.logs["one"])
    found, steps = hub.kind.activate("one", record, log), 1
    while isinstance(found, Opening):
        assert decoded[0] == 100 * steps
        found, steps = found.go_on(), steps + 1
    assert steps == -(-len(log) // 100) > 2
    assert isinstance(found, Body)
    at_once = Body(decode_instance_record(record), log, [decode_event(data) for data in log])
    assert (found.record, found.log, found.events) == (at_once.record, at_once.log, at_once.events)
    assert (found.ledger.open, found.ledger.locks) == (at_once.ledger.open, at_once.ledger.locks)
    with pytest.raises(Blocked):
        found = hub.kind.activate("one", record, (*log, b"\xc1"))
        while isinstance(found, Opening):
            found = found.go_on()
