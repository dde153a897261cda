"""Runs that are noted in passing: whoever reads what was measured has them in it, and they are never many."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from stead.entities._definition.entity_type import FunctionEntityType
from stead.entities._measures.hottest import Hottest
from stead.entities._measures.measures import Measured, Measures
from stead.entities._measures.meter import Meter
from stead.entities._measures.noted import NOTED_MAX, WORDS_MAX
from stead.entities._measures.recent import RUNS_KEPT
from stead.entities._measures.window import MINUTE_MS, Window
from stead.entities._turns.known import Known

KEY = Measured("operation", "Station", "record")


def note(measures: Measures, target: str, count: int = 1, ended_s: float = 0.0, seconds: float = 0.5) -> None:
    measures.noted += (measures.meter(*KEY), target, "record", count, ended_s, seconds)  # type: ignore[arg-type]


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.integers(1, 5), st.floats(1e-6, 10.0)), max_size=50))
def test_what_was_noted_is_what_would_have_been_counted_at_once(runs: list[tuple[str, int, float]]) -> None:
    measures, meter, hottest = Measures(), Meter(), Hottest()
    for place, (target, count, seconds) in enumerate(runs):
        note(measures, target, count, float(place), seconds)
        meter.add_run(count, seconds)
        hottest.note(target, count)
    assert measures.recent.runs == _rows(runs)
    assert measures.hottest.top(9) == hottest.top(9)
    assert measures.meters == ({KEY: meter} if runs else {})
    assert measures.meters == ({KEY: meter} if runs else {}), "once each, however often it is read"


@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("abcd"), st.floats(1e-6, 10.0)), max_size=50))
def test_so_it_is_where_each_run_is_one_message(runs: list[tuple[str, str, float]]) -> None:
    measures, meters, hottest = Measures(), dict[Measured, Meter](), Hottest()
    for name, target, seconds in runs:
        measures.noted += (measures.meter("operation", name), target, "record", 1, 0.0, seconds)
        meters.setdefault(Measured("operation", name), Meter()).add_run(1, seconds)
        hottest.note(target, 1)
    assert (measures.meters, measures.hottest.top(9)) == (meters, hottest.top(9))


def _rows(runs: list[tuple[str, int, float]]) -> object:
    rows = [(target, "record", count, float(at), seconds) for at, (target, count, seconds) in enumerate(runs)]
    recent = Measures().recent.runs
    recent.extend(rows)
    return recent


def test_whoever_runs_operations_sums_up_what_has_become_much() -> None:
    measures = Measures()
    entity = FunctionEntityType("Station", lambda context: None)  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]
    known = Known(entity, measures, lambda packed, eager: NotImplemented)
    operation = known.operation("record")
    most = 0
    for number in range(3 * NOTED_MAX + 5):
        known.ran_before(f"@station@{number}", operation, 1, 1.0, 1.5)
        most = max(most, len(measures.noted))
    assert most <= WORDS_MAX
    assert measures.summed_up[Measured("operation", "Station", "record")].count == 3 * NOTED_MAX
    assert measures.meters[Measured("operation", "Station", "record")].count == 3 * NOTED_MAX + 5
    assert len(measures.recent.runs) == RUNS_KEPT
    assert measures.recent.runs[-1][0] == f"@station@{3 * NOTED_MAX + 4}"


def test_a_minute_has_what_was_noted_before_its_end_and_the_next_one_has_not() -> None:
    measures = Measures()
    window = Window(measures, 0)
    note(measures, "a")
    assert window.turn_over(MINUTE_MS)
    note(measures, "b")
    block = window.within_minute(MINUTE_MS + 1)
    assert ([hot.target for hot in block.hot], block.meters[KEY].count) == (["b"], 1)
    assert window.sums(MINUTE_MS + 1).meters[KEY].count == 2


def test_what_is_counted_anew_has_nothing_of_what_was_noted_before() -> None:
    measures = Measures()
    note(measures, "a")
    measures.count_anew()
    assert (measures.hottest.top(1), measures.meters[KEY].count) == ([], 1)
    measures.note_messages("b", 2)
    assert [(hot.target, hot.messages) for hot in measures.hottest.top(1)] == [("b", 2)]


def test_another_thread_sees_sums_and_touches_nothing() -> None:
    measures = Measures()
    note(measures, "a")
    assert measures.summed_up[KEY].count == 0
    assert len(measures.noted) > 0, "the worker's thread may note just now"
