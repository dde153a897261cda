"""How the code of an orchestrator has ended."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from stead.orchestrations._history.data import event_data, plain_data
from stead.orchestrations._history.events import Event, EventRaised, ExecutionCancelRequested, UpdateAccepted
from stead.orchestrations._history.failures import FailureDetails


@dataclass(frozen=True, slots=True)
class Completed:
    """The function returned: its result as plain data."""

    result: Any


@dataclass(frozen=True, slots=True)
class Failed:
    """The function raised, or cannot go on."""

    failure: FailureDetails
    ran_out: int = 0
    """The number of the timer by which it failed, if it did by one."""
    diverged: bool = False
    """The code does not do what its history says."""


@dataclass(frozen=True, slots=True)
class Canceled:
    """The function was asked to end, and has."""

    reason: str


@dataclass(frozen=True, slots=True)
class ContinuedAsNew:
    """The function returned after `continue_as_new`: the next execution's input as plain data, its version if another one
    was asked for, and the external events (name, data) that it finds waiting.
    """

    input: Any
    version: str | None = None
    events: Sequence[tuple[str, Any]] = field(default_factory=list[tuple[str, Any]])
    cancel: str | None = None
    """The reason for which the next execution is asked to end, if it came to the one before too late."""
    updates: Sequence[UpdateAccepted] = field(default_factory=list[UpdateAccepted])
    """What it was told too late."""


Outcome = Completed | Failed | Canceled | ContinuedAsNew


class Continued(NamedTuple):
    """What `continue_as_new` was told."""

    input: Any
    version: str | None
    keeps_events: bool


def with_late_event(outcome: Outcome, event: Event, continued: Continued | None, canceled: str | None) -> Outcome:
    """Something has come after the code had ended so: what the next execution has to know of it goes along. `canceled`: what
    the code was asked to end for, if it was."""
    if not isinstance(outcome, ContinuedAsNew) or continued is None:
        return outcome
    if isinstance(event, EventRaised) and continued.keeps_events:
        return replace(outcome, events=[*outcome.events, (event.name, event_data(event))])
    if isinstance(event, UpdateAccepted):
        return replace(outcome, updates=[*outcome.updates, event])
    if isinstance(event, ExecutionCancelRequested) and canceled is None:
        return replace(outcome, cancel=event.reason)
    return outcome


def failed(error: BaseException) -> Failed:
    """The end that an error brings about."""
    details = FailureDetails.of(error)
    return Failed(details, diverged=details.error_type.endswith("NonDeterminismError"))


def has_diverged(outcome: Outcome | None) -> bool:
    """Whether the code does not do what its history says."""
    return isinstance(outcome, Failed) and outcome.diverged


def outcome_of_result(encode: Callable[[Any], object], result: object) -> Outcome:
    """What the function's result means. One that cannot be stored is of no use to be had once more: it is final."""
    try:
        return Completed(plain_data(encode(result)))
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - serializers are the user's
        return Failed(FailureDetails.of(error).final())
