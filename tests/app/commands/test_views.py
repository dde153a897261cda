"""How an event of a history looks on a line of `stead history`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from stead.app._commands.views import local_time, what_happened
from stead.app._console.words import number_of
from stead.orchestrations import HistoryEvent

AT = datetime(2030, 1, 31, 12, tzinfo=UTC)
AT_MS = int(AT.timestamp() * 1000)


def seen(event_type: str, **fields: Any) -> str:
    return what_happened(HistoryEvent(event_type, AT, 1, fields))


def test_arguments_that_were_given_by_name_are_shown() -> None:
    assert seen("TaskScheduled", name="charge", args=["o-1"], kwargs={"cents": 7}, queue="", tags=None, attempt=1) == (
        'charge  ["o-1"]  cents 7'
    )
    assert seen("EntityOperationCalled", entity_id="@a@1", operation="add", args=[], kwargs={"by": 2}, lock=None) == (
        "add  @a@1  by 2"
    )


def test_times_and_delays_are_for_people() -> None:
    assert seen("TimerCreated", fire_at_ms=AT_MS, purpose="", asked=AT_MS) == local_time(AT)
    assert seen("OrchestrationInstanceStarted", name="n", instance_id="i", at_ms=AT_MS) == f"n  i  {local_time(AT)}"
    assert seen(
        "EntityOperationSignaled", operation="add", entity_id="@a@1", args=[1], due_ms=None, delay_ms=1_500
    ) == ("add  @a@1  [1]  in 1.5 s")


def test_what_is_of_use_to_workers_alone_is_left_out() -> None:
    assert seen("ExecutionCompleted", status=1, result="done", failure=None, ran_out=0) == 'Completed  "done"'
    assert seen("ExecutionRewound", reason="", execution_id="e", children=["a"], running_children=["a"]) == ""
    assert seen("EventRaised", name="Paid", input=None, encoded_twice=True) == "Paid"


@pytest.mark.parametrize(
    ("count", "words", "said"),
    [
        (0, ("entity", "entities"), "no entities"),
        (1, ("entity", "entities"), "1 entity"),
        (2_000, ("entity", "entities"), "2,000 entities"),
        (2, ("dead letter",), "2 dead letters"),
    ],
)
def test_a_number_agrees_with_its_word(count: int, words: tuple[str, ...], said: str) -> None:
    assert number_of(count, *words) == said
