"""Reminders as an entity's turns see them: what is due, and what becomes of those that it has.

A firing gets its reminder's own message when its turn has come, and is an operation like any other from then on. That the
reminder goes on, or is over, is no part of that operation's transaction: it is so whatever the operation comes to. But what an
operation that succeeds says of the same reminder wins over it (HAZARDS 100).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from stead.entities._message.envelope import Firing, decode_message, encode_firing
from stead.entities._message.reminders import Reminder, decode_reminders, encode_reminders, reminder_timer_id
from stead.entities._partition.pending import Pending
from stead.transport import InvalidInput

if TYPE_CHECKING:
    from stead.entities._partition.activation import Activation
    from stead.entities._partition.effects import Effects

    from .turn import Turn


class Reminders(dict[str, Reminder]):
    """The settled reminders of one entity, by name. Most have none."""

    @classmethod
    def of(cls, more: Mapping[str, object]) -> Reminders | None:
        """Those of a record. Raises `InvalidInput` for what are none."""
        return cls(decode_reminders(more["r"])) if "r" in more else None

    def as_record(self) -> dict[str, object]:
        """Their part of the record."""
        return encode_reminders(self)

    def standing(self, firing: Firing) -> Reminder | None:
        """The reminder that a firing is of, if it still stands."""
        reminder = self.get(firing.reminder)
        return reminder if reminder is not None and reminder.generation == firing.generation else None

    def keep(self, activation: Activation, changes: Mapping[str, Reminder | None], effects: Effects) -> None:
        """Keep what an operation has said of them: their timers change with the same commit."""
        for name, reminder in changes.items():
            if reminder is self.get(name):
                continue  # set and cancelled: it was never there
            timer_id = reminder_timer_id(activation.target, name)
            if self.pop(name, None) is not None:
                effects.cancel_timer(timer_id)
            if reminder is not None:
                firing = encode_firing(activation.target, name, reminder.generation, effects.next_message_id())
                effects.set_timer_for(timer_id, reminder.due_ms, firing)
                self[name] = reminder
            effects.changed(activation)

    def go_on(self, activation: Activation, firing: Firing, effects: Effects) -> None:
        """A firing has been dealt with, without anything that came of its operation."""
        reminder = self.standing(firing)
        if reminder is not None:
            self.keep(activation, {firing.reminder: _after(reminder, effects)}, effects)

    def poisoned(self, activation: Activation, firing: Firing, effects: Effects) -> bytes | None:
        """A firing has ended too many workers: gives what is to be buried, the reminder's own message."""
        reminder = self.standing(firing)
        self.go_on(activation, firing, effects)
        return None if reminder is None else reminder.envelope


def begin_firing(reminders: Reminders | None, pending: Pending, turn: Turn, effects: Effects) -> Pending | None:
    """The turn of a firing has come: gives its operation's message in its place; None if the reminder is not there any more.

    To the operation it is as if the reminder had gone on already.
    """
    firing = pending.message
    assert type(firing) is Firing, "it is about reminders"
    reminder = None if reminders is None else reminders.standing(firing)
    if reminder is None:
        return None
    turn.reminding[firing.reminder] = _after(reminder, effects)
    turn.tells = True
    return _own_message(pending, firing, reminder)


def _own_message(pending: Pending, firing: Firing, reminder: Reminder) -> Pending:
    """What a reminder sends, in the place of its firing."""
    message = decode_message(reminder.envelope)
    own = Firing(
        message.target,
        message.operation,
        message.args,
        firing.message_id,
        message.kwargs,
        None,
        None,
        None,
        message.sender,
        trace=message.trace,
        reminder=firing.reminder,
        generation=firing.generation,
    )
    return Pending(pending.stream_id, reminder.envelope, own, pending.from_park)


def check_begun(turn: Turn) -> None:
    """Raise `InvalidInput` if the operation has named a reminder, and not said what it is to run."""
    if turn.begun:
        raise InvalidInput(
            f"reminder {turn.begun[0]!r}",
            f"operation {turn.operation_name!r} named it and set nothing: say what is to run then, `.signal(…)`",
        )


def _after(reminder: Reminder, effects: Effects) -> Reminder | None:
    return reminder.after_firing(effects.now_ms, effects.next_message_id())
