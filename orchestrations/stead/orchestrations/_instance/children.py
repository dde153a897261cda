"""The instances that an instance has started as sub-orchestrations, over all of its executions: their IDs, and what is done
to all of them. An execution begins with an empty history; what is left of the children of those before it stands in the event
that begins it (`ExecutionStarted`, `ExecutionRewound`), so that nothing is done twice for it, and nothing forgotten.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from stead.orchestrations._history.events import SubOrchestrationInstanceCreated
from stead.orchestrations._history.ledger import Ledger
from stead.orchestrations._history.messages import (
    CANCEL,
    PURGE,
    TERMINATE,
    CancelMessage,
    PurgeMessage,
    TerminateMessage,
)
from stead.orchestrations._history.record import RuntimeStatus

from .issuing import cancel_task, send_small

if TYPE_CHECKING:
    from .turn import InstanceTurn

ABANDON = "abandon"

FORMER_CHILDREN_MAX = 1_000
"""Children of former executions that an instance remembers, the latest ones: the list is written at each beginning."""


class FormerChildren(NamedTuple):
    """What an event says of the children that there were. None if there were none."""

    children: list[str] | None = None
    running: list[str] | None = None
    closing: dict[str, str] | None = None


def former_children(ledger: Ledger, still: Ledger | None = None) -> FormerChildren:
    """The children that there were, and those that may still run. `still`: a ledger that knows of some of them by itself."""
    if not ledger.children:
        return FormerChildren()
    known = frozenset[str]() if still is None else frozenset(still.children)
    every = [each for each in _distinct(ledger.children) if each not in known]
    running = [each for each in _distinct(ledger.running) if each not in known]
    if not every:
        return FormerChildren()
    running = running[-FORMER_CHILDREN_MAX:]
    closing = {each: ledger.closing[each] for each in running if each in ledger.closing}
    return FormerChildren(every[-FORMER_CHILDREN_MAX:], running, closing or None)


_AS_ITS_PARENT: Mapping[RuntimeStatus, str] = {
    RuntimeStatus.TERMINATED: TERMINATE,
    RuntimeStatus.CANCELED: CANCEL,
}


def close_children(turn: InstanceTurn, status: RuntimeStatus, reason: str) -> None:
    """The instance has ended so: what still runs of its children is ended, asked to end, or left, as was said of each."""
    ledger = turn.body.ledger
    for child in _distinct(ledger.running):
        _close(turn, child, ledger.closing.get(child, _AS_ITS_PARENT.get(status, ABANDON)), reason)


def call_off(turn: InstanceTurn, task_id: int) -> None:
    """The code does not wait any more for what it had asked for. A child is told if that was said of it."""
    event = turn.body.ledger.open.get(task_id)
    if not isinstance(event, SubOrchestrationInstanceCreated):
        cancel_task(turn, task_id)
    elif event.parent_close is not None:
        _close(turn, event.instance_id, event.parent_close, "its parent does not wait for it any more")


def _close(turn: InstanceTurn, child: str, how: str, reason: str) -> None:
    if how == TERMINATE:
        send_small(turn, child, TERMINATE, [*TerminateMessage(reason, True, turn.target)])
    elif how == CANCEL:
        send_small(turn, child, CANCEL, [*CancelMessage(reason, turn.target)])


def purge_children(turn: InstanceTurn, children: Iterable[str]) -> None:
    """Delete those of them that have ended, and theirs."""
    for child in _distinct(children):
        send_small(turn, child, PURGE, [*PurgeMessage(True, turn.target)])


def is_meant(turn: InstanceTurn, parent: str | None) -> bool:
    """Whether a message is about this instance: one that came from a parent is not if the ID is somebody else's by now."""
    if parent is None:
        return True
    own = turn.record.parent
    return own is not None and own.instance == parent


def _distinct(children: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(children))
