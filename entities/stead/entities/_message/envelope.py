"""How a message and a reply look in the store: versioned msgpack arrays.

A message is `[version, target, operation, args, message_id, extras?]`. The order of the first five never changes; what is rare
goes into `extras`, a map with one-letter keys, so that a plain signal stays small:

    k  keyword arguments            d  delay in milliseconds after acceptance (a scheduled signal)
    r  [group, client, call ID]     t  due time in milliseconds since the epoch (a scheduled signal)
    s  the sending target           o  [instance, execution ID, task ID]: an orchestration waits for the answer
    l  a lock request's ID: a call by the holder of that lock
    w  [group, client, call ID] of whoever is told how the instance ends that this message starts; unlike `r` it is
       nothing that a failure to carry out the message answers, and a worker that does not know it passes it over
    c  the trace that it belongs to: a `traceparent`, or [traceparent, tracestate]; likewise passed over

What a reminder sends when it is due is `[2, target, "!reminder", [name, generation], message_id]`. Nobody else writes one: of
version 1 that is no operation, and who does not know version 2 lets it wait. What goes to a shard (see `shards`) has 3.

A reply is `[1, call_id, ok, value or failure]`. What has an unknown version waits (HAZARDS 26).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, cast

from stead.transport import (
    DEPTH_MAX,
    NO_CODEC,
    PLAIN,
    InvalidInput,
    PayloadLocked,
    SteadError,
    deep_one,
    pack_envelope,
    read_casket,
    unpack,
    unpack_envelope,
)
from stead.transport.describing import text_of

from .trace import TraceContext, read_trace

MESSAGE_VERSION = 1
MESSAGE_VERSION_NEWER = 2
"""The same form, of an operation that workers of version 1 do not know: there it waits, where it would be a dead letter else."""
MESSAGE_VERSION_SHARDS = 3  # the same again, for a shard: workers that know of none would take its target for nobody's
MESSAGE_CASKET = 32
"""Its arguments are in a casket (see `sealed`), which its reader could not open."""
REPLY_VERSION = 1
REPLY_CASKET = 32

LOCK = "!lock"  # operations of every entity; no method can have such a name
RELEASE = "!release"
REMINDER = "!reminder"

_ARRAYS = frozenset({list, tuple})
_SHORT_LENGTH = 200
_MILLISECONDS_MAX = 2**52  # a server's sorted set orders by doubles; this is the year 142,000

FailureKind = Literal[
    "operation",
    "unknown_entity",
    "unknown_operation",
    "invalid_input",
    "payload",
    "poison",
    "time_out",
    "undeliverable",
    "refused",
    "locked",
]


class UnknownEnvelope(SteadError):
    """A message was written by a newer version of stead than this worker; it waits for a worker that can read it."""

    def __init__(self, version: object, target: str = "") -> None:
        super().__init__(version, target)
        self.version = version
        self.target = target

    def __str__(self) -> str:
        return f"a message has envelope version {self.version!r}; this worker knows those up to {MESSAGE_VERSION_SHARDS}: update stead here"


class LockedEnvelope(UnknownEnvelope, PayloadLocked):
    """What is stored is encoded and cannot be decoded here: it waits for a worker that has the key."""

    def __init__(self, reason: str, target: str = "", message: Message | None = None) -> None:
        PayloadLocked.__init__(self, reason, target)
        self.version = "locked"
        self.message = message
        """What can be read of a message: of a start its arguments without the input."""

    def __str__(self) -> str:
        return PayloadLocked.__str__(self)


def raise_if_keyless(error: BaseException, target: str) -> None:
    """Raise `PayloadLocked` if something could not be read because this process lacks a codec or a key: a list would leave all out."""
    if isinstance(error, PayloadLocked) and error.is_of_process:
        raise PayloadLocked(error.reason, target) from error


class ReplyAddress(NamedTuple):
    """Where a call's answer goes: the client's reply stream in a slot group, and which of its calls it answers."""

    group: int
    client: str
    call_id: int


class TaskAddress(NamedTuple):
    """Where an answer goes for which an orchestration waits: the instance, its execution, and which of its tasks."""

    instance: str
    execution_id: str
    task_id: int


@dataclass(slots=True)
class Message:
    """One message for a target, as decoded from an inbox entry. Not frozen: it is made at every delivery.

    An express one passes by mailbox and park (HAZARDS 11): the release of a lock, a call by the holder of the lock, and
    what was never in the store. The message alone says so, so that every owner of the partition sees it alike.
    """

    target: str
    operation: str
    args: Sequence[object]
    message_id: bytes
    kwargs: Mapping[str, object] | None
    reply_to: ReplyAddress | None
    delay_ms: int | None
    due_ms: int | None
    sender: str | None
    task: TaskAddress | None = None
    lock: bytes | None = None
    express: bool = False
    waiter: ReplyAddress | None = None
    trace: TraceContext | None = None


@dataclass(slots=True)
class Firing(Message):
    """What a reminder sends when it is due, under an operation that is not one; at its turn it gets the reminder's own."""

    reminder: str = ""
    generation: bytes = b""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a message was not carried out, as a caller or a reader of dead letters sees it."""

    kind: FailureKind
    type: str
    message: str
    traceback: str = ""
    cause: str = ""

    def shortened(self) -> Failure:
        """What fits everywhere."""
        return Failure(self.kind, self.type[:_SHORT_LENGTH], self.message[:_SHORT_LENGTH])

    def as_map(self) -> dict[str, str]:
        return {
            "kind": self.kind,
            "type": self.type,
            "message": self.message,
            "traceback": self.traceback,
            "cause": self.cause,
        }


def encode_message(
    target: str,
    operation: str,
    args: Sequence[object],
    message_id: bytes,
    extras: Mapping[str, object] | None = None,
    version: int = MESSAGE_VERSION,
) -> bytes:
    """The bytes of a message. Raises `InvalidInput` if an argument cannot be stored."""
    # The ID that `start_new` gave is more than text: with it, all of the message would be packed a second time.
    if type(target) is not str:
        target = str(target)
    try:
        if extras:
            payload = pack_envelope((version, target, operation, args, message_id, extras))
        else:
            payload = pack_envelope((version, target, operation, args, message_id))
    except InvalidInput as error:
        _name_unstorable(operation, args, (extras or {}).get("k"))
        raise error
    for value in args:  # most are plain: this is on the hot path
        if type(value) not in PLAIN:
            deep = deep_one(payload, args, DEPTH_MAX)
            if deep is not None:
                raise _too_deep(f"argument {deep + 1} of {operation!r}")
            break
    if extras and (kwargs := cast("Mapping[str, object] | None", extras.get("k"))):
        deep = deep_one(payload, list(kwargs.values()), DEPTH_MAX)
        if deep is not None:
            raise _too_deep(f"argument {list(kwargs)[deep]!r} of {operation!r}")
    return payload


def _name_unstorable(operation: str, args: Sequence[object], kwargs: object) -> None:
    """Raise `InvalidInput` that names the argument which cannot be stored, such as a text with half a character in it."""
    named = cast("Mapping[str, object]", kwargs or {})
    for name, value in (*enumerate(args, start=1), *((repr(name), value) for name, value in named.items())):
        try:
            pack_envelope((value,))
        except InvalidInput as error:
            raise InvalidInput(f"argument {name} of {operation!r}", error.reason) from error


def _too_deep(what: str) -> InvalidInput:
    return InvalidInput(what, f"it is nested deeper than {DEPTH_MAX} levels")


def decode_message(envelope: bytes) -> Message:
    """The message of an envelope. Raises `InvalidInput` if it is none, `UnknownEnvelope` if it is a newer one's."""
    parts = unpack_envelope(envelope)
    try:
        if parts[0] != MESSAGE_VERSION:
            if parts[0] == MESSAGE_CASKET:
                raise _locked(parts)
            if parts[0] == MESSAGE_VERSION_NEWER:
                if parts[2] == REMINDER:
                    return _firing(parts)
            elif parts[0] != MESSAGE_VERSION_SHARDS:
                raise _unknown(parts)
        _, target, operation, args, message_id = parts if len(parts) == 5 else parts[:5]
        if type(target) is not str or type(operation) is not str or type(args) not in _ARRAYS:
            raise TypeError("target and operation have to be text, and the arguments an array")
        for value in args:  # most are plain: this is on the hot path
            if type(value) not in PLAIN and deep_one(envelope, (value,), DEPTH_MAX) is not None:
                raise TypeError(f"an argument is nested deeper than {DEPTH_MAX} levels")
        if len(parts) == 5 and operation != RELEASE:
            return Message(target, operation, args, message_id, None, None, None, None, None)
        extras = cast("dict[str, Any]", parts[5] if len(parts) > 5 else {})
        kwargs, sender = extras.get("k"), extras.get("s")  # the others are taken apart, and have to be what they are
        if (kwargs or sender) and deep_one(envelope, (kwargs, sender), DEPTH_MAX + 1) is not None:
            raise TypeError(f"an argument is nested deeper than {DEPTH_MAX} levels")
        lock = _lock_id(extras.get("l"))
        return Message(
            target,
            operation,
            args,
            message_id,
            kwargs,
            _reply_address(extras.get("r")),
            _milliseconds(extras.get("d")),
            _milliseconds(extras.get("t")),
            sender,
            _task_address(extras.get("o")),
            lock,
            lock is not None or operation == RELEASE,
            _reply_address(extras.get("w")),
            None if (trace := extras.get("c")) is None else read_trace(trace),
        )
    except (UnknownEnvelope, InvalidInput):
        raise
    except Exception as error:
        # Whatever it is that cannot be read, it is this message's trouble: a dead letter, and not the end of its reader.
        raise InvalidInput("message", f"it is not an envelope of stead ({text_of(error)})") from error


