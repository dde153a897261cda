"""What is told of an instance to whoever traces: its executions, timers and events, as values among the effects.

An execution has one span however long it lives, and however many workers have carried it out. Its ID follows from the
instance's and the execution's, so that whatever the execution sends names it as its parent long before it is told, with the
commit that ends the execution. Nothing is told by a replay: what is told comes with a message, or with an end.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from stead.entities.extending import LastingSpan, TraceContext, root_context, root_flags, span_names, tracing
from stead.orchestrations._history.record import RuntimeStatus

if TYPE_CHECKING:
    from stead.entities.extending import Message
    from stead.orchestrations._history.events import TimerCreated
    from stead.orchestrations._history.messages import StartMessage

    from .turn import InstanceTurn

_WELL = frozenset({RuntimeStatus.COMPLETED, RuntimeStatus.CONTINUED_AS_NEW})


def trace_of_start(
    instance_id: str, execution_id: str, start: StartMessage, trace: TraceContext | None
) -> str | list[str] | None:
    """To which trace an instance belongs whose start carried this: as its history says it. Where it carried none, and this
    worker tells what it does, a trace begins with it."""
    if trace is None and tracing.on:
        root = root_context(instance_id, execution_id, 1)
        trace = root_context(instance_id, execution_id, root_flags(root.trace_id, _name(start.name, start.version)))
    return None if trace is None else trace.stored()


def note_end(turn: InstanceTurn, status: RuntimeStatus, failure: Mapping[str, Any] | None = None) -> None:
    """An execution ends."""
    ledger, record = turn.body.ledger, turn.record
    if not tracing.on or ledger.trace is None:
        return
    attributes = _attributes(turn, "orchestration") | {span_names.STATUS: status.value}
    if record.version:
        attributes[span_names.VERSION] = record.version
    why = None
    if failure is not None:
        why = f"{failure['type']}: {failure['message']}"
    elif status not in _WELL:
        why = status.value
    name, began_ms = _name(record.name, record.version), ledger.since_ms
    own = turn.trace
    turn.effects.spans.append(
        LastingSpan(name, "SERVER", ledger.trace, began_ms, turn.now_ms, attributes, own, failure=why)
    )


def note_timer(turn: InstanceTurn, timer: TimerCreated) -> None:
    """A timer has fired."""
    own = turn.trace
    if not tracing.on or own is None:
        return
    attributes = _attributes(turn, "timer") | {
        span_names.TASK: timer.task_id,
        span_names.FIRE_AT: timer.fire_at_ms,
    }
    if timer.purpose:
        attributes[span_names.PURPOSE] = timer.purpose
    name = f"orchestration:{turn.record.name}:timer"
    turn.effects.spans.append(LastingSpan(name, "INTERNAL", own, timer.at_ms, turn.now_ms, attributes))


def note_event(turn: InstanceTurn, name: str, message: Message) -> None:
    """An external event has come."""
    own = turn.trace if tracing.on else None
    if own is None:
        return
    attributes = _attributes(turn, "event") | {span_names.NAME: name, span_names.TARGET: turn.target}
    parent = message.trace or own
    links = () if parent is own else (own,)
    span = LastingSpan(
        f"orchestration_event:{name}", "CONSUMER", parent, turn.now_ms, turn.now_ms, attributes, links=links
    )
    turn.effects.spans.append(span)


def _attributes(turn: InstanceTurn, kind: str) -> dict[str, str | int]:
    record = turn.record
    return {
        span_names.TYPE: kind,
        span_names.NAME: record.name,
        span_names.INSTANCE: turn.target,
        span_names.EXECUTION: record.execution_id,
    }


def _name(name: str, version: str | None) -> str:
    return f"orchestration:{name}@({version})" if version else f"orchestration:{name}"
