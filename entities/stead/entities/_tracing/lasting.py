"""What has lasted for long, or was never in one process: an orchestration, a timer, an event. A value, which is told once the
commit that ends it is in the store, by the worker that has made that commit; the others are told that it does not count.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextvars import Context, copy_context
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Literal

from stead.entities._message.trace import TraceContext

from . import switch
from .carried import as_parent, attach, span_context
from .chosen_ids import chosen

if TYPE_CHECKING:
    from opentelemetry.trace import Span

NS_IN_MS = 1_000_000


@dataclass(frozen=True, slots=True)
class LastingSpan:
    """See the module. Times are milliseconds since the epoch."""

    name: str
    kind: Literal["SERVER", "CONSUMER", "INTERNAL"]
    parent: TraceContext | None
    began_ms: int
    ended_ms: int
    attributes: Mapping[str, str | int]
    own: TraceContext | None = None
    """The span itself, where others have named it as their parent before."""
    links: tuple[TraceContext, ...] = ()
    failure: str | None = None

    def committed(self) -> None:
        """What it is about is in the store."""
        if not switch.on:
            return
        from opentelemetry.trace import Status, StatusCode

        span = self._started()
        if self.failure is not None:
            switch.tell(span.set_status, Status(StatusCode.ERROR, self.failure))
        switch.tell(span.end, max(self.ended_ms, self.began_ms) * NS_IN_MS)

    def _started(self) -> Span:
        from opentelemetry.trace import Link, SpanKind

        links = [Link(span_context(trace)) for trace in self.links]
        given = self.name, as_parent(self.parent), SpanKind[self.kind], dict(self.attributes), links
        if self.own is None:
            return switch.start_span(*given, start_time=self.began_ms * NS_IN_MS)
        with chosen(self.own.trace_id, self.own.span_id):
            return switch.start_span(*given, start_time=self.began_ms * NS_IN_MS)


def root_flags(trace_id: int, name: str) -> int:
    """What the sampler says of a trace that begins with an orchestration."""
    sampler = switch.sampler()
    if sampler is None:
        return 1
    from opentelemetry.trace import SpanKind

    sampled: list[bool] = []

    def ask() -> None:
        sampled.append(sampler.should_sample(None, trace_id, name, SpanKind.SERVER, {}, ()).decision.is_sampled())

    switch.tell(ask)
    return int(sampled == [True])


def instance_variables(own: TraceContext | None, replaying: Callable[[], bool]) -> Context:
    """The variables with which the code of an orchestrator begins: what it logs and measures belongs to its span, which is told
    at its end. While it replays, that span is one which was not sampled: what the code tells then was told before."""
    variables = copy_context()
    if own is not None and switch.on:
        variables.run(attach, _instance_span()(own, replaying))
    return variables


@cache
def _instance_span() -> Callable[[TraceContext, Callable[[], bool]], Span]:
    """The class of such spans: it is one of OpenTelemetry's, which is imported by who uses it only."""
    from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

    class InstanceSpan(NonRecordingSpan):
        def __init__(self, own: TraceContext, replaying: Callable[[], bool]) -> None:
            context = span_context(own)
            super().__init__(context)
            self._replaying = replaying
            self._silent = SpanContext(context.trace_id, context.span_id, True, TraceFlags(0), context.trace_state)

        def get_span_context(self) -> SpanContext:
            return self._silent if self._replaying() else super().get_span_context()

    return InstanceSpan
