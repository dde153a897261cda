"""Schedules in virtual time: every policy with slow instances, standstills, pauses, declarations."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from stead.app import App
from stead.app.testing import TestHub
from stead.entities import EntityId, InvalidDefinition, InvalidInput
from stead.orchestrations import (
    RuntimeStatus,
    ScheduleExists,
    UnknownSchedule,
)
from support.planned_app import BEGIN, HOUR, hours, make_app, seen, shown


async def test_signals_are_sent_in_the_rhythm() -> None:
    async with TestHub(make_app()) as hub:
        await hub.client.schedules.create("s", every=HOUR).signal_entity(EntityId("Seen", "a"), "note", "x")
        await hub.advance(3 * HOUR)
        assert await seen(hub, "a") == [BEGIN + n * HOUR for n in (1, 2, 3)]
        schedule = await shown(hub, "s")
        assert schedule.next_times == [BEGIN + n * HOUR for n in (4, 5, 6, 7, 8)]
        assert [run.instance_id for run in schedule.last_runs] == [None, None, None]
        assert (schedule.spec.entity_id, schedule.spec.operation, schedule.spec.overlap) == ("@seen@a", "note", None)


@pytest.mark.hazard(105)
async def test_instances_are_named_by_their_occurrence_and_their_ends_are_told() -> None:
    async with TestHub(make_app()) as hub:
        await hub.client.schedules.create("s", every=HOUR).start_new("work", 0.5, tags={"a": "b"})
        await hub.advance(1.25 * HOUR)
        [run] = (await shown(hub, "s")).last_runs
        assert (run.instance_id, run.occurrence) == ("s:2026-01-01T01:00:00Z", BEGIN + HOUR)
        assert run.status is RuntimeStatus.RUNNING
        await hub.advance(0.5 * HOUR)
        [run] = (await shown(hub, "s")).last_runs
        assert run.status is RuntimeStatus.COMPLETED
        status = await hub.client.get_status("s:2026-01-01T01:00:00Z")
        assert status is not None and (status.output, status.tags) == (0.5, {"a": "b"})
        assert status.parent_instance_id is None  # it tells a schedule of its end, and that is no instance


@pytest.mark.hazard(107)
async def test_skip_leaves_out_what_is_due_meanwhile() -> None:
    async with TestHub(make_app()) as hub:
        await hub.client.schedules.create("s", every=HOUR, overlap="skip").start_new("work", 2.5)
        await hub.advance(8.25 * HOUR)
        schedule = await shown(hub, "s")
        assert hours(schedule) == [(1, "Completed"), (4, "Completed"), (7, "Running")]
        assert schedule.skipped == 5


@pytest.mark.hazard(107)
async def test_buffer_one_runs_the_first_that_came_under_its_own_name() -> None:
    async with TestHub(make_app()) as hub:
        await hub.client.schedules.create("s", every=HOUR, overlap="buffer_one").start_new("work", 2.5)
        await hub.advance(3.25 * HOUR)
        assert (await shown(hub, "s")).waiting == BEGIN + 2 * HOUR
        await hub.advance(5 * HOUR)
        schedule = await shown(hub, "s")
        assert hours(schedule) == [(1, "Completed"), (2, "Completed"), (4, "Running")]
        assert await seen(hub, "work") == [BEGIN + n * HOUR for n in (1, 3.5, 6)]
        assert schedule.skipped == 4 and schedule.waiting == BEGIN + 7 * HOUR


@pytest.mark.hazard(107)
async def test_allow_lets_them_run_side_by_side() -> None:
    async with TestHub(make_app()) as hub:
        await hub.client.schedules.create("s", every=HOUR, overlap="allow").start_new("work", 2.5)
        await hub.advance(5.25 * HOUR)
        expected = [(1, "Completed"), (2, "Completed"), (3, "Running"), (4, "Running"), (5, "Running")]
        assert hours(await shown(hub, "s")) == expected


@pytest.mark.hazard(107)
async def test_terminate_ends_the_one_before_first() -> None:
    async with TestHub(make_app()) as hub:
        await hub.client.schedules.create("s", every=HOUR, overlap="terminate").start_new("work", 2.5)
        await hub.advance(3.25 * HOUR)
        assert hours(await shown(hub, "s")) == [(1, "Terminated"), (2, "Terminated"), (3, "Running")]
        assert await seen(hub, "work") == [BEGIN + n * HOUR for n in (1, 2, 3)]


@pytest.mark.hazard(106)
@pytest.mark.parametrize("how", ["fails", "terminate", "cancel", "purge", "replace"])
async def test_whatever_ends_an_instance_its_schedule_is_told(how: str) -> None:
    async with TestHub(make_app()) as hub:
        client = hub.client
        making = client.schedules.create("s", every=HOUR)
        await (making.start_new("fails") if how == "fails" else making.start_new("work", 100))
        await hub.advance(HOUR)
        first = "s:2026-01-01T01:00:00Z"
        if how == "terminate":
            await client.terminate(first, "enough")
        elif how == "cancel":
            await client.cancel(first, "enough")
        elif how == "purge":
            await client.terminate(first, "enough")
            await hub.run_until_idle()
            await client.purge(first)
        elif how == "replace":
            await client.start_new("work", 0, instance_id=first, reuse="always")
        await hub.advance(HOUR)
        assert len((await shown(hub, "s")).last_runs) == 2


@pytest.mark.hazard(106)
async def test_what_continues_as_new_is_the_same_run() -> None:
    async with TestHub(make_app()) as hub:
        await hub.client.schedules.create("s", every=HOUR).start_new("again", 4)
        await hub.advance(5.25 * HOUR)
        assert hours(await shown(hub, "s")) == [(1, "Completed"), (4, "Running")]


@pytest.mark.hazard(106)
async def test_what_is_restarted_or_rewound_by_hand_is_no_run() -> None:
    async with TestHub(make_app()) as hub:
        await hub.client.schedules.create("s", every=HOUR).start_new("fails")
        await hub.advance(HOUR)
        [run] = (await shown(hub, "s")).last_runs
        assert run.status is RuntimeStatus.FAILED
        await hub.client.rewind(str(run.instance_id), "again")
        await hub.client.restart(str(run.instance_id))
        await hub.run_until_idle()
        assert (await shown(hub, "s")).last_runs == [run]
        await hub.advance(HOUR)
        assert len((await shown(hub, "s")).last_runs) == 2


@pytest.mark.hazard(107)
async def test_a_day_of_standstill_is_made_up_for_as_far_as_it_says() -> None:
    app = make_app(
        lambda app: app.schedule("s", every=HOUR, catch_up=timedelta(hours=3), overlap="allow").start_new("work", 0.1)
    )
    async with TestHub(app) as hub:
        await hub.advance(1.5 * HOUR)
        await hub._driver.stop()
        hub._driver.clock.advance_to(hub._driver.clock.now_ms() + 24 * 3_600_000)
        await hub._driver.start()
        await hub.run_until_idle()
        schedule = await shown(hub, "s")
        assert [hour for hour, _ in hours(schedule)] == [1, 23, 24, 25]
        assert schedule.missed == 21
        assert schedule.next_times[0] == BEGIN + 26 * HOUR


@pytest.mark.hazard(107)
async def test_how_many_are_made_up_for_is_a_setting() -> None:
    app = make_app(
        lambda app: app.schedule("s", every=HOUR, catch_up=timedelta(days=1), overlap="allow").start_new("work", 0.1)
    )
    app.settings = app.settings.model_copy(update={"catch_up_runs_max": 2})
    async with TestHub(app) as hub:
        await hub.run_until_idle()
        await hub._driver.stop()
        hub._driver.clock.advance_to(hub._driver.clock.now_ms() + 10 * 3_600_000)
        await hub._driver.start()
        await hub.run_until_idle()
        schedule = await shown(hub, "s")
        assert [hour for hour, _ in hours(schedule)] == [1, 2, 10]  # two of those that were missed, and what is due now
        assert schedule.missed == 7


@pytest.mark.hazard(107)
@pytest.mark.parametrize(
    ("overlap", "expected"),
    [
        ("skip", [1, 4, 7, 10]),  # while one runs for almost two and a half hours, two others are due
        ("buffer_one", [1, 2, 4, 6]),
        ("allow", [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]),
        ("terminate", [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]),
    ],
)
async def test_what_is_slow_under_each_policy(overlap: Any, expected: list[int]) -> None:
    async with TestHub(make_app()) as hub:
        await hub.client.schedules.create("s", every=HOUR, overlap=overlap).start_new("work", 2.4)
        await hub.advance(10.25 * HOUR)
        schedule = await shown(hub, "s")
        ran = [hour for hour, _ in hours(schedule)]
        assert ran == expected
        assert len(ran) + schedule.skipped + (overlap == "buffer_one") == 10
        running = [hour for hour, status in hours(schedule) if status == "Running"]
        assert len(running) == (3 if overlap == "allow" else 1)


async def test_a_year_of_nights_in_seconds() -> None:
    async with TestHub(make_app()) as hub:
        making = hub.client.schedules.create("s", cron="30 2 * * *", timezone="Europe/Oslo")
        await making.signal_entity(EntityId("Seen", "a"), "note")
        await hub.advance(timedelta(days=365))
        assert len(await seen(hub, "a")) == 365


async def test_pause_resume_and_trigger() -> None:
    async with TestHub(make_app()) as hub:
        schedules = hub.client.schedules
        await schedules.create("s", every=HOUR, catch_up=1.5 * HOUR).start_new("work", 0.1)
        await hub.advance(HOUR)
        await schedules.pause("s")
        await hub.advance(4.25 * HOUR)
        assert (await shown(hub, "s")).paused
        assert len((await shown(hub, "s")).last_runs) == 1
        assert await schedules.trigger("s") == "s:2026-01-01T05:15:00Z:1"
        await hub.advance(0.2 * HOUR)
        assert await schedules.trigger("s") == "s:2026-01-01T05:27:00Z:2"
        assert await schedules.trigger("s") is None  # one runs
        await hub.advance(0.1 * HOUR)
        await schedules.resume("s")
        await hub.run_until_idle()
        schedule = await shown(hub, "s")
        assert [hour for hour, _ in hours(schedule)] == [1, 5.25, 5.45, 5]
        assert (schedule.missed, schedule.paused) == (3, False)
        await hub.advance(HOUR)
        assert [hour for hour, _ in hours(await shown(hub, "s"))][-1] == 6


async def test_one_that_is_deleted_runs_no_more_and_what_it_started_runs_on() -> None:
    async with TestHub(make_app()) as hub:
        await hub.client.schedules.create("s", every=HOUR).start_new("work", 0.5)
        await hub.advance(HOUR)
        assert await hub.client.schedules.delete("s")
        assert not await hub.client.schedules.delete("s")
        await hub.advance(5 * HOUR)
        assert await hub.client.schedules.get("s") is None
        assert await hub.client.schedules.list() == []
        status = await hub.client.get_status("s:2026-01-01T01:00:00Z")
        assert status is not None and status.runtime_status is RuntimeStatus.COMPLETED
        assert len(await seen(hub, "work")) == 1
        assert sum(info.timers for info in await hub.client.store.info()) == 0


async def test_what_there_is_not_and_what_there_is_already() -> None:
    async with TestHub(make_app()) as hub:
        schedules = hub.client.schedules
        actions: list[Callable[[str], Awaitable[object]]] = [schedules.pause, schedules.resume, schedules.trigger]
        for action in actions:
            with pytest.raises(UnknownSchedule):
                await action("nowhere")
        assert await schedules.get("nowhere") is None
        for _ in range(2):
            await schedules.create("s", every=HOUR).start_new("work", 1)
        with pytest.raises(ScheduleExists):
            await schedules.create("s", every=HOUR).start_new("work", 2)
        with pytest.raises(InvalidInput):
            schedules.create("a/b", every=HOUR)
        names = [f"x{number}" for number in range(5)]
        for name in reversed(names):
            await schedules.create(name, every=HOUR).start_new("work", 1)
        assert [schedule.name async for schedule in schedules.list()] == ["s", *names]


@pytest.mark.hazard(109)
async def test_a_declaration_goes_with_the_worker_that_joined_last() -> None:
    def first(app: App) -> None:
        app.schedule("s", every=HOUR).start_new("work", 0.1)
        app.schedule("old", every=HOUR).start_new("work", 0.1)

    def second(app: App) -> None:
        app.schedule("s", every=2 * HOUR).start_new("work", 0.2)

    async with TestHub(make_app(first)) as hub:
        await hub.advance(HOUR)
        await hub.client.schedules.pause("s")
        await hub.restart_worker(make_app(first))
        await hub.run_until_idle()
        assert (await shown(hub, "s")).spec.every == HOUR
        await hub.restart_worker(make_app(second))
        await hub.run_until_idle()
        schedule = await shown(hub, "s")
        assert (schedule.spec.every, schedule.spec.input, schedule.paused) == (2 * HOUR, 0.2, True)
        assert len(schedule.last_runs) == 1
        assert (schedule.declared, schedule.orphaned) == (True, False)
        assert (await shown(hub, "old")).orphaned
        await hub.advance(HOUR)
        assert len((await shown(hub, "old")).last_runs) == 2  # it goes on
        assert await hub.client.schedules.delete("old")
        await hub.restart_worker(make_app(first))
        await hub.run_until_idle()
        assert (await shown(hub, "s")).spec.every == HOUR
        assert not (await shown(hub, "old")).orphaned


async def test_one_that_was_not_told_what_to_run_stops_the_app() -> None:
    def forgotten(app: App) -> None:
        app.schedule("s", every=HOUR)

    def twice(app: App) -> None:
        forgotten(app)
        forgotten(app)

    app = make_app(forgotten)
    for begin in (
        lambda: TestHub(app).__aenter__(),
        lambda: app.worker("memory://").__aenter__(),
        lambda: app.connect("memory://").__aenter__(),
    ):
        with pytest.raises(InvalidDefinition, match="say what it runs"):
            await begin()
    with pytest.raises(InvalidDefinition, match="say what it runs"):
        app.connect_sync("memory://")
    with pytest.raises(InvalidDefinition, match="declared already"):
        make_app(twice)


@pytest.mark.hazard(109)
async def test_schedules_are_among_no_entities() -> None:
    async with TestHub(make_app()) as hub:
        await hub.client.schedules.create("s", every=HOUR).start_new("work", 1)
        assert (await hub.client.page_entities()).items == []
        assert [info.entities for info in await hub.client.store.info()] == [0] * 4
        assert sum(info.instances for info in await hub.client.store.info()) == 0
        with pytest.raises(InvalidInput):
            EntityId("!schedule", "s")
        published = await hub.client.store.published()
        assert not [name for name in published if "schedule" in name]


@pytest.mark.parametrize("seed", range(3))
async def test_workers_that_die_start_each_occurrence_once(seed: int) -> None:
    async with TestHub(make_app(), kill_seed=seed) as hub:
        await hub.client.schedules.create("s", every=HOUR, overlap="buffer_one").start_new("work", 1.5)
        await hub.advance(12 * HOUR)
        begun = await seen(hub, "work")
        assert begun == [BEGIN + n * HOUR for n in (1, 2.5, 4, 5.5, 7, 8.5, 10, 11.5)]
