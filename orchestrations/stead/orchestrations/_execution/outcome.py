"""What an execution gives its worker besides events: what to cancel, and how it ended."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from stead.orchestrations._history.data import plain
from stead.orchestrations._history.failures import FailureDetails


@dataclass(frozen=True, slots=True)
class CancelTask:
    """Nobody waits for the answer to a scheduled event any more: unset the timer, tell the activity to end."""

    task_id: int


@dataclass(frozen=True, slots=True)
class Completed:
    """The function returned: its result as plain data."""

    result: Any


@dataclass(frozen=True, slots=True)
class Failed:
    """The function raised, or cannot go on."""

    failure: FailureDetails


@dataclass(frozen=True, slots=True)
class ContinuedAsNew:
    """The function returned after `continue_as_new`: the next execution's input as plain data, its version if another one
    was asked for, and the external events (name, data) that it finds waiting.
    """

    input: Any
    version: str | None = None
    events: Sequence[tuple[str, Any]] = field(default_factory=list[tuple[str, Any]])


Outcome = Completed | Failed | ContinuedAsNew


def outcome_of_result(encode: Callable[[Any], object], result: object) -> Outcome:
    """What the function's result means. One that cannot be stored is of no use to be had once more: it is final."""
    try:
        return Completed(plain(encode(result)))
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - serializers are the user's
        return Failed(FailureDetails.of(error).final())
