"""The trace that a program is in, as messages carry it, and the way back."""

from __future__ import annotations

from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar, Token
from typing import TYPE_CHECKING, Any

from stead.entities._message.trace import TraceContext, given_trace, trace_context

from . import switch

if TYPE_CHECKING:
    from collections.abc import Generator

    from opentelemetry.context import Context
    from opentelemetry.trace import Span, SpanContext

given: ContextVar[TraceContext | None] = ContextVar("stead_given_trace", default=None)
"""What somebody has given along with a request, in a program that tells nobody: it is handed on."""


def current() -> TraceContext | None:
    """The trace that this program is in now."""
    if not switch.on:
        return given.get()
    from opentelemetry.trace import get_current_span

    return carried_by(get_current_span())


def carried_by(span: Span) -> TraceContext | None:
    """What messages carry whose parent is this span."""
    context = span.get_span_context()
    if not context.is_valid:
        return None
    state = context.trace_state.to_header() if context.trace_state else ""
    return trace_context(context.trace_id, context.span_id, int(context.trace_flags), state)


def span_context(trace: TraceContext) -> SpanContext:
    """As OpenTelemetry has it."""
    from opentelemetry.trace import SpanContext, TraceFlags, TraceState

    state = TraceState.from_header([trace.state]) if trace.state else TraceState()
    return SpanContext(trace.trace_id, trace.span_id, True, TraceFlags(trace.flags), state)


def as_parent(trace: TraceContext | None) -> Context:
    """The context in which what has this parent begins; without one, a trace of its own does."""
    from opentelemetry.context import Context
    from opentelemetry.trace import NonRecordingSpan, set_span_in_context

    if trace is None or not trace.span_id:
        return Context()
    return set_span_in_context(NonRecordingSpan(span_context(trace)), Context())


def attach(span: Span) -> Token[Any]:
    """Let a span be the current one."""
    from opentelemetry import context
    from opentelemetry.trace import set_span_in_context

    token: Token[Any] = context.attach(set_span_in_context(span))
    return token


def detach(token: Token[Any]) -> None:
    """Let the one before be the current one again."""
    from opentelemetry import context

    context.detach(token)


def add_trace(headers: dict[str, str]) -> None:
    """Let a request to somebody else go on in the trace that this program is in, unless its headers say in which it does."""
    trace = current()
    if trace is None or any(name.lower() == "traceparent" for name in headers):
        return
    headers["traceparent"] = trace.parent
    if trace.state:
        headers["tracestate"] = trace.state


def within(parent: str, state: str) -> AbstractContextManager[None]:
    """What is sent in the block belongs to the trace that came with a request (`traceparent`, `tracestate`), if that is one."""
    trace = given_trace(parent, state)
    return nullcontext() if trace is None else _within(trace)


@contextmanager
def _within(trace: TraceContext) -> Generator[None]:
    if switch.look():
        from opentelemetry.trace import NonRecordingSpan

        token = attach(NonRecordingSpan(span_context(trace)))
        try:
            yield
        finally:
            detach(token)
        return
    before = given.set(trace)
    try:
        yield
    finally:
        given.reset(before)
