"""A start has come: for an ID that is free, finished, or taken (HAZARDS 14).

Clients have been refused by the store if the ID was taken. The starts of orchestrations and entities come here as they are,
and what collides is answered here.
"""

from __future__ import annotations

from stead.entities.extending import Failure, Pending
from stead.orchestrations._history.errors import InstanceExists, UnknownInstance
from stead.orchestrations._history.failures import FailureDetails
from stead.orchestrations._history.messages import REUSE_ASK, REUSE_REWIND, StartMessage, decode_start, told_is_entity
from stead.orchestrations._history.record import RuntimeStatus
from stead.transport import InvalidInput, Reuse, get_logger

from .beginning import begin_instance
from .children import close_children
from .driving import wake_code
from .ending import answer_parent, tell_at_end, terminate_instance
from .rewinding import rewind_instance
from .turn import InstanceTurn

logger = get_logger("stead.worker")

REPLACED = "replaced by a new start"


def on_start(turn: InstanceTurn, pending: Pending) -> None:
    """Begin the instance, or answer that its ID is taken. Raises `InvalidInput` for a message that is no start."""
    message = pending.message
    # Whatever comes of it, the ID is not reserved for this start any more.
    turn.effects.started(turn.target, message.message_id)
    start = decode_start(message.args)
    record = turn.body.record
    if start.reuse == REUSE_ASK:
        _tell_of_it(turn, start)
        return
    if start.reuse == REUSE_REWIND and record is not None:
        _rewind_child(turn, pending, start)
        return
    if record is not None:
        if start.reuse == Reuse.ALWAYS:
            _replace(turn)
        elif start.reuse == Reuse.NEVER or not record.finished:
            _collide(turn, pending, start)
            return
    _begin(turn, pending, start)


def _replace(turn: InstanceTurn) -> None:
    """End what is there, with all that it has under way: a child that has a name would be in the way of the new one's."""
    ledger = turn.body.ledger
    if turn.running:
        terminate_instance(turn, REPLACED, recursive=True)
    else:
        close_children(turn, RuntimeStatus.TERMINATED, REPLACED)
    ledger.running = []


def _begin(turn: InstanceTurn, pending: Pending, start: StartMessage) -> None:
    begin_instance(turn, start, pending.message)
    if turn.record.scheduled_ms is None:
        wake_code(turn)


def _collide(turn: InstanceTurn, pending: Pending, start: StartMessage) -> None:
    if start.parent is not None and told_is_entity(start.parent):
        _tell_of_it(turn, start)
        return
    error = InstanceExists(turn.target, str(turn.record.status))
    if start.parent is not None:
        turn.effects.answer_task(start.parent, False, FailureDetails.of(error).as_map())
        return
    logger.warning("%s: a start was refused, because the ID is taken; it is among the dead letters", turn.target)
    failure = Failure("operation", "stead.orchestrations.InstanceExists", str(error))
    turn.effects.bury(pending.envelope, failure, pending.stream_id)
    if pending.message.waiter is not None:
        tell_at_end(turn, pending.message.waiter)  # of what has the ID, as for one that asks for it


def _tell_of_it(turn: InstanceTurn, start: StartMessage) -> None:
    """An entity has started the instance, or asks for it (HAZARDS 105, 106): it is told how the instance has ended, or will be."""
    record, parent = turn.body.record, start.parent
    if parent is None:
        raise InvalidInput("start", "nobody asks")
    if record is None:
        turn.effects.answer_task(parent, False, FailureDetails.of(UnknownInstance(turn.target)).as_map())
    elif record.finished:
        answer_parent(turn, parent)
    elif record.parent is None:
        record.parent = parent
        turn.changed()


def _rewind_child(turn: InstanceTurn, pending: Pending, start: StartMessage) -> None:
    """The parent was rewound, and waits for this instance again."""
    record, parent = turn.record, start.parent
    if parent is None:
        raise InvalidInput("start", "only a parent that was rewound sends this")
    if record.parent is None or record.parent.instance != parent.instance:
        _collide(turn, pending, start)
        return
    record.parent = parent
    turn.changed()
    if record.status is RuntimeStatus.FAILED:
        rewind_instance(turn, "its parent was rewound")
    elif record.status is RuntimeStatus.COMPLETED:
        answer_parent(turn, parent)
    elif record.finished:
        _begin(turn, pending, start)
