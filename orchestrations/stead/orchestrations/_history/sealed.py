"""Where users' data is in records of instances, events and tasks, and how these look with it in caskets.

    instance record  [32, the other fields …, casket]     behind the byte of its status, as ever; in it custom status, output, failure,
                                                         reason and progress
    event            [100, at_ms, task_id, number, casket]                    in it the event's own fields
    task             [32, name, casket, nil, …]                                in it arguments, keyword arguments and heartbeat details

Entities' side of it: `stead.entities._message.sealed`.
"""

from __future__ import annotations

from stead.entities.extending import GARBLED, TolerantForm, opened, opened_parts, split
from stead.transport import NIL, Get, InvalidInput, Put, StoredForm, array_of, casket, elements_of, packed

from .record import RECORD_CASKET, RECORD_VERSION

EVENT_CASKET = 100
"""In the place of an event's number."""
TASK_VERSION = 1
TASK_CASKET = 32

_HEAD = 3
_DATA = (10, 11, 12, 13, 22)
"""The places of data in an instance's record: custom status, output, failure, reason, progress."""
_EMPTY = {13: packed("")}
_NOTHING = frozenset({NIL, packed("")})
_TASK_DETAILS = 12


class _InstanceForm(TolerantForm):
    def _seal(self, data: bytes, put: Put) -> bytes:
        parts = split(data[1:], 6)
        if parts[0] == packed(RECORD_CASKET):
            return data
        places = [place for place in _DATA if place < len(parts)]
        if parts[0] != packed(RECORD_VERSION) or all(parts[place] in _NOTHING for place in places):
            return data
        content = put(array_of([parts[place] for place in places]))
        if content is None:
            return data
        for place in places:
            parts[place] = _EMPTY.get(place, NIL)
        return data[:1] + array_of((packed(RECORD_CASKET), *parts[1:], casket(content)))

    def _open(self, data: bytes, get: Get) -> bytes:
        parts = split(data[1:], 6)
        if parts[0] != packed(RECORD_CASKET):
            return data
        *fields, box = parts
        places = [place for place in _DATA if place < len(fields)]
        inner, locked = opened_parts(box, get, len(places))
        if locked:
            return data[:1] + array_of((*fields, locked))
        for place, value in zip(places, inner, strict=True):
            fields[place] = value
        fields[0] = packed(RECORD_VERSION)
        return data[:1] + array_of(fields)


class _EventForm(TolerantForm):
    def _seal(self, data: bytes, put: Put) -> bytes:
        parts = split(data, _HEAD)
        number, at_ms, task_id, *fields = parts
        if number == packed(EVENT_CASKET) or not fields:
            return data
        content = put(array_of(fields))
        return data if content is None else array_of((packed(EVENT_CASKET), at_ms, task_id, number, casket(content)))

    def _open(self, data: bytes, get: Get) -> bytes:
        if data[1:2] != packed(EVENT_CASKET):
            return data
        _, at_ms, task_id, number, box = split(data, 5)[:5]
        fields, locked = opened(box, get)
        if fields is None:
            return array_of((packed(EVENT_CASKET), at_ms, task_id, number, locked))
        try:
            return array_of((number, at_ms, task_id, *elements_of(fields)))
        except InvalidInput:
            return array_of((packed(EVENT_CASKET), at_ms, task_id, number, casket(b"\0", why=GARBLED)))


class _TaskForm(TolerantForm):
    def _seal(self, data: bytes, put: Put) -> bytes:
        parts = split(data, 10)
        if parts[0] != packed(TASK_VERSION):
            return data
        details = parts[_TASK_DETAILS] if len(parts) > _TASK_DETAILS else NIL
        content = put(array_of((*parts[2:4], details)))
        if content is None:
            return data
        parts[0], parts[2], parts[3] = packed(TASK_CASKET), casket(content), NIL
        if len(parts) > _TASK_DETAILS:
            parts[_TASK_DETAILS] = NIL
        return array_of(parts)

    def _open(self, data: bytes, get: Get) -> bytes:
        if data[1:2] != packed(TASK_CASKET):
            return data
        parts = split(data, 10)
        inner, locked = opened_parts(parts[2], get, 3)
        if locked:
            parts[2] = locked
            return array_of(parts)
        parts[0] = packed(TASK_VERSION)
        parts[2], parts[3], details = inner
        if len(parts) > _TASK_DETAILS:
            parts[_TASK_DETAILS] = details
        return array_of(parts)


instance_form: StoredForm = _InstanceForm()
event_form: StoredForm = _EventForm()
task_form: StoredForm = _TaskForm()