def _reply_address(parts: object) -> ReplyAddress | None:
    if parts is None:
        return None
    group, client, call_id = cast("list[Any]", parts)
    if type(group) is not int or type(client) is not str or type(call_id) is not int:
        raise TypeError("a reply address is a number, a text and a number")
    return ReplyAddress(group, client, call_id)


def _task_address(parts: object) -> TaskAddress | None:
    if parts is None:
        return None
    instance, execution_id, task_id = cast("list[Any]", parts)
    if type(instance) is not str or type(execution_id) is not str or type(task_id) is not int:
        raise TypeError("a task's address is a text, a text and a number")
    return TaskAddress(instance, execution_id, task_id)


def _lock_id(value: object) -> bytes | None:
    if value is not None and type(value) is not bytes:
        raise TypeError("a lock request's ID is bytes")
    return value


def _milliseconds(value: object) -> int | None:
    if value is None:
        return None
    if type(value) is not int or not 0 <= value < _MILLISECONDS_MAX:
        raise TypeError("a time is a number of milliseconds")
    return value


def encode_firing(target: str, name: str, generation: bytes, message_id: bytes) -> bytes:
    """What a reminder sends when it is due."""
    return pack_envelope((MESSAGE_VERSION_NEWER, target, REMINDER, (name, generation), message_id))


