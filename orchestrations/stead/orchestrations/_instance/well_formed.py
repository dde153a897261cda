"""Whether what a worker has of an instance in memory is what it can have between two turns: for tests, which ask after each.

Nothing of a running worker comes here. What is stored of an instance is looked at by `_history.well_formed`.
"""

# To look inside is what it is for.
# pyright: reportPrivateUsage=false

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from stead.orchestrations._execution.execution import Execution
from stead.orchestrations._execution.external_events import Mailbox
from stead.orchestrations._history.event_codec import decode_event
from stead.orchestrations._history.event_table import ASKED
from stead.orchestrations._history.ledger import Ledger
from stead.orchestrations._history.record import InstanceRecord, encode_instance_record

from .turn import Body


def ill_formed(body: Body) -> str | None:
    """What is wrong with an instance in memory, in words; None if nothing is."""
    return next(_faults(body), None)


def _faults(body: Body) -> Iterator[str]:
    record = body.record
    if body.execution is not None and body.replay is not None:
        yield "its code is there, and on its way through the history"
    if body.replayed is not None and body.replay is None:
        yield "what the code wants is known, and the code is not there"
    if record is None:
        if body.log or body.execution is not None or body.has_work:
            yield "it does not exist, and has a history, code or work"
        return
    if body.packed is not None and body.packed != encode_instance_record(record):
        yield "its record has changed, and the bytes that would be stored have not"
    if body.log:
        yield from _of_the_log(body, record)
    if record.finished and (body.execution is not None or body.replaying or body.has_work):
        yield f"it is {record.status}, and has code or work"
    if body.execution is not None:
        yield from _of_the_code(body, record, body.execution)


def _of_the_log(body: Body, record: InstanceRecord) -> Iterator[str]:
    if record.history_length != len(body.log):
        yield f"its history is said to have {record.history_length} events, and has {len(body.log)}"
    ledger = Ledger(map(decode_event, body.log))
    # What the code has called off is open in a history, which does not say so.
    if not body.ledger.open.keys() <= ledger.open.keys():
        yield "what is said to be open is not what its history leaves open"
    if not {lock.task_id for lock in body.ledger.locks} <= {lock.task_id for lock in ledger.locks}:
        yield "its locks are not those of its history"


def _of_the_code(body: Body, record: InstanceRecord, code: Execution) -> Iterator[str]:
    commands = code._commands
    if commands.dead and code._outcome is None:  # (one that has ended is kept until all that it asked for is done)
        yield "its code has been dropped, and is kept"
    if code._left is not None:
        yield "its code is there, and has not come to the end of the history"
    if code._outcome is not None and not body.has_work:
        yield "its code has ended, and it goes on"
    if not record.begun:
        yield "its code is there, and has not begun"
    if commands._asked or commands._patches or commands._called_off:
        yield "its code has asked for what nobody has taken"
    asked = {*body.ledger.open, *(event.task_id for event, _ in body.asked)}
    asked.update(event.task_id for _, event in body.to_feed)  # answered, and the code has not heard it
    if not asked.issuperset(code.pending):
        yield "its code waits for an answer that its history does not wait for"
    places = [place for place, _ in body.to_feed]
    if any(before >= after for before, after in pairwise(places)):
        yield "what the code has not seen is not in order"
    if any(decode_event(body.log[place]) != event for place, event in body.to_feed):
        yield "what the code has not seen is not what its history says"
    if record.unseen != (len(body.log) - places[0] if places else 0):
        yield f"the code is said not to have come to {record.unseen} events"
    if {event.task_id for event in code._held if type(event) in ASKED} != code._held_ids:
        yield "the answers that a suspended instance keeps are not those that it is said to keep"
    yield from _of_the_events(commands.mailbox)
    awaited = [event.name for event in record.awaited]
    if awaited != code.mailbox.awaited(len(awaited)) or (code.mailbox.waits and not awaited):
        yield "the events that its record names are not those that its code waits for"


def _of_the_events(mailbox: Mailbox) -> Iterator[str]:
    if mailbox.waits != sum(map(len, mailbox._waiting.values())):
        yield f"{mailbox.waits} are said to wait for an event, and others do"
    if not all((*mailbox._waiting.values(), *mailbox._buffered.values())):
        yield "a name is kept for which nobody and nothing waits"
    if not mailbox._waiting.keys().isdisjoint(mailbox._buffered):
        yield "an event is kept though somebody waits for it"
    orders = [event.order for kept in mailbox._buffered.values() for event in kept]
    if not mailbox._delivered.keys().isdisjoint(orders) or len({*orders}) != len(orders):
        yield "an event is kept twice"
