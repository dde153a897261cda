"""Schedules whose times code declares otherwise than before: what was due by the former ones is run once, or counted (HAZARDS 107, 109)."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest

from stead.app.testing import TestHub
from stead.entities._message.record import decode_record
from stead.orchestrations._schedules.occurrences import next_occurrence
from stead.orchestrations._schedules.schedule import SCHEDULES, Schedule, schedule_type
from stead.orchestrations._schedules.spec import Spec, signal_of
from support.planned_app import BEGIN, HOUR, hours, make_app, seen, shown

HOUR_MS = 3_600_000
SECOND = timedelta(seconds=1)


def planned(word: str = "x", **times: object) -> Spec:
    """What code declares: when, and to note a word."""
    return Spec.model_validate({"signal": signal_of("@seen@a", "note", [word], None), **times})


async def declare(hub: TestHub, spec: Spec, name: str = "s") -> None:
    """A worker that declares it has joined, or will be the first to do something."""
    await hub.client.schedules._client.signal_entity(Schedule.declare, name, spec, spec.mark())


async def stand_still(hub: TestHub, duration: timedelta, then: Spec | None = None) -> None:
    """Nobody is there for so long; the first to join after that declares something else."""
    await hub._driver.stop()
    hub._driver.clock.advance_to(hub._driver.clock.now_ms() + round(duration / SECOND * 1000))
    if then is not None:
        await declare(hub, then)
    await hub._driver.start()
    await hub.run_until_idle()


@pytest.mark.hazard(109)
async def test_other_times_take_nothing_from_what_was_due_before() -> None:
    async with TestHub(make_app()) as hub:
        await declare(hub, planned(every_ms=HOUR_MS, catch_up_ms=3 * HOUR_MS))
        await hub.advance(1.5 * HOUR)
        await stand_still(hub, 8 * HOUR, planned(every_ms=7 * HOUR_MS, catch_up_ms=3 * HOUR_MS))
        schedule = await shown(hub, "s")
        assert [hour for hour, _ in hours(schedule)] == [1, 7, 8, 9]
        assert schedule.missed == 5
        assert schedule.next_times[:2] == [BEGIN + 14 * HOUR, BEGIN + 21 * HOUR]
        await hub.advance(5 * HOUR)
        assert [hour for hour, _ in hours(await shown(hub, "s"))][-1] == 14


@pytest.mark.hazard(109)
async def test_another_signal_at_the_same_times_is_no_reason_to_leave_one_out() -> None:
    async with TestHub(make_app()) as hub:
        await declare(hub, planned("x", cron="0 3 * * *", catch_up_ms=HOUR_MS))
        await hub.advance(2.9 * HOUR)
        await stand_still(hub, 0.5 * HOUR, planned("y", cron="0 3 * * *", catch_up_ms=HOUR_MS))
        schedule = await shown(hub, "s")
        assert ([hour for hour, _ in hours(schedule)], schedule.missed, schedule.spec.args) == ([3], 0, ["y"])
        assert schedule.next_times[0] == BEGIN + 27 * HOUR


@pytest.mark.hazard(109)
async def test_what_was_due_in_a_pause_is_counted_by_the_times_that_it_was_due_by() -> None:
    async with TestHub(make_app()) as hub:
        await declare(hub, planned(every_ms=HOUR_MS))
        await hub.run_until_idle()
        await hub.client.schedules.pause("s")
        await hub.advance(4.5 * HOUR)
        await declare(hub, planned(every_ms=30 * 60_000))
        await hub.advance(2 * HOUR)
        await declare(hub, planned(every_ms=90 * 60_000, catch_up_ms=2 * HOUR_MS))
        await hub.advance(timedelta(minutes=1))
        schedule = await shown(hub, "s")
        assert (schedule.missed, schedule.last_runs, schedule.next_times[0]) == (0, [], BEGIN + 7.5 * HOUR)
        await hub.client.schedules.resume("s")
        await hub.run_until_idle()
        schedule = await shown(hub, "s")
        assert [hour for hour, _ in hours(schedule)] == [5, 5.5, 6, 6.5]  # of 1, 2, 3, 4 and 5, 5.5, 6, 6.5
        assert schedule.missed == 4


async def test_what_waits_for_its_jitter_runs_when_the_times_change() -> None:
    async with TestHub(make_app()) as hub:
        await declare(hub, planned(every_ms=HOUR_MS, jitter_ms=HOUR_MS - 1, catch_up_ms=0))
        await hub.advance(HOUR)
        assert await seen(hub, "a") == []
        await declare(hub, planned(cron="30 * * * *"))
        await hub.advance(0.75 * HOUR)
        schedule = await shown(hub, "s")
        assert ([hour for hour, _ in hours(schedule)], schedule.missed) == ([1, 1.5], 0)
        assert await seen(hub, "a") == [BEGIN + HOUR, BEGIN + 1.5 * HOUR]


async def test_more_than_a_turn_looks_at_is_gone_through_before_the_new_times_begin() -> None:
    async with TestHub(make_app()) as hub:
        await declare(hub, planned(cron="* * * * *"))
        await hub.advance(timedelta(seconds=30))
        await stand_still(hub, 24 * HOUR, planned(every_ms=HOUR_MS))
        schedule = await shown(hub, "s")
        assert (schedule.missed, len(schedule.last_runs)) == (1_439, 1)
        await hub.advance(HOUR)
        assert len(await seen(hub, "a")) == 2


@pytest.mark.hazard(107)
@pytest.mark.hazard(109)
@pytest.mark.parametrize("seed", range(6))
async def test_whatever_changes_each_occurrence_is_run_once_or_counted(seed: int) -> None:
    chance = random.Random(seed)
    async with TestHub(make_app(), kill_seed=seed if seed % 2 else None) as hub:
        spec, since_ms, expected = planned(every_ms=HOUR_MS), 0, 0
        await declare(hub, spec)
        await hub.run_until_idle()
        created_ms = since_ms = (await state_of(hub)).created_ms
        for _ in range(25):
            new = None
            match chance.randrange(5):
                case 0:
                    await hub.client.schedules.pause("s")
                case 1:
                    await hub.client.schedules.resume("s")
                case 2:
                    await stand_still(hub, chance.choice([0.3, 2, 9]) * HOUR)
                case _:
                    every, jitter, catch_up = (chance.choice(ms) for ms in ([20, 60, 90], [0, 0, 50], [0, 1, 200]))
                    new = planned(every_ms=every * 60_000, jitter_ms=jitter * 60_000, catch_up_ms=catch_up * 60_000)
                    if chance.random() < 0.5:
                        await stand_still(hub, 1.7 * HOUR, new)
                    else:
                        await declare(hub, new)
                        await hub.run_until_idle()
            if new is not None and not new.has_times_of(spec):
                changed_ms = (await state_of(hub)).since_ms
                expected += len(occurrences(spec, created_ms, since_ms, changed_ms))
                since_ms = changed_ms
            spec = new or spec
            await hub.advance(chance.choice([0.1, 1, 5]) * HOUR)
        await hub.client.schedules.resume("s")
        await declare(hub, planned(every_ms=365 * 24 * HOUR_MS))
        await hub.run_until_idle()
        state = await state_of(hub)
        expected += len(occurrences(spec, created_ms, since_ms, state.since_ms))
        ran = await seen(hub, "a")
        assert len(ran) + state.missed == expected and state.former == [] and len(ran) > 5


def occurrences(spec: Spec, created_ms: int, after_ms: int, until_ms: int) -> list[int]:
    """Those of a spec after one moment, until another one."""
    found: list[int] = []
    at = next_occurrence(spec, created_ms, after_ms)
    while at is not None and at <= until_ms:
        found.append(at)
        at = next_occurrence(spec, created_ms, at)
    return found


async def state_of(hub: TestHub) -> Schedule:
    """What is stored of the schedule."""
    [page] = [page async for page in hub.client.schedules._pages(SCHEDULES)]
    [(_, record)] = page
    state = schedule_type().read(decode_record(record).packed_state or b"")
    assert isinstance(state, Schedule)
    return state
