"""How the code of an orchestrator has ended."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from stead.orchestrations._history.data import plain_data
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


Outcome = Completed | Failed | Canceled | ContinuedAsNew


def outcome_of_result(encode: Callable[[Any], object], result: object) -> Outcome:
    """What the function's result means. One that cannot be stored is of no use to be had once more: it is final."""
    try:
        return Completed(plain_data(encode(result)))
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - serializers are the user's
        return Failed(FailureDetails.of(error).final())
