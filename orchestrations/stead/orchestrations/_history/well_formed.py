"""Whether an instance's record and history are ones that it can have between two commits: for tests, which ask after each.

Nothing of a running worker comes here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from .event_table import ASKED
from .events import Event
from .ledger import Ledger
from .record import InstanceRecord, RuntimeStatus


def ill_formed(record: InstanceRecord, history: Sequence[Event]) -> str | None:
    """What is wrong with an instance, in words; None if nothing is."""
    return next(_faults(record, history), None)


def _faults(record: InstanceRecord, history: Sequence[Event]) -> Iterator[str]:
    if record.history_length != len(history):
        yield f"its history is said to have {record.history_length} events, and has {len(history)}"
    if not 0 <= record.unseen <= len(history):
        yield f"{record.unseen} of {len(history)} events are said to be unseen"
    if record.finished != (record.finished_ms is not None):
        yield f"it is {record.status}, and finished at {record.finished_ms}"
    if record.failure is not None and record.status is not RuntimeStatus.FAILED:
        yield f"it is {record.status}, and has a failure"
    if record.finished and record.awaited:
        yield f"it is {record.status}, and waits for events"
    yield from _of_the_ledger(history)


def _of_the_ledger(history: Sequence[Event]) -> Iterator[str]:
    """What is open in a history is what its events leave open."""
    ledger = Ledger()
    for place, event in enumerate(history):
        if type(event) in ASKED and event.task_id not in ledger.open:
            yield f"event {place} answers {event.task_id}, which was not asked, or is answered already"
        ledger.apply(event)
    if any(task_id != event.task_id for task_id, event in ledger.open.items()):
        yield "a task is open under another's number"
    if not {*ledger.running} <= {*ledger.children}:
        yield "a sub-orchestration runs that was never started"
    if len({lock.lock for lock in ledger.locks}) != len(ledger.locks):
        yield "a lock is held twice"
