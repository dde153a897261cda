"""What a client sends, as a span around the sending: `with sending(SIGNAL, target, operation) as trace:`.

What is sent carries `trace`, None where there is nothing to carry.
"""

from __future__ import annotations

import time
from contextlib import AbstractContextManager
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from stead.entities._message.shards import kind_of, shown_target
from stead.entities._message.trace import TraceContext

from . import switch
from .carried import as_parent, attach, carried_by, current, detach, given, span_context
from .names import (
    BATCH_COUNT,
    DESTINATION,
    LINKS_MAX,
    NAME,
    OPERATION,
    OPERATION_NAME,
    OPERATION_TYPE,
    SYSTEM,
    TARGET,
    TYPE,
)

if TYPE_CHECKING:
    from contextvars import Token

    from opentelemetry.trace import Span


class What(NamedTuple):
    """What is sent: how its spans' names begin, their `durabletask.type`, their operation, whether an answer is waited for, and
    what the span of many is called that a producer was given."""

    begins: str
    type: str
    operation: str
    waits: bool = False
    many: str = ""


SIGNAL: Final = What("entity", "entity", "signal_entity", many="entity:signal_batch")
CALL: Final = What("entity", "entity", "call_entity", True)
START: Final = What("create_orchestration", "orchestration", "start_orchestration")
EVENT: Final = What("orchestration_event", "event", "raise_event", many="orchestration_event_batch")
QUERY: Final = What("orchestration_query", "orchestration", "query", True)
UPDATE: Final = What("orchestration_update", "orchestration", "update", True)


class _Quiet:
    """Nobody wants to know; what came with a request is handed on."""

    def __enter__(self) -> TraceContext | None:
        return given.get()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        pass


_QUIET = _Quiet()


def sending(what: What, target: str, name: str) -> AbstractContextManager[TraceContext | None]:
    """The span of a sending to a target. `name`: an operation's, an orchestration's, an event's, …"""
    return _Sending(what, target, name) if switch.look() else _QUIET


class _Sending:
    """See the module."""

    def __init__(self, what: What, target: str, name: str) -> None:
        self._what, self._target, self._name = what, target, name
        self._span: Span | None = None
        self._token: Token[Any] | None = None

    def __enter__(self) -> TraceContext | None:
        from opentelemetry.trace import SpanKind

        what, target, name = self._what, self._target, self._name
        kind = kind_of(target) if what.begins == "entity" else ""
        attributes = {
            SYSTEM: "stead",
            OPERATION_TYPE: "send",
            OPERATION_NAME: name if kind else what.operation,
            DESTINATION: kind or name,
            TYPE: what.type,
            NAME: kind or name,
            OPERATION: what.operation,
            TARGET: shown_target(target),
        }
        self._span = span = switch.start_span(
            f"{what.begins}:{kind}:{name}" if kind else f"{what.begins}:{name}",
            kind=SpanKind.CLIENT if what.waits else SpanKind.PRODUCER,
            attributes=attributes,
        )
        self._token = attach(span)
        return carried_by(span)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        from opentelemetry.trace import Status, StatusCode

        span, token = self._span, self._token
        assert span is not None and token is not None, "it was entered"
        detach(token)
        if error is not None:
            switch.tell(span.record_exception, error)
            switch.tell(span.set_status, Status(StatusCode.ERROR, type(error).__name__))
        switch.tell(span.end)


def traced() -> bool:
    """Whether what is sent now may belong to a trace."""
    return switch.look() or given.get() is not None


class _GivenMessages:
    """What of one sort a producer has given since it was last flushed: how many, since when, and in which traces."""

    __slots__ = ("began_ns", "count", "traces")

    def __init__(self) -> None:
        self.began_ns = time.time_ns()
        self.count = 0
        self.traces: dict[TraceContext, None] = {}


class Sent:
    """What a producer has given since it was last flushed: told as one span of each sort, with links to where it was given."""

    def __init__(self) -> None:
        self._many: dict[What, _GivenMessages] = {}

    def note(self, what: What = SIGNAL) -> TraceContext | None:
        """A message is given: what it carries."""
        trace = current()
        if switch.on:
            many = self._many.get(what)
            if many is None:
                many = self._many[what] = _GivenMessages()
            many.count += 1
            if trace is not None and len(many.traces) < LINKS_MAX:
                many.traces[trace] = None
        return trace

    def flushed(self) -> None:
        """All of it is durable."""
        told, self._many = self._many, {}
        if not (told and switch.on):
            return
        from opentelemetry.trace import Link, SpanKind, get_current_span

        here = carried_by(get_current_span())
        for what, many in told.items():
            span = switch.start_span(
                what.many,
                as_parent(here),
                SpanKind.PRODUCER,
                {
                    SYSTEM: "stead",
                    OPERATION_TYPE: "send",
                    OPERATION_NAME: what.operation,
                    TYPE: what.type,
                    OPERATION: what.operation,
                    BATCH_COUNT: many.count,
                },
                [Link(span_context(trace)) for trace in many.traces if trace != here],
                many.began_ns,
            )
            switch.tell(span.end)
