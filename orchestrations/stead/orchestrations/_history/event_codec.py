"""Events as they look in the store: an event is one element of the instance's log, `[number, at_ms, task_id, *fields]` in
msgpack. What the numbers and fields are: `event_table`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from stead.transport import NO_CODEC, InvalidInput, PayloadLocked, pack_envelope, read_casket, unpack

from .event_table import BY_NUMBER, FORM_OF, FORMS, HEAD, Form, without_later
from .event_types import SOUND, check_types
from .events import Event, ExecutionRewound, ExecutionStarted, SubOrchestrationInstanceCreated
from .instants import is_time
from .sealed import EVENT_CASKET

_HEAD: Final = len(HEAD)
_INSTANTS = ("fire_at_ms", "start_at_ms", "due_ms", "scheduled_ms")
_BEGINNING: Final = ExecutionStarted.number
_TIMES: Final = {  # whose fields are instants, which people are shown
    form.number: names
    for form in FORMS
    if (names := tuple(name for name in _INSTANTS if name in form.cls.__annotations__))
}


def encode_event(event: Event) -> bytes:
    """The bytes of an event in the log. Raises `InvalidInput` if one of its values cannot be stored."""
    form = FORM_OF[type(event)]
    values = form.values(event)
    return pack_envelope(values if values[-1] is not None else without_later(form, values))


def event_with(event: Event, fields: bytes) -> bytes:
    """`encode_event`, where the fields (of which there are at most 12) have been packed already, as a list: in msgpack that is
    a byte that says how many there are, and then one after the other."""
    head = pack_envelope((event.number, event.at_ms, event.task_id))
    return b"%c%b" % (fields[0] + _HEAD, head[1:]) + fields[1:]


def decode_event(data: bytes) -> Event:
    """The event of its bytes. Raises `InvalidInput` for what is none, or was written by a newer stead."""
    parts: list[Any] = unpack(data)
    is_list = type(parts) is list  # pyright: ignore[reportUnnecessaryComparison]
    if not is_list or len(parts) < _HEAD:
        raise InvalidInput("history", "an entry of it is no event")
    number, at_ms, task_id = parts[:_HEAD]
    if type(number) is not int or not is_time(at_ms) or type(task_id) is not int:
        raise InvalidInput("history", "an entry of it is no event")
    form = BY_NUMBER.get(number)
    if form is None:
        if number == EVENT_CASKET and len(parts) > _HEAD + 1:
            raise PayloadLocked(read_casket(parts[_HEAD + 1]).why or NO_CODEC)
        raise InvalidInput(
            "history", f"event type {number!r} is not known to this version of stead, which has to be updated here"
        )
    del parts[0]
    length = len(parts) - (_HEAD - 1)
    if not form.least <= length <= len(form.names):
        if length < form.least:
            raise _short(form, length)
        del parts[len(form.names) + _HEAD - 1 :]  # of a newer stead: what it has added is of no meaning here
    event = form.cls(*parts)
    if number == _BEGINNING and not _is_sound(event):
        raise _no_beginning()
    if (form.cls, *map(type, parts)) not in SOUND:
        check_types(event, parts)
    for name in _TIMES.get(number, ()):
        instant_ms = getattr(event, name)
        if instant_ms is not None and not is_time(instant_ms):
            raise InvalidInput("history", f"event {form.cls.__name__} has no time as its {name}")
    return event


def _is_sound(started: Any) -> bool:
    """Whether a beginning's fields are of the types that they have to be of: all that comes after it is read by what it says."""
    version, tags, scheduled_ms = started.version, started.tags, started.scheduled_ms
    children, running, closing = started.children, started.running_children, started.closing
    return (
        type(started.name) is type(started.execution_id) is str
        and (version is None or type(version) is str)
        and (started.parent is None or _is_parent(started.parent))
        and (tags is None or type(tags) is dict)
        and (scheduled_ms is None or type(scheduled_ms) is int)
        and all(one is None or type(one) is list for one in (children, running))
        and (closing is None or type(closing) is dict)
    )


def _is_parent(address: Any) -> bool:
    parts: list[Any] = []
    if isinstance(address, list):
        parts += address
    return [type(part) for part in parts] == [str, str, int]


def _no_beginning() -> InvalidInput:
    return InvalidInput("history", "its beginning is not one of an execution")


def _short(form: Form, length: int) -> InvalidInput:
    if form.cls is ExecutionStarted:
        return _no_beginning()
    return InvalidInput("history", f"an entry of it, {form.cls.__name__}, lacks `{form.names[length]}`: it is damaged")


# The least first byte of a beginning that tells of the children of those before it: an array that has that field.
_WITH_CHILDREN = {
    form.number: 0x90 + _HEAD + form.names.index("running_children") + 1
    for form in map(FORM_OF.__getitem__, (ExecutionStarted, ExecutionRewound))
}
_CHILD = FORM_OF[SubOrchestrationInstanceCreated].number


def may_have_children(log: Iterable[bytes]) -> bool:
    """Whether a history may hold sub-orchestrations, without decoding it: told from the second byte of an event, its type's
    number; and what it says of those before it from the length of the array that the event is, in the first byte."""
    return any(data[1] == _CHILD or (data[1] in _WITH_CHILDREN and data[0] >= _WITH_CHILDREN[data[1]]) for data in log)
