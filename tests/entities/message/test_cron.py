"""When rules of cron are due: against a clock that is looked at every minute, over ten years, in five zones."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim
from hypothesis import example, given, settings
from hypothesis import strategies as st

from stead.entities._message.cron import check_cron, next_due_ms, zone_of
from stead.entities._message.rhythm import Cron, Every, checked_cron, checked_every, rhythm_of
from stead.transport import InvalidInput

ZONES = ["Europe/Oslo", "America/New_York", "Australia/Lord_Howe", "America/Santiago", "Africa/Casablanca"]
FIRST, LAST = datetime(2020, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)

WILD = ["*/15 * * * *", "*/20 0-5 * * *", "0 */2 * * *", "*/30 2 * * *", "5 * 1,15 * *"]
FIXED = ["30 2 * * *", "0 2,3 * * *", "15,45 0-4 * * *", "30 1 * * SUN", "59 23 * 3,10 *"]


def ms(instant: datetime) -> int:
    return (instant - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


@cache
def transitions(name: str) -> list[datetime]:
    """When clocks of a zone are set, to the minute."""
    zone, found = ZoneInfo(name), list[datetime]()
    at = FIRST
    while at < LAST:
        if at.astimezone(zone).utcoffset() != (at + HOUR).astimezone(zone).utcoffset():
            minute = at
            while minute.astimezone(zone).utcoffset() == at.astimezone(zone).utcoffset():
                minute += MINUTE
            found.append(minute)
        at += HOUR
    return found


@cache
def shown(instant: datetime, name: str) -> datetime:
    return instant.astimezone(ZoneInfo(name)).replace(tzinfo=None)


@cache
def shown_before(begin: datetime, name: str) -> frozenset[datetime]:
    """What a clock has shown within a day."""
    return frozenset(shown(begin - MINUTE * (past + 1), name) for past in range(24 * 60))


@cache
def fits(rule: str, time: datetime) -> bool:
    return next(CronSim(rule, time - MINUTE)) == time


def looked_at(rule: str, name: str, begin: datetime, end: datetime, *, fixed: bool) -> list[int]:
    """When somebody who looks at the clock every minute would run a rule: the definition, word for word."""
    found: list[int] = []
    seen = set(shown_before(begin, name) if fixed else ())  # and of a gap those times that the clock never will show
    before = shown(begin - MINUTE, name)
    at = begin
    while at <= end:
        now = shown(at, name)
        if not fixed:
            due = fits(rule, now)
        else:
            passed = [before + MINUTE * n for n in range(1, max(0, (now - before) // MINUTE) + 1)] or [now]
            due = any(fits(rule, time) and time not in seen for time in passed)
            seen.update(passed)
        if due:
            found.append(ms(at))
        before = now
        at += MINUTE
    return found


def gone_through(rule: str, name: str, begin: datetime, end: datetime) -> list[int]:
    found: list[int] = []
    at: int | None = ms(begin) - 1
    while at is not None and at <= ms(end):
        at = next_due_ms(rule, name, at)
        if at is not None and at <= ms(end):
            found.append(at)
    return found


@pytest.mark.slow
@pytest.mark.hazard(108)
@pytest.mark.parametrize("name", ZONES)
@pytest.mark.parametrize(("rules", "fixed"), [(WILD, False), (FIXED, True)], ids=["wild", "fixed"])
def test_rules_around_every_change_of_the_clocks(name: str, rules: list[str], fixed: bool) -> None:
    assert len(transitions(name)) >= 18
    for change in transitions(name):
        for rule in rules:
            begin, end = change - 3 * HOUR, change + 3 * HOUR
            assert gone_through(rule, name, begin, end) == looked_at(rule, name, begin, end, fixed=fixed), (
                rule,
                change,
            )


FIELDS = (
    st.sampled_from(["*", "*/7", "0", "30", "5,45", "10-20/5"]),
    st.sampled_from(["*", "*/3", "0", "2", "1-3", "3,22"]),
    st.sampled_from(["*", "1", "29", "10-20", "L"]),
    st.sampled_from(["*", "3", "10,11", "FEB"]),
    st.sampled_from(["*", "SUN", "1-5", "7"]),
)
RULES = st.tuples(*FIELDS).map(" ".join)
INSTANTS = st.integers(ms(FIRST), ms(LAST))


@pytest.mark.hazard(108)
@given(rule=RULES, name=st.sampled_from(ZONES), after=INSTANTS)
@settings(deadline=None, max_examples=300)
@example("30 2 * * *", "Europe/Oslo", ms(datetime(2026, 10, 25, 0, 10, tzinfo=UTC)))
@example("*/7 * * * *", "Europe/Oslo", ms(datetime(2026, 10, 25, 0, 58, tzinfo=UTC)))
def test_the_next_time_is_the_next_one(rule: str, name: str, after: int) -> None:
    """It comes after, the clock shows a fitting time (or has passed over one), and nothing fits on the way there."""
    due = next_due_ms(rule, name, after)
    assert due is not None and due > after
    at = datetime.fromtimestamp(due / 1000, UTC)
    jump = shown(at, name) - shown(at - MINUTE, name)
    assert fits(rule, shown(at, name)) or jump > MINUTE
    assert next_due_ms(rule, name, due - 1) == due
    between = (after + due) // 2
    assert next_due_ms(rule, name, between) == (due if between < due else next_due_ms(rule, name, due))


@pytest.mark.parametrize("name", ZONES)
def test_ten_years_of_a_fixed_rule_have_one_run_a_day(name: str) -> None:
    runs = gone_through("30 2 * * *", name, FIRST, LAST)
    days = {shown(datetime.fromtimestamp(due / 1000, UTC), name).date() for due in runs}
    assert len(runs) == len(days) == (LAST - FIRST).days


def test_summer_time_by_name() -> None:
    oslo = ZoneInfo("Europe/Oslo")
    spring = next_due_ms("30 2 * * *", "Europe/Oslo", ms(datetime(2026, 3, 28, 12, tzinfo=UTC)))
    assert spring == ms(datetime(2026, 3, 29, 3, 0, tzinfo=oslo))
    autumn = next_due_ms("30 2 * * *", "Europe/Oslo", ms(datetime(2026, 10, 24, 12, tzinfo=UTC)))
    assert autumn == ms(datetime(2026, 10, 25, 2, 30, tzinfo=oslo))


@pytest.mark.parametrize(
    "rule",
    ["", "* * * *", "0 * * * * *", "61 * * * *", "@daily", "0 0 30 2 *", "0 0 31 4,6 *", "x * * * *", "* " * 200],
)
def test_what_is_no_rule_is_refused(rule: str) -> None:
    with pytest.raises(InvalidInput):
        check_cron(rule, "UTC")


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        *((rule, "it is never due") for rule in ("0 0 30 2 *", "0 0 31 4,6 *", "0 0 31 FEB *")),
        *((rule, "bad day-of-month") for rule in ("0 0 32 * *", "0 0 32 2 *")),
        ("0 0 1 13 *", "bad month"),
        ("61 * 30 2 *", "bad minute"),
        ("a b c d e", "bad minute"),
    ],
)
def test_whoever_writes_no_rule_hears_what_is_wrong_with_it(rule: str, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        check_cron(rule, "UTC")


@pytest.mark.parametrize("name", ["", "Europe", "../etc/passwd", "/etc/passwd", "Europe/Atlantis", "a\0b", 5, None])
def test_what_is_no_time_zone_is_refused(name: str) -> None:
    with pytest.raises(InvalidInput):
        zone_of(name)


def test_a_day_that_comes_every_four_years_is_waited_for() -> None:
    after = ms(datetime(2096, 3, 1, tzinfo=UTC))
    assert next_due_ms("0 0 29 2 *", "UTC", after) == ms(datetime(2104, 2, 29, tzinfo=UTC))


def test_the_day_of_the_month_and_that_of_the_week_are_alternatives() -> None:
    after = ms(datetime(2026, 6, 1, tzinfo=UTC))  # a Monday
    found = [next_due_ms("0 0 3 * FRI", "UTC", after)]
    found.append(next_due_ms("0 0 3 * FRI", "UTC", found[0] or 0))
    assert found == [ms(datetime(2026, 6, day, tzinfo=UTC)) for day in (3, 5)]


@pytest.mark.hazard(102)
@given(every=st.integers(1_000, 10**9), anchor=st.integers(0, 10**13), after=st.integers(0, 10**13))
def test_an_interval_counts_from_its_anchor(every: int, anchor: int, after: int) -> None:
    due = Every(every, anchor).next_after(after)
    assert (due is not None and due > after) or due == anchor
    assert due is not None and due >= anchor and (due - anchor) % every == 0
    assert due == anchor or due - every <= after


def test_rhythms_are_stored_and_read_back() -> None:
    for rhythm in (Every(1_000, 5), Cron("0 9 * * *", "Europe/Oslo")):
        assert rhythm_of(rhythm.as_data()) == rhythm
    assert rhythm_of(None) is None
    for nonsense in ([], ["every"], ["every", 0, 1], ["cron", 1, "UTC"], ["monthly", 1, 2]):
        with pytest.raises(InvalidInput):
            rhythm_of(nonsense)
    assert checked_cron(" 0  9 * * * ", "UTC") == Cron("0 9 * * *", "UTC")
    with pytest.raises(InvalidInput):
        checked_every(timedelta(milliseconds=999))
    assert checked_every(timedelta(seconds=1)) == 1_000
