"""The operations of instances: what their messages are called, and what their arguments are.

    start      name, version or None, input, created_ms, at_ms or None, tags or None, parent or None, reuse; the message's
               `waiter` is answered as a wait is
    event      name, data, (of a client's text) whether it is encoded twice
    terminate  reason, recursive, ID of the parent that says it
    cancel     reason, ID of the parent that says it
    suspend    reason                           resume     reason
    ask        a query's name, its arguments; those by name are the message's: answered with what it gives
    update     an update's name, its arguments, likewise; answered when it has been carried out
    rewind     reason: a call is answered with whether it was rewound
    purge      recursive, ID of the parent that says it: answered with True, False (there is no such instance) or "running"
    wait       (none): answered with the bytes of the record once the instance is finished; "unknown" if there is none
    task       execution ID, task ID, whether it went well, value or failure map: an answer to something scheduled
    progress   execution ID, task ID, what the last heartbeat of the activity says
    timer      execution ID, task ID, fire_at_ms: a timer is due (task 0: the time of a scheduled start has come)
    purge-due  execution ID: a finished instance has been kept long enough
    go-on      (none): a turn did not fit into its commit; sent by the instance to itself, so that its next owner goes on

`parent` is [instance, execution ID, task ID] of who waits for the result.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from stead.entities.extending import (
    MESSAGE_VERSION,
    MESSAGE_VERSION_NEWER,
    ReplyAddress,
    TaskAddress,
    TraceContext,
    encode_message,
    message_extras,
)
from stead.transport import InvalidInput, Reuse

from .instants import is_time

START: Final = "start"
EVENT: Final = "event"
TERMINATE: Final = "terminate"
CANCEL: Final = "cancel"
ASK: Final = "ask"
UPDATE: Final = "update"
SUSPEND: Final = "suspend"
RESUME: Final = "resume"
REWIND: Final = "rewind"
PURGE: Final = "purge"
WAIT: Final = "wait"
TASK: Final = "task"
PROGRESS: Final = "progress"
TIMER: Final = "timer"
PURGE_DUE: Final = "purge-due"
GO_ON: Final = "go-on"

QUESTIONS: Final = frozenset({ASK, UPDATE})
"""What is answered, and of which nothing is known unless it was accepted."""

_NEWER = frozenset({CANCEL, ASK, UPDATE})

FREEING: Final = frozenset({PURGE, TERMINATE})
"""They free memory, or end what fills it: a server whose memory is full takes them."""

TELLS: Final = "tells_waiters"
"""What a worker says in its heartbeats if it knows that a start may say who waits for the end."""

RUNNING: Final = "running"  # the answer to a purge of an instance that is not finished
UNKNOWN: Final = "unknown"  # the answer of an instance that does not exist

REUSE_REWIND: Final = 3
"""What a parent that was rewound does with a child that had failed: let it go on, or start it if it is not there. A
value of `StartMessage.reuse` beyond those of `Reuse`, which clients use."""

REUSE_ASK: Final = 4
"""What a schedule sends that has believed in an instance for long: nothing is started, it is told whether that is over."""

_REUSES = frozenset({*map(int, Reuse), REUSE_REWIND, REUSE_ASK})


def message_version(operation: str) -> int:
    """The version of the message of an operation: workers that do not know it keep it for one that does (HAZARDS 26)."""
    return MESSAGE_VERSION_NEWER if operation in _NEWER else MESSAGE_VERSION


class TerminateMessage(NamedTuple):
    """The arguments of a termination."""

    reason: str = ""
    recursive: bool = False
    parent: str | None = None  # the instance that says it, if it is the one that had started this one


class CancelMessage(NamedTuple):
    """The arguments of a request to cancel."""

    reason: str = ""
    parent: str | None = None


def decode_question(args: Sequence[Any]) -> tuple[str, list[Any]]:
    """The arguments of a query or an update: its name, and what it is given. Raises `InvalidInput` for what is none."""
    if len(args) != 2 or type(args[0]) is not str or type(args[1]) is not list:
        raise InvalidInput("question", "its arguments are not those of a query or an update")
    name, given = args
    return name, given


class PurgeMessage(NamedTuple):
    """The arguments of a purge."""

    recursive: bool = False
    parent: str | None = None


class TimerMessage(NamedTuple):
    """The arguments of a timer that is due."""

    execution_id: str
    task_id: int
    fire_at_ms: int


def decode_reason(args: Sequence[Any]) -> str:
    """The argument of what is done for a reason, which need not be given."""
    return args[0] if args and isinstance(args[0], str) else ""


def decode_terminate(args: Sequence[Any]) -> TerminateMessage:
    """The arguments of a termination. Older senders leave the last ones out."""
    given = TerminateMessage(*args[:3])
    return TerminateMessage(decode_reason(args), bool(given.recursive), given.parent)


def decode_cancel(args: Sequence[Any]) -> CancelMessage:
    """The arguments of a request to cancel."""
    return CancelMessage(decode_reason(args), args[1] if len(args) > 1 else None)


def decode_purge(args: Sequence[Any]) -> PurgeMessage:
    """The arguments of a purge. Older senders leave the last ones out."""
    given = PurgeMessage(*args[:2])
    return PurgeMessage(bool(given.recursive), given.parent)


def decode_timer(args: Sequence[Any]) -> TimerMessage:
    """The arguments of a timer. Raises `InvalidInput` for what is none."""
    if len(args) != 3 or type(args[1]) is not int or type(args[2]) is not int:
        raise InvalidInput("timer", "its arguments are not those of a timer")
    return TimerMessage(*args)


class StartMessage(NamedTuple):
    """The arguments of a start."""

    name: str
    version: str | None
    input: Any
    created_ms: int
    at_ms: int | None = None
    tags: dict[str, str] | None = None
    parent: TaskAddress | None = None
    reuse: int = int(Reuse.FINISHED)


def encode_start(
    instance_id: str,
    start: StartMessage,
    message_id: bytes,
    waiter: ReplyAddress | None = None,
    trace: TraceContext | None = None,
) -> bytes:
    """The envelope of a start; `waiter` is told how the instance ends. Raises `InvalidInput` if the input cannot be stored."""
    parent = start.parent
    args = list(start)
    args[6] = None if parent is None else [parent.instance, parent.execution_id, parent.task_id]
    return encode_message(instance_id, START, args, message_id, message_extras(waiter=waiter, trace=trace))


def decode_start(args: Sequence[Any]) -> StartMessage:
    """The arguments of a start's envelope. Raises `InvalidInput` for what is none."""
    if 4 <= len(args) <= 8:
        start = StartMessage(*args)
        parent = start.parent
        if (
            type(start.name) is str
            and _optional(start.version, str)
            and is_time(start.created_ms)
            and (start.at_ms is None or is_time(start.at_ms))
            and _optional(start.tags, dict)
            and (parent is None or _is_address(parent))
            and start.reuse in _REUSES
        ):
            return start if parent is None else start._replace(parent=TaskAddress(*parent))
    raise InvalidInput("start", "its arguments are not those of a start")


