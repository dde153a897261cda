"""What ran last: bounded, however much runs and however many are looked at; and read from any heartbeat, or left out."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stead.entities._measures.recent import (
    APART_KEPT,
    RUNS_KEPT,
    TOLD_MAX,
    WATCHED_MAX,
    RecentRun,
    RecentRuns,
    ToldRun,
    told_of,
)
from stead.transport import pack


def test_what_many_tell_is_bounded_and_the_newest_stays() -> None:
    recent = RecentRuns()
    names = [f"@station@{number}" for number in range(3 * WATCHED_MAX)]
    recent.watch(names, 0.0)
    assert len(recent.watched) == WATCHED_MAX
    for number in range(500):
        for name in names:
            recent.note_apart(RecentRun(name, "o" * 1_000, 1, float(number), 0.5, "E" * 1_000))
            recent.runs.append((name, "o", 1, float(number), 0.5))
    assert (len(recent.runs), len(recent.apart)) == (RUNS_KEPT, APART_KEPT)
    now = {"now": {"recent": recent.told(1_000_000, 499.0)}}
    assert len(pack(now)) < 16_384 + TOLD_MAX * 400
    found = told_of(now, names[0])
    assert found is not None
    assert found[0] == 1_000_000 - 499_000
    assert found[1][-1] == ToldRun("o" * 200, 1, 1_000_000, 0.5, "E" * 200)
    told = [told_of(now, name) for name in names]
    assert sum(len(each[1]) for each in told if each is not None) <= TOLD_MAX
    assert told[-1] is None


def test_who_stays_watched_keeps_its_rows_and_who_comes_anew_has_what_is_remembered() -> None:
    recent = RecentRuns()
    recent.runs.append(("@a@1", "brief", 5, 1.0, 0.001))
    recent.note_apart(RecentRun("@a@1", "long", 1, 0.5, 0.4))
    recent.note_apart(RecentRun("@a@2", "other", 1, 0.6, 0.4))
    recent.watch(["@a@1"], 2.0)
    recent.note_apart(RecentRun("@a@1", "new", 1, 3.0, 0.0))
    recent.watch(["@a@2", "@a@1"], 4.0)
    kept = recent.watched["@a@1"]
    assert (kept.since_s, [run.operation for run in kept.runs]) == (2.0, ["long", "brief", "new"])
    assert [run.operation for run in recent.watched["@a@2"].runs] == ["other"]
    recent.watch([], 5.0)
    assert recent.told(0, 5.0) == []
    recent.watch(["@a@" + "k" * 1_000], 6.0)
    assert recent.watched == {}, "its name alone would be too much for a heartbeat"


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just("@a@1") | st.just("recent"),
    lambda inner: (
        st.lists(inner, max_size=6) | st.dictionaries(st.sampled_from(["now", "recent", "x"]), inner, max_size=3)
    ),
)


@given(_JSON)
def test_what_another_version_says_is_read_or_left_out(said: Any) -> None:
    for info in (
        {"now": {"recent": said}},
        {"now": said},
        {"now": {"recent": [["@a@1", 5, [said, ["o", 1, 2, 0.5, ""]]]]}},
    ):
        found = told_of(info, "@a@1")
        assert found is None or all(isinstance(run, ToldRun) and run.times > 0 for run in found[1])
    assert found is not None
    assert found[1][-1] == ToldRun("o", 1, 2, 0.5, "")


@pytest.mark.parametrize("count", [0, -1, True])
def test_a_row_without_a_count_is_none(count: object) -> None:
    found = told_of({"now": {"recent": [["@a@1", 0, [["o", count, 0, 0.0, ""]]]]}}, "@a@1")
    assert found == (0, [])
