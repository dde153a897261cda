"""The Durable Functions surface: status, list, purge, events, and what is done to an instance.

What is missing or finished is answered by the status alone, as there: 404 or 410 without a body.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response

from stead.entities import CallTimeout
from stead.gateway._http.access import Right
from stead.gateway._http.body import INVALID_JSON, MISSING, ONLY_JSON, media_type, read_json
from stead.gateway._http.errors import HttpError
from stead.gateway._http.hub import Hub
from stead.gateway._http.json_values import json_response
from stead.gateway._http.query import Query
from stead.gateway._http.routes import Answer, Handler, Parameter, Route, RouteDescription
from stead.orchestrations import InstanceFinished, InstanceRunning, RuntimeStatus, UnknownInstance

from .clients import may_mean_nothing, reads_history, text_of
from .payloads import (
    ACCEPTED,
    BAD_REQUEST,
    BASE,
    BASES,
    COMMON_PARAMETERS,
    CONTINUATION_ANSWER,
    CONTINUATION_HEADER,
    FAILURE_FLAG,
    GONE,
    NOT_FOUND,
    TOP,
    ErrorPayload,
    PurgePayload,
    StatusPayload,
    StatusWithHistory,
    after_of,
    continuation_headers,
    empty,
    page_length,
    read_status,
    status_payload,
    status_response,
)

HISTORY_LENGTH_AT_ONCE = 1_000
"""A longer history is written beside the event loop, where it would keep other requests waiting."""

NOT_FAILED = (
    "The rewind operation is only supported on failed orchestration instances: this one has the status {}, "
    'and only orchestrations in the "Failed" state can be rewound.'
)
NO_CREATED_FROM = "Please provide value for 'createdTimeFrom' parameter."


async def get_status(request: Request, hub: Hub) -> Response:
    """One instance."""
    query = Query(request)
    show_input = query.boolean("showInput", default=True)
    show_history = query.boolean("showHistory", default=False)
    show_output = query.boolean("showHistoryOutput", default=False)
    failed_is_500 = query.boolean(FAILURE_FLAG, default=False)
    status = await read_status(request, hub, show_history=show_history, show_input=show_input)
    if status is None:
        return empty(404)

    def answer() -> Response:
        payload = status_payload(status, show_input=show_input, show_output=show_output)
        if "historyEvents" in payload and reads_history(request):
            payload["history"] = payload["historyEvents"]
        return status_response(request, hub, status, payload, failed_is_500=failed_is_500)

    if len(status.history or ()) > HISTORY_LENGTH_AT_ONCE:
        return await asyncio.to_thread(answer)
    return answer()


async def list_instances(request: Request, hub: Hub) -> Response:
    """A page of the instances that match."""
    query = Query(request)
    for ignored in ("showHistory", "showHistoryOutput", FAILURE_FLAG):  # documented here as well, for no purpose
        query.boolean(ignored, default=False)
    statuses = query.statuses()
    prefix = query.text("instanceIdPrefix") or ""
    created_from, created_to = query.instant("createdTimeFrom"), query.instant("createdTimeTo")
    show_input = query.boolean("showInput", default=True)
    length = page_length(query, hub)
    query.done()
    page = await hub.client.page_instances(
        statuses=statuses or None,
        prefix=prefix,
        created_from=created_from,
        created_to=created_to,
        show_input=show_input,
        length=length,
        after=after_of(request),
    )
    return json_response([status_payload(status) for status in page.items], headers=continuation_headers(page.after))


async def purge_one(request: Request, hub: Hub) -> Response:
    """Delete a finished instance."""
    status = await read_status(request, hub)
    if status is None:
        return empty(404)
    if not status.is_finished:
        raise HttpError(
            412,
            "Only orchestrations in a terminal state can be purged, but the orchestration with instance ID "
            f"{status.instance_id} has status {status.runtime_status.value}",
        )
    if not await hub.client.purge(status.instance_id):
        return empty(404)
    return json_response({"instancesDeleted": 1})


async def purge_many(request: Request, hub: Hub) -> Response:
    """Delete the finished instances that match. A filter that cannot be understood is refused: it must not match everything."""
    query = Query(request)
    created_from = query.instant("createdTimeFrom")
    if created_from is None:
        return json_response(NO_CREATED_FROM, 400)
    created_to = query.instant("createdTimeTo")
    statuses = query.statuses()
    if not statuses and "runtimestatus" in (name.lower() for name in request.query_params):
        raise HttpError(
            400, "query parameter 'runtimeStatus': it names no status; leave it out to purge whatever has ended"
        )
    prefix = query.text("instanceIdPrefix") or ""
    query.done()
    deleted = await hub.client.purge_instances(
        statuses=statuses or None, prefix=prefix, created_from=created_from, created_to=created_to
    )
    return json_response({"instancesDeleted": deleted}) if deleted else empty(404)


async def raise_event(request: Request, hub: Hub) -> Response:
    """Send an event to an instance: its state is looked at first, the content type then, the content last."""
    status = await read_status(request, hub)
    if status is None:
        return empty(404)
    if status.is_finished:
        return empty(410)
    if media_type(request) != "application/json":
        raise HttpError(400, ONLY_JSON)
    data = await read_json(request, hub)
    if data is MISSING:
        if not may_mean_nothing(request):
            raise HttpError(400, INVALID_JSON)
        data = None
    await hub.client.raise_event(status.instance_id, request.path_params["event_name"], text_of(request, data))
    return empty(202)


def _told(tell: Callable[[Hub, str, str], Awaitable[None]]) -> Handler:
    """The handler of what is told to an instance that is not finished, for a reason."""

    async def handler(request: Request, hub: Hub) -> Response:
        reason = Query(request).text("reason") or ""
        status = await read_status(request, hub)
        if status is None:
            return empty(404)
        if status.is_finished:
            return empty(410)
        await tell(hub, str(status.instance_id), reason)
        return empty(202)

    return handler


async def rewind(request: Request, hub: Hub) -> Response:
    """Let a failed instance go on from its last good state."""
    reason = Query(request).text("reason") or ""
    status = await read_status(request, hub)
    if status is None:
        return empty(404)
    try:
        with contextlib.suppress(CallTimeout):  # it is accepted then, and carried out when a worker comes
            await hub.client.rewind(str(status.instance_id), reason)
    except (InstanceFinished, InstanceRunning) as error:
        return json_response(NOT_FAILED.format(error.status), 412)
    except UnknownInstance:  # somebody has purged it meanwhile
        return empty(404)
    return empty(202)


# -- routes ------------------------------------------------------------------------------------------------------------

_TAG = "Durable Functions: instances"
_PATHS = {"instance_id": "The instance's ID."}
_INPUT = Parameter("showInput", "Include the input.", "boolean", default=True)
_REASON = Parameter("reason", "Why; goes into the history.")
_FILTERS = (
    Parameter("createdTimeFrom", "Created then or later; ISO 8601.", format="date-time"),
    Parameter("createdTimeTo", "Created then or earlier; ISO 8601.", format="date-time"),
    Parameter("runtimeStatus", "In one of these statuses.", many=True, enum=tuple(RuntimeStatus)),
    Parameter("instanceIdPrefix", "The beginning of the ID."),
)
_ENDED = tuple(
    Parameter(
        filter_.name,
        filter_.description,
        format=filter_.format,
        required=filter_.name == "createdTimeFrom",
        many=filter_.many,
        enum=("Completed", "Failed", "Canceled", "Terminated") if filter_.enum else (),
    )
    for filter_ in _FILTERS
)

_STATUS = RouteDescription(
    "dfGetStatus",
    "Status of an instance",
    _TAG,
    query=(
        *COMMON_PARAMETERS,
        _INPUT,
        Parameter("showHistory", "Include the history.", "boolean", default=False),
        Parameter("showHistoryOutput", "Include results in the history.", "boolean", default=False),
        Parameter(FAILURE_FLAG, "Answer 500 if the instance failed.", "boolean", default=False),
    ),
    answers={
        200: Answer("It is finished.", StatusWithHistory),
        202: Answer(
            "It is not finished.",
            StatusWithHistory,
            headers={"Location": "Where to ask again.", "Retry-After": "Seconds until it is worth looking."},
        ),
        400: BAD_REQUEST,
        404: NOT_FOUND,
        500: Answer("It failed, and `returnInternalServerErrorOnFailure` was given.", StatusWithHistory),
    },
    paths=_PATHS,
)
_LIST = RouteDescription(
    "dfListInstances",
    "List instances",
    _TAG,
    "A page may hold fewer than `top` instances, even none, while there are more: go by the header of the answer.",
    (*COMMON_PARAMETERS, *_FILTERS, _INPUT, TOP),
    (CONTINUATION_HEADER,),
    answers={200: Answer("A page.", list[StatusPayload], headers=CONTINUATION_ANSWER), 400: BAD_REQUEST},
)
_PURGED = Answer("Deleted.", PurgePayload)
_PURGE_ONE = RouteDescription(
    "dfPurge",
    "Delete a finished instance",
    _TAG,
    query=COMMON_PARAMETERS,
    answers={200: _PURGED, 404: NOT_FOUND, 412: Answer("It is not finished.", ErrorPayload)},
    paths=_PATHS,
)
_PURGE_MANY = RouteDescription(
    "dfPurgeMany",
    "Delete finished instances",
    _TAG,
    query=(*COMMON_PARAMETERS, *_ENDED),
    answers={200: _PURGED, 400: Answer("A filter is missing or wrong.", {}), 404: Answer("Nothing matched.")},
)
_EVENT = RouteDescription(
    "dfRaiseEvent",
    "Send an event to an instance",
    _TAG,
    query=COMMON_PARAMETERS,
    body={},
    body_required=True,
    answers={202: ACCEPTED, 400: BAD_REQUEST, 404: NOT_FOUND, 410: GONE},
    paths={**_PATHS, "event_name": "The event's name; in any case."},
)


_NOT_FAILED = Answer("It has not failed, as it has to for this.", {"type": "string"})


def _action(word: str, summary: str, finished: tuple[int, Answer] = (410, GONE)) -> RouteDescription:
    return RouteDescription(
        f"df{word}",
        summary,
        _TAG,
        query=(*COMMON_PARAMETERS, _REASON),
        answers={202: ACCEPTED, 400: BAD_REQUEST, 404: NOT_FOUND, **dict([finished])},
        paths=_PATHS,
    )


_ACTIONS: dict[str, tuple[Handler, RouteDescription]] = {
    "terminate": (
        _told(lambda hub, instance_id, reason: hub.client.terminate(instance_id, reason, recursive=False)),
        _action("Terminate", "End an instance as it is"),
    ),
    "suspend": (
        _told(lambda hub, instance_id, reason: hub.client.suspend(instance_id, reason)),
        _action("Suspend", "Let an instance pause"),
    ),
    "resume": (
        _told(lambda hub, instance_id, reason: hub.client.resume(instance_id, reason)),
        _action("Resume", "Let a suspended instance go on"),
    ),
    "rewind": (rewind, _action("Rewind", "Let a failed instance go on from its last good state", (412, _NOT_FAILED))),
}


def _routes(base: str) -> list[Route]:
    shown = base == BASE

    def route(method: str, path: str, handler: Handler, right: Right, operation: RouteDescription) -> Route:
        scoped = "{instance_id}" in path
        return Route(method, base + path, handler, right, operation if shown else None, instance_scoped=scoped)

    one = "/instances/{instance_id}"
    return [
        route("GET", "/instances", list_instances, "read", _LIST),
        route("DELETE", "/instances", purge_many, "manage", _PURGE_MANY),
        route("GET", one, get_status, "read", _STATUS),
        route("DELETE", one, purge_one, "manage", _PURGE_ONE),
        route("POST", f"{one}/raiseEvent/{{event_name}}", raise_event, "signal", _EVENT),
        *(route("POST", f"{one}/{word}", handler, "manage", about) for word, (handler, about) in _ACTIONS.items()),
    ]


ROUTES: list[Route] = [route for base in BASES for route in _routes(base)]