def parent_instance_of(parent: Sequence[Any] | None) -> str | None:
    """The ID of the instance that is to be told of an end; None if nobody is, or a schedule, which is an entity."""
    return None if parent is None or told_is_entity(parent) else str(parent[0])


def told_is_entity(parent: Sequence[Any]) -> bool:
    """Whether the one who is to be told of an end is an entity: an instance's ID does not begin like an entity's."""
    return str(parent[0]).startswith("@")


def _optional(value: object, kind: type) -> bool:
    return value is None or type(value) is kind


def _is_address(parts: Sequence[Any]) -> bool:
    return len(parts) == 3 and type(parts[0]) is str and type(parts[1]) is str and type(parts[2]) is int


def decode_answer(args: Sequence[Any]) -> tuple[str, int, bool, Any]:
    """The arguments of a `task` message: execution ID, task ID, whether it went well, value or failure map. Raises
    `InvalidInput` for what is none."""
    if len(args) != 4 or type(args[0]) is not str or type(args[1]) is not int:
        raise InvalidInput("task", "its arguments are not those of an answer")
    if not args[2] and not isinstance(args[3], Mapping):
        raise InvalidInput("task", "an answer that is no success has to say what went wrong")
    execution_id, task_id, ok, value = args
    return execution_id, task_id, bool(ok), value
