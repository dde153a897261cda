"""Which occurrences are run, made up for and missed: all of them, each once, and in order."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stead.orchestrations._schedules.occurrences import GRACE_MS, RunPlan, jitter_of, next_occurrence, plan_runs
from stead.orchestrations._schedules.schedule import SCHEDULES, instance_id_of, schedule_type
from stead.orchestrations._schedules.spec import Spec, check_schedule_name, make_timing
from stead.transport import InvalidInput

BEGIN_MS = 1_767_225_600_000  # 2026-01-01T00:00Z
HOUR_MS = 3_600_000
ZONES = ["Europe/Oslo", "America/New_York", "Australia/Lord_Howe", "America/Santiago", "Africa/Casablanca"]
RULES = ["30 2 * * *", "*/15 * * * *", "0 9 * * MON-FRI", "0 0 1 * *", "0 */6 * * *"]


def every(seconds: int, **more: Any) -> Spec:
    return Spec(every_ms=seconds * 1_000, **more)


def gone_through(spec: Spec, looks_ms: list[int], made_up_max: int = 100) -> tuple[list[int], int, int | None]:
    """What is run in the end by somebody who looks at these times: the runs, how many were missed, and what comes next."""
    runs: list[int] = []
    missed = made_up = 0
    next_ms = next_occurrence(spec, BEGIN_MS, BEGIN_MS)
    for now_ms in looks_ms:
        while True:
            plan = plan_runs(spec, "s", BEGIN_MS, next_ms, now_ms, made_up, made_up_max)
            runs += plan.run
            missed += plan.missed
            done = plan.next_ms == next_ms
            next_ms, made_up = plan.next_ms, plan.made_up
            if done:
                break
    return runs, missed, next_ms


@pytest.mark.hazard(107)
@given(
    rule=st.sampled_from(RULES),
    zone=st.sampled_from(ZONES),
    start_day=st.integers(1, 3_650),
    steps=st.lists(st.integers(1, 40 * HOUR_MS), min_size=1, max_size=30),
    catch_up=st.sampled_from([0, 60_000, HOUR_MS, 100 * HOUR_MS]),
    jitter=st.sampled_from([0, 0, 20 * 60_000]),
)
@settings(deadline=None, max_examples=60)
def test_each_occurrence_of_the_parser_is_run_or_missed_once(
    rule: str, zone: str, start_day: int, steps: list[int], catch_up: int, jitter: int
) -> None:
    """Ten years, five zones, and whenever it is that somebody looks."""
    begin_ms = BEGIN_MS + start_day * 24 * HOUR_MS
    spec = Spec(cron=rule, timezone=zone, catch_up_ms=catch_up, jitter_ms=jitter, start_ms=begin_ms)
    now_ms, looks = begin_ms, list[int]()
    for step in steps:
        now_ms += step
        looks.append(now_ms)
    runs, missed, next_ms = gone_through(spec, looks, made_up_max=1_000_000)
    due_of = dues(spec, begin_ms, now_ms)
    assert len(runs) + missed == len(due_of)
    assert next_ms is not None and next_ms not in due_of
    assert runs == sorted(set(runs)) and set(runs) <= set(due_of)
    window = max(catch_up, GRACE_MS)
    for run in runs:
        assert any(due_of[run] <= look <= due_of[run] + window for look in looks)


def dues(spec: Spec, begin_ms: int, now_ms: int) -> dict[int, int]:
    """When each occurrence up to now was to be run: one with little jitter after an earlier one with more."""
    rhythm, found, at, due = spec.rhythm(BEGIN_MS), dict[int, int](), begin_ms - 1, 0
    while True:
        at = rhythm.next_after(at) or now_ms + 1
        due = max(due, at + jitter_of(spec, "s", at))
        if due > now_ms:
            return found
        found[at] = due


@pytest.mark.hazard(107)
@given(jitter=st.integers(0, 2 * HOUR_MS), catch_up=st.sampled_from([0, 60_000]), seconds=st.integers(1, 900))
@settings(deadline=None, max_examples=30)
def test_whoever_looks_at_each_due_time_misses_nothing_however_much_jitter_there_is(
    jitter: int, catch_up: int, seconds: int
) -> None:
    spec = every(seconds, jitter_ms=jitter, catch_up_ms=catch_up)
    runs, missed, next_ms, now_ms = list[int](), 0, next_occurrence(spec, BEGIN_MS, BEGIN_MS), BEGIN_MS
    for _ in range(60):
        assert next_ms is not None
        now_ms = max(now_ms, next_ms + jitter_of(spec, "s", next_ms))  # as the schedule is reminded
        plan = plan_runs(spec, "s", BEGIN_MS, next_ms, now_ms, 0, 100)
        runs, missed, next_ms = runs + plan.run, missed + plan.missed, plan.next_ms
    assert missed == 0
    assert runs == [BEGIN_MS + (n + 1) * seconds * 1_000 for n in range(len(runs))]


@pytest.mark.hazard(107)
def test_a_standstill_is_made_up_for_in_order_and_no_further() -> None:
    spec = every(600, catch_up_ms=HOUR_MS)
    day = BEGIN_MS + 24 * HOUR_MS + 1_000
    runs, missed, next_ms = gone_through(spec, [day])
    assert runs == [BEGIN_MS + n * 600_000 for n in range(139, 145)]
    assert missed == 138
    assert next_ms == BEGIN_MS + 145 * 600_000


@pytest.mark.hazard(107)
def test_so_many_are_made_up_for_and_no_more() -> None:
    spec = every(1, catch_up_ms=24 * HOUR_MS)
    runs, missed, _ = gone_through(spec, [BEGIN_MS + 10 * HOUR_MS])
    late = [run for run in runs if run < BEGIN_MS + 10 * HOUR_MS - GRACE_MS]
    assert late == [BEGIN_MS + n * 1_000 for n in range(1, 101)]
    assert runs[100:] == [BEGIN_MS + 10 * HOUR_MS - n * 1_000 for n in range(5, -1, -1)]
    assert len(runs) + missed == 36_000


def test_what_was_missed_for_years_takes_no_time() -> None:
    spec = every(1)
    plan = plan_runs(spec, "s", BEGIN_MS, BEGIN_MS + 1_000, BEGIN_MS + 10 * 365 * 24 * HOUR_MS, 0, 100)
    assert plan.missed > 300_000_000 and len(plan.run) == 61


def test_on_time_is_on_time_however_little_is_caught_up() -> None:
    spec = every(60, catch_up_ms=0)
    assert gone_through(spec, [BEGIN_MS + 60_000 + GRACE_MS])[:2] == ([BEGIN_MS + 60_000], 0)
    assert gone_through(spec, [BEGIN_MS + 60_001 + GRACE_MS])[:2] == ([], 1)


def test_start_and_end_are_kept() -> None:
    spec = every(60, start_ms=BEGIN_MS + HOUR_MS, end_ms=BEGIN_MS + HOUR_MS + 120_000, catch_up_ms=HOUR_MS)
    runs, missed, next_ms = gone_through(spec, [BEGIN_MS + HOUR_MS - 1, BEGIN_MS + HOUR_MS + 600_000])
    assert runs == [BEGIN_MS + HOUR_MS + n * 60_000 for n in range(3)]
    assert (missed, next_ms) == (0, None)
    assert plan_runs(spec, "s", BEGIN_MS, None, BEGIN_MS, 0, 100) == RunPlan()


@given(st.text(min_size=1, max_size=5), st.integers(0, 10**13), st.integers(1, 10**7))
def test_jitter_is_drawn_once_for_all(name: str, occurrence_ms: int, jitter_ms: int) -> None:
    spec = every(60, jitter_ms=jitter_ms)
    drawn = jitter_of(spec, name, occurrence_ms)
    assert 0 <= drawn <= jitter_ms
    assert jitter_of(spec, name, occurrence_ms) == drawn
    assert jitter_of(every(60), name, occurrence_ms) == 0


def test_jitter_spreads() -> None:
    spec = every(60, jitter_ms=60_000)
    drawn = {jitter_of(spec, "s", BEGIN_MS + n * 60_000) for n in range(200)}
    assert len(drawn) > 190


@pytest.mark.hazard(105)
def test_an_instance_is_named_by_its_occurrence() -> None:
    assert instance_id_of("nightly", BEGIN_MS) == "nightly:2026-01-01T00:00:00Z"
    assert instance_id_of("nightly", BEGIN_MS + 5) == "nightly:2026-01-01T00:00:00.005Z"


@pytest.mark.hazard(109)
def test_the_kind_has_a_name_that_nobody_can_write() -> None:
    assert f"@{schedule_type().canonical}@" == SCHEDULES
    assert schedule_type().canonical == "!schedule"


REFUSED: list[dict[str, Any]] = [
    {},
    {"cron": "0 9 * * *", "every": timedelta(hours=1)},
    {"every": timedelta(milliseconds=999)},
    {"every": timedelta(hours=1), "timezone": "Europe/Oslo"},
    {"cron": "0 9 * *"},
    {"cron": "0 9 * * *", "timezone": "Nowhere"},
    {"every": timedelta(hours=1), "overlap": "queue"},
    {"every": timedelta(hours=1), "start": datetime(2026, 1, 1)},
    {"every": timedelta(hours=1), "start": datetime(2026, 1, 2, tzinfo=UTC), "end": datetime(2026, 1, 1, tzinfo=UTC)},
    {"every": timedelta(hours=1), "jitter": 5},
    {"every": timedelta(hours=1), "jitter": timedelta(seconds=-1)},
    {"every": timedelta(hours=1), "catch_up": timedelta(seconds=-1)},
]


@pytest.mark.parametrize("options", REFUSED)
def test_what_makes_no_sense_is_refused(options: dict[str, Any]) -> None:
    nothing = dict.fromkeys(("cron", "every", "timezone", "start", "end", "jitter", "overlap", "catch_up"))
    with pytest.raises(InvalidInput):
        make_timing(**{**nothing, **options})


@pytest.mark.parametrize("name", ["", "a/b", "@a", "a#b", "x" * 201, 5, "a\n"])
def test_what_cannot_begin_the_id_of_an_instance_is_no_name(name: str) -> None:
    with pytest.raises(InvalidInput):
        check_schedule_name(name)


def test_specs_are_told_apart() -> None:
    assert every(60).mark() == every(60).mark() != every(61).mark()
