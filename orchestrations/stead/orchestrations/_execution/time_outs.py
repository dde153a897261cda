"""By which timer the code of an orchestrator has failed, if it did by one: a rewinding gives that all of its time again.

1. It failed in the turn of a timer that had raced something: that timer.
2. Its error is a `TimeoutError`, or it raised another from one or while it handled one: the last time-out, whatever the code
   has done since.
3. It raised an error after a time-out and no more than what it had asked for in the time-out's turn: it told somebody, and
   then raised. What it does after that is not about the time-out any more, and what went well would be done again.

An error that Python raises by itself, in a later turn, is a fault of the code, which can be mended: nothing is to be done again.
"""

from __future__ import annotations

import asyncio
import dis
from asyncio import futures
from typing import Any

from stead.orchestrations._history.errors import ActivityFailed
from stead.orchestrations._history.events import TIME_OUT_OF, TimerCreated
from stead.transport.describing import cause_of, field_of, fields_of, is_a, last_frame_of, members_of

from .handles import DurableHandle

_ERRORS_MAX = 100  # in the causes of one that are looked at
_RAISE = dis.opmap["RAISE_VARARGS"]
_SLEPT: Any = vars(futures)["_set_result_unless_cancelled"]
_CHOICES = ("_on_completion", "_handle_completion")  # by which `asyncio.wait` and `as_completed` are told


class TimeOuts:
    """What the timers of one execution have brought about."""

    __slots__ = ("_is_raised", "_is_timeout", "_more", "_time_out", "raced")

    def __init__(self) -> None:
        self.raced = 0  # the last timer that fired while the code could wait for something else too
        self._time_out = 0  # the last of these that ended a wait, and was not slept for
        self._more = False  # the code has asked for something in a turn after that one
        self._is_timeout = self._is_raised = False  # of the error by which it failed

    def fired(self, task_id: int, waiting: object) -> None:
        """A timer fires, which raced something. `waiting`: whoever waits for it, and has not been told."""
        self.raced = task_id
        if _ends_a_wait(waiting):
            self._time_out, self._more = task_id, False

    def ran(self, task_id: int, asked: bool) -> None:
        """The code has run after an event, and has not ended. `asked`: for something that it had not asked for before."""
        self._more = self._more or (asked and task_id != self._time_out)

    def failed(self, error: BaseException) -> None:
        """The code raised an error."""
        self._is_raised = _is_raised(error)
        self._is_timeout = is_a(error, TimeoutError) or (self._is_raised and _is_of_a_time_out(error))

    def ended_by(self, task_id: int) -> int:
        """The number of the timer by which the code failed after an event; 0 if by none."""
        if self.raced == task_id:
            return task_id
        if self._is_timeout:
            return self._time_out or self.raced
        return self._time_out if self._is_raised and not self._more else 0


def is_limit(timer: TimerCreated) -> bool:
    """Whether a timer is one of the code's own, or the time for an activity: others only wait between attempts."""
    return not timer.purpose or timer.purpose.startswith(TIME_OUT_OF)


def _ends_a_wait(waiting: object) -> bool:
    """Whether a timer is one of `asyncio.timeout` and its kind, one of several things that the code waits for, or the time for
    an activity."""
    timer: Any = waiting
    if isinstance(waiting, DurableHandle):
        return timer._callback is not _SLEPT
    if isinstance(waiting, asyncio.Future):
        return any(getattr(callback, "__name__", "") in _CHOICES for callback, _ in timer._callbacks or ())
    return True


def _is_of_a_time_out(error: BaseException) -> bool:
    """Whether there is a `TimeoutError` among an error and its causes, or what an activity says that ran out of time."""
    left, seen = [error], set[int]()
    while left and len(seen) < _ERRORS_MAX:
        one = left.pop()
        if id(one) in seen:
            continue
        if is_a(one, TimeoutError):
            return True
        if is_a(one, ActivityFailed) and field_of(fields_of(one), "error_type") == "TimeoutError":
            return True
        seen.add(id(one))
        left += [inner for inner in (cause_of(one), *members_of(one)) if inner is not None]
    return False


def _is_raised(error: BaseException) -> bool:
    """Whether an error comes from a `raise`."""
    last = last_frame_of(error)
    return last is not None and last.tb_frame.f_code.co_code[last.tb_lasti] == _RAISE
