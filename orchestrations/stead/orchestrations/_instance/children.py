"""The instances that an instance has started as sub-orchestrations, over all of its executions: their IDs, and what is done
to all of them. An execution begins with an empty history; what is left of the children of those before it stands in the event
that begins it (`ExecutionStarted`, `ExecutionRewound`), so that nothing is done twice for it, and nothing forgotten.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from stead.orchestrations._history.ledger import Ledger
from stead.orchestrations._history.messages import PURGE, TERMINATE, PurgeMessage, TerminateMessage

from .issuing import send_small

if TYPE_CHECKING:
    from .turn import InstanceTurn

FORMER_CHILDREN_MAX = 1_000
"""Children of former executions that an instance remembers, the latest ones: the list is written at each beginning."""


def former_children(ledger: Ledger, still: Ledger | None = None) -> tuple[list[str] | None, list[str] | None]:
    """What an event says of the children that there were: all of them, and those that may still run. None if there were
    none. `still`: a ledger that knows of some of them by itself."""
    if not ledger.children:
        return None, None
    known = frozenset[str]() if still is None else frozenset(still.children)
    every = [each for each in _distinct(ledger.children) if each not in known]
    running = [each for each in _distinct(ledger.running) if each not in known]
    return (every[-FORMER_CHILDREN_MAX:], running[-FORMER_CHILDREN_MAX:]) if every else (None, None)


def terminate_children(turn: InstanceTurn, children: Iterable[str], reason: str) -> None:
    """End those of them that still run, and theirs."""
    for child in _distinct(children):
        send_small(turn, child, TERMINATE, [*TerminateMessage(reason, True, turn.target)])


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
