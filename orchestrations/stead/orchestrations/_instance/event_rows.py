"""External events that wait in a row: the code takes one after the other, at the price of one turn.

Each is logged, and the code run until it waits, before the next one is, as if each had a turn of its own: histories are the
same, byte for byte. As soon as the code wants something, the row ends, since that is logged before the next event is.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

from stead.orchestrations._history.event_codec import encode_event
from stead.orchestrations._history.events import EventRaised
from stead.orchestrations._history.messages import EVENT
from stead.transport import InvalidInput

from .driving import apply_wants
from .spans import note_event

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stead.entities.extending import Message, Pending

    from .turn import InstanceTurn


def event_of(message: Message, now_ms: int) -> EventRaised | None:
    """The event that a message brings; None if its arguments are not those of one."""
    args: Sequence[Any] = message.args
    if len(args) == 2:
        return EventRaised(now_ms, 0, *args) if type(args[0]) is str else None
    if len(args) == 3 and type(args[0]) is type(args[1]) is str and type(args[2]) is bool:  # a client's text
        return EventRaised(now_ms, 0, *args)
    return None


def take_row(turn: InstanceTurn, first: Pending) -> None:
    """The code has seen an event: let it see those that wait behind it in the mailbox.

    What has been dealt with is consumed, but for the one that is running (`slice.running`) if it is still first.
    """
    mailbox, body, time = turn.activation.mailbox, turn.body, turn.slice
    if len(mailbox) < 2 or mailbox[0] is not first or time is None or time.one_turn:
        return
    if body.execution is None or body.has_work or turn.settings.replay_every_turn:
        return
    apply_wants(turn, body.execution.turn(_events(turn)))


def _events(turn: InstanceTurn) -> Generator[EventRaised]:
    """The events behind the one that the code has seen. Each is logged; the one before it has been dealt with then."""
    activation, effects, time, record = turn.activation, turn.effects, turn.slice, turn.record
    assert time is not None, "rows are taken in slices of time"
    mailbox, length_max = activation.mailbox, turn.settings.history_length_max
    while record.history_length <= length_max:
        effects.consume(activation, mailbox.popleft())
        if turn.taken() >= time.stop_at or time.full or not mailbox:
            return
        pending = mailbox[0]
        message = pending.message
        event = event_of(message, effects.now_ms) if message.operation == EVENT else None
        if event is None:
            return
        try:
            data = encode_event(event)
        except InvalidInput:  # it has a turn of its own, and fails by itself
            return
        time.running = pending
        turn.now_ms = event.at_ms
        note_event(turn, event.name, message)
        turn.add(event, data)
        yield event
