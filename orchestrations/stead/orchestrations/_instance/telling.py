"""What clients ask and tell an instance: queries and updates.

A query changes nothing: it sees what the code shares after the events before it, which are committed with the answer. An
update is looked at by its validator first, at the same place: what that refuses leaves nothing. What is accepted is an event.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeVar

from stead.entities.extending import Failure, Pending
from stead.orchestrations._execution.code import Code, QuestionForm
from stead.orchestrations._execution.execution import Execution
from stead.orchestrations._execution.outcome import has_diverged
from stead.orchestrations._execution.picture import picture_of
from stead.orchestrations._execution.sharing import NOTHING_SHARED, SharedState
from stead.orchestrations._history.errors import (
    InstanceBlocked,
    InstanceFinished,
    NothingShared,
    QueryChangedState,
    UnknownInstance,
    UnknownQuestion,
)
from stead.orchestrations._history.event_table import ENDS
from stead.orchestrations._history.events import Event, UpdateAccepted
from stead.orchestrations._history.failures import FailureDetails
from stead.orchestrations._history.messages import decode_question
from stead.transport import InvalidInput, SteadError
from stead.transport.describing import is_a, text_of

from .answers import drop_message
from .driving import settle_turn, take_event, wake_code
from .issuing import failure_for_client
from .turn import InstanceTurn

Q = TypeVar("Q", bound=QuestionForm)


def on_ask(turn: InstanceTurn, pending: Pending) -> None:
    """A query: answered from what the code shares, now or when it ended."""
    message = pending.message
    address = message.reply_to
    if address is None:
        raise InvalidInput("query", "nobody waits for the answer")
    name, args = decode_question(message.args)
    try:
        if turn.running:
            wake_code(turn)  # it may end by that
        shared = _shared_now(turn) if turn.running else _shared_at_end(turn)
        form = _question(turn, "query", _code(turn).queries, name)
    except SteadError as error:
        _cannot(turn, pending, error)
        return
    call = None
    try:
        call = form.prepare(args, message.kwargs)
        value = form.encode_result(_looked(turn, shared, ("query", form.name), partial(call, form.function)))
        turn.effects.reply(turn.effects.answer(address, value))
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        if call is None and is_a(error, InvalidInput):  # so are arguments
            raise
        turn.effects.fail(pending, failure_for_client(FailureDetails.of(error)))


def on_update(turn: InstanceTurn, pending: Pending) -> None:
    """An update: if it is not refused, an event."""
    message = pending.message
    name, args = decode_question(message.args)
    try:
        if turn.body.record is not None and not turn.running:
            raise InstanceFinished(turn.target, turn.record.status)
        shared = _shared_now(turn)
        form = _question(turn, "update", _code(turn).updates, name)
    except SteadError as error:
        _cannot(turn, pending, error)
        return
    update_id = message.message_id.hex()
    if update_id in turn.body.ledger.updates:
        drop_message(turn, "an update that is under way")
        return
    call = None
    try:
        call = form.prepare(args, message.kwargs)
        check = partial(form.check, args=args, kwargs=message.kwargs)
        _looked(turn, shared, ("validator of the update", form.name), check)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        if call is None and is_a(error, InvalidInput):  # its caller's, as those of a query
            raise
        turn.effects.fail(pending, failure_for_client(FailureDetails.of(error), "refused"))
        return
    waiter = None if message.reply_to is None else list(message.reply_to)
    kwargs = None if message.kwargs is None else dict(message.kwargs)
    take_event(turn, UpdateAccepted(turn.now_ms, 0, update_id, form.name, args, kwargs, waiter))


def _looked(turn: InstanceTurn, shared: SharedState, who: tuple[str, str], look: Callable[[Any], object]) -> object:
    """What a query or a validator makes of what is shared. It changes nothing by that: code that it has woken is replayed
    instead, and so is, where tests look for it, code whose object it has changed. Raises `QueryChangedState` then."""
    checks, state = turn.settings.check_queries, shared.state
    pulse, before = shared.pulse, picture_of(state) if checks else None
    try:
        return look(state)
    finally:
        if shared.pulse != pulse or (checks and picture_of(state) != before):
            body = turn.body
            settle_turn(turn)
            body.deferred = body.deferred or body.wants is not None  # which a replay brings back
            body.drop_code()
            raise QueryChangedState(who[1], who[0])


def _shared_now(turn: InstanceTurn) -> SharedState:
    """What the code of an instance that goes on shares. Raises `UnknownInstance`, `InstanceBlocked`, `InstanceFinished` and
    `NothingShared`."""
    if turn.body.record is None:
        raise UnknownInstance(turn.target)
    wake_code(turn)
    record, execution = turn.record, turn.body.execution
    if not turn.running:
        raise InstanceFinished(turn.target, record.status)
    if execution is None:
        raise (InstanceBlocked if turn.body.blocked else NothingShared)(turn.target, record.status)
    return _something(turn, execution)


def _shared_at_end(turn: InstanceTurn) -> SharedState:
    """What the code of an instance that has ended shared: it is replayed to there."""
    body = turn.body
    if body.record is None:
        raise UnknownInstance(turn.target)
    if body.final is None:
        code = turn.surroundings.find_code(turn.record.name, turn.record.version)
        if code is None:
            raise InstanceBlocked(turn.target, turn.record.status)
        history: list[Event] = body.history()
        ended = [at for at, kind in enumerate(map(type, history)) if kind in ENDS]
        body.final = execution = Execution(
            turn.target, code, history[: ended[-1] if ended else None], turn.settings, turn.surroundings.types
        )
        # It is not closed before it is of no more use: what that makes the code do, it never did.
        while (wants := execution.turn()) is None:
            pass
        if has_diverged(wants.outcome):
            body.drop_code()
            raise InstanceBlocked(turn.target, turn.record.status)
    return _something(turn, body.final)


def _something(turn: InstanceTurn, execution: Execution) -> SharedState:
    if execution.sharing.state is NOTHING_SHARED:
        raise NothingShared(turn.target, turn.record.status)
    return execution.sharing


def _code(turn: InstanceTurn) -> Code:
    code = turn.surroundings.find_code(turn.record.name, turn.record.version)
    assert code is not None, "its state was made by it"
    return code


def _question(turn: InstanceTurn, kind: str, known: Mapping[str, Q], name: str) -> Q:
    form = known.get(name.lower())
    if form is None:
        has = ", ".join(sorted(each.name for each in known.values())) or "none"
        raise UnknownQuestion(f"orchestration {turn.record.name!r} has no {kind} {name!r}; it has {has}")
    return form


def _cannot(turn: InstanceTurn, pending: Pending, error: SteadError) -> None:
    turn.effects.fail(pending, Failure("undeliverable", f"stead.orchestrations.{type(error).__name__}", text_of(error)))
