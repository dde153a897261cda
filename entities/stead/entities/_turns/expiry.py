"""The end of entities that nobody uses any more: a turn like any other, of a message that is in no store (see `Expiring`).

Its commit deletes the entity and takes it from the sets of due times, once, or does neither. What comes meanwhile finds the old entity,
and puts its end off, or a fresh one. Whatever the turn comes to, something is written of it: so nobody is told twice.

Entities of a hub that an earlier version has worked on have a reminder for their end, of a name that nobody can write. It goes with the
first use after that, or when it is due, and the sets have its time (see docs/decisions/0029).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from stead.entities._message.due import Due
from stead.entities._message.envelope import Firing, Message
from stead.entities._message.reminders import EXPIRY, Reminder
from stead.entities._message.rhythm import Again
from stead.entities._partition.expiring import note_use, put_off
from stead.entities._tracing import switch

if TYPE_CHECKING:
    from stead.entities._partition.activation import Activation
    from stead.entities._partition.effects import Effects
    from stead.entities._partition.uses import Uses

    from .cell import Cell
    from .known import Known
    from .reminding import Reminders


class ExpiringBody(Protocol):
    """An activation's body, as far as it matters here."""

    known: Known
    cell: Cell
    reminders: Reminders | None


def is_use(activation: Activation, first: Message) -> bool:
    """Whether what runs now is a use. `first`: of the messages that run; that it is due to expire is none by itself."""
    if type(first) is Due:
        return bool(activation.mailbox) and not activation.locked
    return not (type(first) is Firing and first.reminder == EXPIRY) or len(activation.mailbox) > 1


def keep_alive(activation: Activation, body: ExpiringBody, uses: Uses, effects: Effects) -> None:
    """The entity is used: it ends no sooner than so long from now."""
    if not body.cell.exists:
        note_end(activation, uses, effects)
        return
    now_ms = effects.now_ms
    if uses.exists and now_ms <= uses.renew_ms:
        return
    uses.exists = True
    uses.use(now_ms)
    note_use(activation, effects)
    if body.reminders and EXPIRY in body.reminders:
        body.reminders.keep(activation, {EXPIRY: None}, effects)


def note_end(activation: Activation, uses: Uses, effects: Effects) -> None:
    """The entity does not exist."""
    if uses.exists:
        uses.end()
        note_use(activation, effects)


def keep_for(activation: Activation, body: ExpiringBody, milliseconds: int, effects: Effects) -> None:
    """Whatever decides about its end keeps the entity for so long."""
    expiry = body.known.entity_type.expiry
    if expiry is not None:
        put_off(activation, milliseconds, expiry.name, effects)


def passes_expiry(activation: Activation, body: ExpiringBody, due: Due, effects: Effects) -> bool:
    """It is said to be time. Whether nothing is to be run: it is out of date; or the end is put off, because something waits
    behind it, the entity is locked or has a reminder that repeats; or this was the end, since nobody has anything to say to it."""
    due.done = True
    uses, expiry = activation.uses, body.known.entity_type.expiry
    if uses is None or expiry is None or expiry.name != due.of_set:
        return True
    if not body.cell.exists:  # deleted by who did not know of this
        uses.exists = True
        note_end(activation, uses, effects)
        return True
    if uses.last_of(due.of_set) > max(due.score_ms, effects.now_ms):
        note_use(activation, effects)
        return True
    if activation.mailbox or activation.park is not None or activation.locked:
        keep_for(activation, body, expiry.step_ms, effects)
        return True
    if body.reminders and any(each.rhythm is not None for name, each in body.reminders.items() if name != EXPIRY):
        keep_for(activation, body, expiry.expires_ms, effects)
        return True
    if body.known.entity_type.ends_unasked and not body.reminders and not switch.on:
        _end_unasked(activation, body, effects)
        return True
    return False


def _end_unasked(activation: Activation, body: ExpiringBody, effects: Effects) -> None:
    """What the operation that ends it comes to, without a turn of that: nothing of the user's would run in it."""
    cell, known = body.cell, body.known
    cell.delete_state()
    cell.settle()
    if not activation.dirty:
        effects.changed(activation)
    if activation.told:
        effects.tell(activation, cell.size_bytes)
    known.ran_before(activation.target, known.entity_type.expire, 1, 0.0, 0.0)


def keep_though_failed(activation: Activation, body: ExpiringBody, effects: Effects) -> None:
    """What was to end it has failed: it stays for as long again."""
    expiry = body.known.entity_type.expiry
    if expiry is not None:
        keep_for(activation, body, expiry.expires_ms, effects)


def drop_reminder(activation: Activation, body: ExpiringBody, effects: Effects) -> None:
    """The reminder by which an earlier version ends an entity has come: the sets know instead."""
    reminder = body.reminders.get(EXPIRY) if body.reminders else None
    if reminder is None or body.reminders is None:
        return
    body.reminders.keep(activation, {EXPIRY: None}, effects)
    uses = activation.uses
    if uses is not None and body.cell.exists:
        for kind in uses.kinds:
            uses.put_off(kind.name, due_by(reminder, kind.expires_ms))
        uses.exists = True
        note_use(activation, effects)


def due_by(reminder: Reminder, expires_ms: int) -> int:
    """When an entity is due by such a reminder, though it was set for a class that expired after another time."""
    rhythm = reminder.rhythm
    before_ms = rhythm.every_ms if isinstance(rhythm, Again) else expires_ms
    return max(1, reminder.due_ms - before_ms + expires_ms)
