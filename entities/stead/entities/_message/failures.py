"""What an error looks like in a message: what a caller, or a reader of dead letters, is told of it."""

from __future__ import annotations

import asyncio

from stead.transport import InvalidInput
from stead.transport.describing import cause_of, is_a, message_of, qualified_name, text_of_error, traceback_of

from .envelope import Failure, FailureKind
from .errors import ArgumentRefused, UnknownOperation


class OperationTimeout(TimeoutError):
    """An asynchronous operation ran longer than `operation_ms_max` and was cancelled."""


def failure_of(error: BaseException) -> Failure:
    """What a caller or a reader of dead letters is told about an error: by its type, since its attributes are the user's."""
    kind: FailureKind = "operation"
    name = qualified_name(type(error))
    if is_a(error, UnknownOperation):  # of the entity, or raised by a function entity
        kind = "unknown_operation"
    elif is_a(error, ArgumentRefused):
        kind = "invalid_input"
        name = qualified_name(InvalidInput)
    elif is_a(error, OperationTimeout):
        kind = "time_out"
        name = "TimeoutError"
    elif is_a(error, asyncio.CancelledError):
        name = "asyncio.CancelledError"
    cause = cause_of(error)
    cause_text = "" if cause is None else text_of_error(cause)
    return Failure(kind, name, message_of(error), traceback_of(error), cause_text)


def failure_in_stead(error: BaseException) -> Failure:
    """What a caller is told of an error of stead's own, which has no part in what the caller asked for."""
    return Failure("operation", qualified_name(type(error)), message_of(error), traceback_of(error))
