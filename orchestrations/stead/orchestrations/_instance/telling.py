"""What clients ask and tell an instance: queries and updates.

A query changes nothing: it sees what the code shares after the events before it, which are committed with the answer. An
update is looked at by its validator first, at the same place: what that refuses leaves nothing. What is accepted is an event.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from stead.entities.extending import Failure, Pending
from stead.orchestrations._execution.code import Code, QuestionForm
from stead.orchestrations._execution.execution import Execution
from stead.orchestrations._execution.outcome import has_diverged
from stead.orchestrations._execution.picture import picture_of
from stead.orchestrations._execution.sharing import NOTHING_SHARED
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
from stead.transport.describing import text_of

from .driving import take_event, wake_code
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
        state = _state_now(turn) if turn.running else _state_at_end(turn)
        form = _question(turn, "query", _code(turn).queries, name)
    except SteadError as error:
        _cannot(turn, pending, error)
        return
    call = form.prepare(args, message.kwargs)  # its `InvalidInput` is the caller's
    checks = turn.settings.check_queries
    before = picture_of(state) if checks else None
    try:
        answer = turn.effects.answer(address, form.encode_result(call(form.function, state)))
        if checks and picture_of(state) != before:
            turn.body.drop_code()
            turn.body.final = None
            raise QueryChangedState(form.name)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - whatever the query raises is its caller's to know
        turn.effects.fail(pending, failure_for_client(FailureDetails.of(error)))
    else:
        turn.effects.reply(answer)


def on_update(turn: InstanceTurn, pending: Pending) -> None:
    """An update: if it is not refused, an event."""
    message = pending.message
    name, args = decode_question(message.args)
    try:
        if turn.body.record is not None and not turn.running:
            raise InstanceFinished(turn.target, turn.record.status)
        state = _state_now(turn)
        form = _question(turn, "update", _code(turn).updates, name)
    except SteadError as error:
        _cannot(turn, pending, error)
        return
    form.prepare(args, message.kwargs)  # its `InvalidInput` is the caller's
    try:
        form.check(state, args, message.kwargs)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - whatever the validator raises
        turn.effects.fail(pending, failure_for_client(FailureDetails.of(error), "refused"))
        return
    waiter = None if message.reply_to is None else list(message.reply_to)
    kwargs = None if message.kwargs is None else dict(message.kwargs)
    take_event(turn, UpdateAccepted(turn.now_ms, 0, message.message_id.hex(), form.name, args, kwargs, waiter))


def _state_now(turn: InstanceTurn) -> object:
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
    return _shared(turn, execution.shared)


def _state_at_end(turn: InstanceTurn) -> object:
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
        execution = Execution(
            turn.target, code, history[: ended[-1] if ended else None], turn.settings, turn.surroundings.types
        )
        try:
            while (wants := execution.turn()) is None:
                pass
        finally:
            execution.close()
        if has_diverged(wants.outcome):
            raise InstanceBlocked(turn.target, turn.record.status)
        body.final = execution.shared
    return _shared(turn, body.final)


def _shared(turn: InstanceTurn, state: object) -> object:
    if state is NOTHING_SHARED:
        raise NothingShared(turn.target, turn.record.status)
    return state


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
