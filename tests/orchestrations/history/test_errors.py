"""Errors say what happened, keep their fields and survive pickling."""

from __future__ import annotations

import pickle

import pytest

from stead.entities import SteadError
from stead.orchestrations import (
    ActivityFailed,
    ActivityNotFound,
    CriticalSectionError,
    FailureDetails,
    HistoryTooLong,
    InstanceExists,
    InstanceFinished,
    InstanceRunning,
    LockLost,
    NonDeterminismError,
    NonRetriable,
    NotDeterministic,
    OrchestrationFailed,
    SubOrchestrationFailed,
    TooManyCalls,
    UnknownInstance,
    UnknownOrchestration,
)

CAUSE = FailureDetails("KeyError", "'x'", "…")

ERRORS: list[tuple[SteadError, list[str]]] = [
    (ActivityFailed("charge", "ValueError", "no money", "…", CAUSE), ["charge", "ValueError", "no money"]),
    (ActivityFailed("charge", "ValueError", ""), ["charge", "ValueError"]),
    (
        SubOrchestrationFailed("approval", "i-1", "ValueError", "no", "…", CAUSE),
        ["approval", "i-1", "ValueError", "no"],
    ),
    (OrchestrationFailed("trip", "t-1", "ValueError", "no", "…", CAUSE), ["trip", "t-1", "ValueError", "no"]),
    (OrchestrationFailed("trip", "t-1", "ValueError", ""), ["trip", "t-1", "ValueError"]),
    (NonRetriable("never"), ["never"]),
    (NonDeterminismError("one here, two there"), ["one here, two there"]),
    (NotDeterministic("approval", ["a.py:1: time.time()", "a.py:2: open()"]), ["approval", "a.py:1", "a.py:2"]),
    (UnknownOrchestration("approval", ["one", "two"], "2.0"), ["approval", "2.0", "one, two", "@app.orchestration"]),
    (UnknownOrchestration("approval"), ["approval"]),
    (ActivityNotFound("charge", ["one"]), ["charge", "one"]),
    (UnknownInstance("i-1"), ["i-1", "does not exist"]),
    (InstanceExists("i-1", "Running"), ["i-1", "Running", "exists"]),
    (InstanceFinished("i-1", "Failed"), ["i-1", "Failed", "finished"]),
    (InstanceRunning("i-1", "Running"), ["i-1", "not finished"]),
    (LockLost("@account@a", "gone"), ["@account@a", "gone"]),
    (CriticalSectionError("no locks within locks"), ["no locks within locks"]),
    (TooManyCalls("i-1", 50_000), ["i-1", "50,000", "sub-orchestrations", "STEAD_TURN_CALLS_MAX"]),
    (HistoryTooLong("i-1", 200_001, 200_000), ["i-1", "200,001", "200,000", "continue_as_new"]),
]


@pytest.mark.parametrize(("error", "words"), ERRORS, ids=lambda value: type(value).__name__)
def test_an_error_says_what_happened_and_survives_pickling(error: SteadError, words: list[str]) -> None:
    for word in words:
        assert word in str(error)
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert (str(again), vars(again)) == (str(error), vars(error))


@pytest.mark.parametrize("failed", [ERRORS[0][0], ERRORS[2][0]])
def test_what_was_raised_elsewhere_stays_visible(failed: SteadError) -> None:
    details = FailureDetails.of(failed)
    assert details.is_caused_by("ValueError")
    assert details.is_caused_by(KeyError)


def test_errors_are_made_of_what_the_log_says() -> None:
    failure = FailureDetails("ValueError", "no", "…", CAUSE)
    assert ActivityFailed.of("charge", failure).details == failure
    assert SubOrchestrationFailed.of("approval", "i-1", failure).details == failure


@pytest.mark.parametrize(
    ("error", "final"), [(NonRetriable("x"), True), (ActivityNotFound("x"), True), (ERRORS[0][0], False)]
)
def test_some_errors_are_not_tried_again(error: SteadError, final: bool) -> None:
    assert FailureDetails.of(error).non_retriable is final


@pytest.mark.parametrize("final", [True, False])
def test_what_fails_by_what_failed_for_good_does_so_too(final: bool) -> None:
    failure = FailureDetails.of(NonRetriable("stolen") if final else ValueError("busy"))
    errors = [ActivityFailed.of("pay", failure), SubOrchestrationFailed.of("child", "one:1", failure)]
    for one in (*errors, pickle.loads(pickle.dumps(errors[0]))):
        details = FailureDetails.of(one)
        assert one.details.non_retriable is final
        assert details.non_retriable is final
        assert details.cause is not None
        assert details.cause.non_retriable is final
