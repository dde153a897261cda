"""An operation of an entity, as a span: begun when it runs, and told when the commit with what came of it is in the store.

So what is told has happened. What ran and was undone, because its worker lost the partition or a batch failed, is not told.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextvars import Context, Token, copy_context
from typing import TYPE_CHECKING, Any

from stead.entities._message.envelope import Firing, Message
from stead.entities._message.shards import kind_of, shown_target
from stead.entities._message.trace import TraceContext
from stead.transport.describing import text_of_error

from . import switch
from .carried import as_parent, attach, carried_by, detach, span_context
from .names import (
    BATCH_COUNT,
    DESTINATION,
    INSTANCE,
    LINKS_MAX,
    MESSAGE_ID,
    NAME,
    OPERATION,
    OPERATION_NAME,
    OPERATION_TYPE,
    SYSTEM,
    TYPE,
)

if TYPE_CHECKING:
    from opentelemetry.trace import Span


class OperationSpan:
    """See the module."""

    __slots__ = ("_ended_ns", "_span", "_token", "trace")

    def __init__(self, span: Span) -> None:
        self._span = span
        self._token: Token[Any] | None = None
        self._ended_ns = 0
        self.trace: TraceContext | None = carried_by(span)
        """What its messages carry."""

    def enter(self) -> None:
        """The operation's code runs from here, …"""
        self._token = attach(self._span)

    def leave(self) -> None:
        """… to here."""
        if self._token is not None:
            detach(self._token)
            self._token = None
        self._ended_ns = time.time_ns()

    def variables(self) -> Context:
        """What an asynchronous operation begins with, which is a task's."""
        variables = copy_context()
        variables.run(attach, self._span)
        return variables

    def failed(self, error: BaseException) -> None:
        """The operation has failed."""
        from opentelemetry.trace import Status, StatusCode

        switch.tell(self._span.record_exception, error)
        switch.tell(self._span.set_status, Status(StatusCode.ERROR, text_of_error(error)))

    def committed(self) -> None:
        """What came of it is in the store."""
        switch.tell(self._span.end, self._ended_ns)


def begin_operation(target: str, messages: Sequence[Message]) -> OperationSpan:
    """The span of an operation that takes this message, or all of these.

    One message's sender is its parent. Many messages, of different senders, are linked, and so is what set a reminder.
    """
    from opentelemetry.trace import Link, SpanKind

    first = messages[0]
    traces = dict.fromkeys(message.trace for message in messages if message.trace is not None)
    parent = next(iter(traces)) if len(traces) == 1 and type(first) is not Firing else None
    links = () if parent is not None else [Link(span_context(trace)) for trace in list(traces)[:LINKS_MAX]]
    kind, asked = kind_of(target), first.reply_to is not None or first.task is not None
    attributes: dict[str, str | int] = {
        SYSTEM: "stead",
        OPERATION_TYPE: "process",
        OPERATION_NAME: first.operation,
        DESTINATION: kind,
        MESSAGE_ID: first.message_id.hex(),
        TYPE: "entity",
        NAME: kind,
        OPERATION: "call_entity" if asked else "signal_entity",
        INSTANCE: shown_target(target),
    }
    if len(messages) > 1:
        attributes[BATCH_COUNT] = len(messages)
    return OperationSpan(
        switch.start_span(
            f"entity:{kind}:{first.operation}",
            as_parent(parent),
            SpanKind.SERVER if asked and len(messages) == 1 else SpanKind.CONSUMER,
            attributes,
            links,
        )
    )
