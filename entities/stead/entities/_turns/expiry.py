"""The end of entities that nobody uses any more: a reminder of a name that nobody can write, whose operation deletes the entity.

Every use sees to it that the reminder is due no sooner than `expires_after` from now. It is moved in steps of a tenth, so most uses
write nothing; and since what is stored is never too early, a crash brings no end forward (HAZARDS 103, 104).

That it is a reminder makes the end a turn like any other: its commit consumes the firing and deletes the entity, once, or does
neither. What comes meanwhile finds the old entity, and moves the end, or a fresh one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from stead.entities._message.envelope import Firing, Message, encode_message
from stead.entities._message.reminders import EXPIRE, EXPIRY, NOW, Reminder
from stead.entities._message.rhythm import Again

from .reminding import Reminders

if TYPE_CHECKING:
    from stead.entities._partition.activation import Activation
    from stead.entities._partition.effects import Effects

    from .cell import Cell
    from .known import Known


class ExpiringBody(Protocol):
    """An activation's body, as far as it matters here."""

    known: Known
    cell: Cell
    reminders: Reminders | None


def keep_alive(activation: Activation, body: ExpiringBody, first: Message, effects: Effects) -> None:
    """The entity is used: it ends no sooner than so long from now. `first`: of the messages for which it is; that it is due to
    expire is no use."""
    expires_ms, reminders = body.known.expires_ms, body.reminders
    if expires_ms is None or reminders is None or not body.cell.exists:
        return
    if type(first) is Firing and first.reminder == EXPIRY:
        return
    now_ms = effects.now_ms
    reminder = reminders.get(EXPIRY)
    if reminder is None or reminder.due_ms - now_ms < expires_ms or reminder.rhythm != Again(expires_ms):
        _set(activation, reminders, now_ms + later_of(expires_ms), expires_ms, effects)


def passes_expiry(activation: Activation, body: ExpiringBody, firing: Firing, waiting: int, effects: Effects) -> bool:
    """It is said to be time. Whether nothing is to be run: it is out of date, or the end is put off, because something waits
    behind it or the entity has a reminder that repeats."""
    reminders, expires_ms = body.reminders, body.known.expires_ms
    if firing.generation == NOW:
        if expires_ms is not None and reminders is not None and body.cell.exists:
            _begin(activation, reminders, expires_ms, effects)
        return True
    if reminders is None or reminders.standing(firing) is None:
        return True
    if expires_ms is None:  # its class does not expire any more
        reminders.keep(activation, {EXPIRY: None}, effects)
        return True
    if reminders[EXPIRY].rhythm != Again(expires_ms):  # it does, after another time
        _begin(activation, reminders, expires_ms, effects)
        return True
    repeats = any(reminder.rhythm is not None for name, reminder in reminders.items() if name != EXPIRY)
    if waiting > 1 or activation.park is not None or repeats:
        reminders.go_on(activation, firing, effects)
        return True
    return False


def _begin(activation: Activation, reminders: Reminders, expires_ms: int, effects: Effects) -> None:
    """The class expires, and the entity was there before it did, or before it did after so long: that is no use of it."""
    reminder = reminders.get(EXPIRY)
    if reminder is None or not isinstance(reminder.rhythm, Again):
        _set(activation, reminders, effects.now_ms + later_of(expires_ms), expires_ms, effects)
    elif reminder.rhythm.every_ms != expires_ms:
        used_ms = reminder.due_ms - later_of(reminder.rhythm.every_ms)
        _set(activation, reminders, used_ms + later_of(expires_ms), expires_ms, effects)


def later_of(expires_ms: int) -> int:
    """What is set at a use: a tenth more, within which nothing has to be written."""
    return expires_ms + max(1, expires_ms // 10)


def _set(activation: Activation, reminders: Reminders, due_ms: int, expires_ms: int, effects: Effects) -> None:
    envelope = encode_message(activation.target, EXPIRE, (), b"")
    reminder = Reminder(effects.next_message_id(), due_ms, Again(expires_ms), envelope)
    reminders.keep(activation, {EXPIRY: reminder}, effects)