def _firing(parts: Sequence[Any]) -> Firing:
    match parts:
        case [_, str() as target, _, [str() as name, bytes() as generation], bytes() as message_id, *_]:
            return Firing(
                target, REMINDER, (), message_id, None, None, None, None, None, reminder=name, generation=generation
            )
        case _:
            raise TypeError("what a reminder sends has its name and its generation")


def _locked(parts: Sequence[Any]) -> LockedEnvelope:
    box = read_casket(parts[3])
    _, target, operation, _, message_id = parts[:5]
    if type(target) is not str or type(operation) is not str:
        raise TypeError("target and operation have to be text")
    shown: list[Any] = list(box.shown or ())
    message = Message(target, operation, shown, message_id, None, None, None, None, None)
    return LockedEnvelope(box.why or NO_CODEC, target, message)


def _unknown(parts: Sequence[object]) -> SteadError:
    """What to raise for another version. In every version the target comes second, so that its messages can wait."""
    if isinstance(parts[0], int) and parts[0] > MESSAGE_VERSION_SHARDS and isinstance(parts[1], str):
        return UnknownEnvelope(parts[0], parts[1])
    return InvalidInput("message", "it is not an envelope of stead")


def message_extras(
    *,
    kwargs: Mapping[str, object] | None = None,
    reply_to: ReplyAddress | None = None,
    delay_ms: int | None = None,
    due_ms: int | None = None,
    sender: str | None = None,
    task: TaskAddress | None = None,
    lock: bytes | None = None,
    waiter: ReplyAddress | None = None,
    trace: TraceContext | None = None,
) -> dict[str, object] | None:
    """The `extras` of a message: only what is there, None if nothing is."""
    extras: dict[str, object] = {}
    if kwargs:
        extras["k"] = kwargs
    if reply_to is not None:
        extras["r"] = list(reply_to)
    if delay_ms is not None:
        extras["d"] = delay_ms
    if due_ms is not None:
        extras["t"] = due_ms
    if sender is not None:
        extras["s"] = sender
    if task is not None:
        extras["o"] = list(task)
    if lock is not None:
        extras["l"] = lock
    if waiter is not None:
        extras["w"] = list(waiter)
    if trace is not None:
        extras["c"] = trace.stored()
    return extras or None


def encode_reply(call_id: int, value: object) -> bytes:
    """The bytes of a successful answer."""
    payload = pack_envelope((REPLY_VERSION, call_id, True, value))
    if type(value) not in PLAIN and deep_one(payload, (value,), DEPTH_MAX) is not None:
        raise _too_deep("result")
    return payload


def encode_failure(call_id: int, failure: Failure) -> bytes:
    """The bytes of an answer that says why there is none."""
    return pack_envelope((REPLY_VERSION, call_id, False, failure.as_map()))


def decode_reply(payload: bytes) -> tuple[int, object | Failure, bool]:
    """The call ID, the value or the `Failure`, and whether it went well. Raises `InvalidInput` if it is no reply."""
    parts = unpack(payload)
    if type(parts) in _ARRAYS and len(parts) >= 4 and parts[0] == REPLY_CASKET:
        return parts[1], Failure("locked", "PayloadLocked", read_casket(parts[3]).why or NO_CODEC), False
    if type(parts) not in _ARRAYS or len(parts) < 4 or parts[0] != REPLY_VERSION:
        raise InvalidInput("reply", "it is not a reply that this version of stead can read")
    if parts[2]:
        return parts[1], parts[3], True
    return parts[1], failure_of_map(parts[3]), False


def failure_of_map(parts: Any) -> Failure:
    """A failure from its map: what a later version adds is passed over."""
    names = ("kind", "type", "message", "traceback", "cause")
    return Failure(*(parts[name] if place < 3 else parts.get(name, "") for place, name in enumerate(names)))
