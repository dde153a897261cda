"""The span of an activity: of each run one. An activity runs at least once, so that there may be more for one call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from stead.entities.extending import TraceContext, as_parent, attach, span_names, tracing

if TYPE_CHECKING:
    from opentelemetry.trace import Span


def begin_span(name: str, address: tuple[str, str, int], attempt: int, trace: TraceContext | None) -> Span:
    """An activity begins, in a context of its own, of which its span is the current one from now on. `address`: the instance,
    its execution and the task; `trace`: the span of that one."""
    from opentelemetry.trace import SpanKind

    instance_id, execution_id, task_id = address
    attributes: dict[str, str | int] = {
        span_names.TYPE: "activity",
        span_names.NAME: name,
        span_names.INSTANCE: instance_id,
        span_names.EXECUTION: execution_id,
        span_names.TASK: task_id,
        span_names.ATTEMPT: attempt,
    }
    span = tracing.start_span(f"activity:{name}", as_parent(trace), SpanKind.SERVER, attributes)
    attach(span)
    return span


def end_span(span: Span, failure: Mapping[str, Any] | None, *, dropped: bool) -> None:
    """It has ended, with this failure or well; or nobody wants its result any more."""
    from opentelemetry.trace import Status, StatusCode

    if failure is not None:
        said = f"{failure['type']}: {failure['message']}"
        told = {"exception.type": failure["type"], "exception.message": failure["message"]}
        if failure.get("traceback"):
            told["exception.stacktrace"] = failure["traceback"]
        tracing.tell(span.add_event, "exception", told)
        tracing.tell(span.set_status, Status(StatusCode.ERROR, said))
    elif dropped:
        tracing.tell(span.set_status, Status(StatusCode.ERROR, "nobody wants its result any more"))
    tracing.tell(span.end)
