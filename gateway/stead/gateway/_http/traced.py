"""A request's place in a trace: what it sends on belongs to the one that its `traceparent` names.

With an SDK of OpenTelemetry there is a span for it as well, unless something before us (its ASGI middleware) has made one.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING

from starlette.responses import Response
from starlette.types import Scope

from stead.entities.extending import as_parent, attach, given_trace, tracing, within

if TYPE_CHECKING:
    from .routes import Route


class Answered:
    """What came of a request."""

    def __init__(self) -> None:
        self.response: Response | None = None


def traced(scope: Scope, route: Route) -> AbstractContextManager[Answered]:
    """The block in which a request is answered."""
    parent = state = ""
    for name, value in scope["headers"]:
        if name == b"traceparent":
            parent = value.decode("latin-1")
        elif name == b"tracestate":
            state = f"{state},{value.decode('latin-1')}" if state else value.decode("latin-1")
    if tracing.look() and route.right is not None:  # what is open to everybody says how this server is, again and again
        return _spanned(scope, route, parent, state)
    return _handed_on(parent, state) if parent else nullcontext(Answered())


@contextmanager
def _handed_on(parent: str, state: str) -> Generator[Answered]:
    with within(parent, state):
        yield Answered()


@contextmanager
def _spanned(scope: Scope, route: Route, parent: str, state: str) -> Generator[Answered]:
    from opentelemetry import context
    from opentelemetry.trace import SpanKind, StatusCode, get_current_span

    answered = Answered()
    if get_current_span().get_span_context().is_valid:
        yield answered
        return
    span = tracing.start_span(
        f"{scope['method']} {route.path}",
        as_parent(given_trace(parent, state)),
        SpanKind.SERVER,
        {"http.request.method": scope["method"], "http.route": route.path, "url.path": scope["path"]},
    )
    token = attach(span)
    try:
        yield answered
    finally:
        context.detach(token)
        response = answered.response
        if response is not None:
            tracing.tell(span.set_attribute, "http.response.status_code", response.status_code)
        if response is None or response.status_code >= 500:
            tracing.tell(span.set_status, StatusCode.ERROR)
        tracing.tell(span.end)
