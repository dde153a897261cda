"""Server-sent events: an instance's status and an entity's state, each time they change."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from stead.entities import Change, ChangesLost, EntityId, UnknownEntity
from stead.gateway._http.errors import HttpError
from stead.gateway._http.hub import Hub
from stead.gateway._http.query import Query
from stead.gateway._http.routes import API_V1, Answer, Parameter, Route, RouteDescription
from stead.orchestrations import UnknownInstance
from stead.orchestrations.histories import FINISHED
from stead.transport import InvalidInput

from .changes import change_data
from .common import ENTITY_PATHS, INSTANCE_PATHS, NOT_FOUND, entity_of
from .entities import state_reader
from .instances import status_reader
from .streaming import HEARTBEAT_S, STREAM, event, stream, with_heartbeats
from .watching import Read, pause

HUB_INTERVAL_S = 1.0
_FINISHED = frozenset(status.value for status in FINISHED)

_INTERVAL = Parameter("interval_ms", "How often to look, at most.", "integer", minimum=50, maximum=60_000, default=250)
_LAST = Parameter("Last-Event-ID", "What the last event had as its `id`: it is not sent again.")


async def instance_events(request: Request, hub: Hub) -> Response:
    """An instance's status, until it is finished."""
    interval = _interval(request)
    read = status_reader(hub, str(request.path_params["instance_id"]))
    first = await read()
    last = request.headers.get("last-event-id")
    if first["runtime_status"] in _FINISHED and first["etag"] == last:
        return Response(status_code=204)  # which tells an EventSource not to come back
    return stream(hub, _events(hub, "status", "gone", read, first, last, interval))


async def entity_events(request: Request, hub: Hub) -> Response:
    """An entity's state, for as long as the client stays; `deleted` while there is none."""
    interval = _interval(request)
    entity_id = entity_of(request)
    read = state_reader(hub, entity_id)
    last = request.headers.get("last-event-id")
    try:
        first: dict[str, Any] | None = await read()
    except (HttpError, UnknownEntity):
        first = None
    gone = {"entity": entity_id.name, "key": entity_id.key, "state": None, "etag": "deleted"}

    async def state() -> dict[str, Any]:
        try:
            return await read()
        except (HttpError, UnknownEntity):
            return gone

    try:
        kept = await hub.client.keeps_changes(entity_id.name)
    except UnknownEntity:  # whose worker may come, or whose state was left by one that has gone
        kept = False
    if kept:
        return stream(hub, _entity_changes(hub, entity_id, state, last))
    return stream(hub, _events(hub, "state", "deleted", state, first or gone, last, interval))


async def _entity_changes(hub: Hub, entity_id: EntityId, state: Read, last: str | None) -> AsyncIterator[bytes]:
    """An entity's state, and then each of its changes; from where a client was, if it says so."""
    reading = await _going_on(hub, entity_id, last)
    while True:
        if reading is None:
            position = await hub.client.entity_position(entity_id)
            found = await state()  # read behind it: what it does not have yet comes as a change
            if found["etag"] != last:
                yield event("deleted" if found["etag"] == "deleted" else "state", position, found)
            reading = await hub.client.begin_entity_changes(entity_id, position)
        try:
            async for change in with_heartbeats(hub, reading):
                if change is None:
                    yield b": still here\n\n"
                else:
                    name = "deleted" if change.state is None else "state"
                    yield event(name, change.cursor, change_data(entity_id, change))
            return
        except ChangesLost:
            reading = last = None


async def _going_on(hub: Hub, entity_id: EntityId, last: str | None) -> AsyncGenerator[Change[Any]] | None:
    """The changes behind a cursor; None if it is none: it may be the tag of a state."""
    if last is None:
        return None
    try:
        return await hub.client.begin_entity_changes(entity_id, last)
    except InvalidInput:
        return None


async def hub_events(request: Request, hub: Hub) -> Response:
    """What the hub is and holds, again and again."""
    interval = max(_interval(request), HUB_INTERVAL_S)

    async def read() -> dict[str, Any]:
        info = await hub.recent_info(interval)
        return info | {"etag": str(info.get("time_ms", ""))}

    return stream(hub, _events(hub, "hub", "gone", read, await read(), request.headers.get("last-event-id"), interval))


def _interval(request: Request) -> float:
    query = Query(request)
    interval = query.integer("interval_ms", 250, low=50, high=60_000)
    query.done()
    return interval / 1000


async def _events(
    hub: Hub, name: str, gone: str, read: Read, first: dict[str, Any], last: str | None, interval: float
) -> AsyncIterator[bytes]:
    """Events with what is new, comments while nothing is, until it is finished or the server stops."""
    found: dict[str, Any] | None = first
    loop = asyncio.get_running_loop()
    spoken = loop.time()
    while True:
        if found is None:
            yield event(gone, "gone", {})
            return
        if found["etag"] != last:
            last = str(found["etag"])
            spoken = loop.time()
            yield event(gone if last == "deleted" else name, last, found)
        elif loop.time() - spoken >= HEARTBEAT_S:
            spoken = loop.time()
            yield b": still here\n\n"
        if found.get("runtime_status") in _FINISHED or await pause(hub, interval):
            return
        try:
            found = await read()
        except UnknownInstance:
            found = None


ROUTES: list[Route] = [
    Route(
        "GET",
        f"{API_V1}/hub/events",
        hub_events,
        "read",
        RouteDescription(
            "streamHub",
            "What the hub is and holds, as it changes",
            "Hub",
            "Server-sent events: `hub`, whose data is what the route of the hub gives, now and at most once a second. All who follow "
            "it share what is read of the store.",
            query=(_INTERVAL,),
            headers=(_LAST,),
            answers={200: STREAM},
        ),
    ),
    Route(
        "GET",
        f"{API_V1}/instances/{{instance_id}}/events",
        instance_events,
        "read",
        RouteDescription(
            "streamInstance",
            "An instance's status as it changes",
            "Instances",
            "Server-sent events: `status`, whose data is what the status route gives, now and after each change. Comments "
            "keep the connection alive. The stream ends when the instance is finished (`gone`: it has been purged).",
            query=(_INTERVAL,),
            headers=(_LAST,),
            answers={200: STREAM, 204: Answer("The client has seen the end"), 404: NOT_FOUND},
            paths=INSTANCE_PATHS,
        ),
        instance_scoped=True,
    ),
    Route(
        "GET",
        f"{API_V1}/entities/{{name}}/{{key}}/events",
        entity_events,
        "read",
        RouteDescription(
            "streamEntity",
            "An entity's state as it changes",
            "Entities",
            "Server-sent events: `state` now and after changes (those that follow each other within the interval make one "
            "event), `deleted` while the entity does not exist. Of a kind that keeps its changes each one is an event, and a client that "
            "comes again misses none. Comments keep the connection alive.",
            query=(_INTERVAL,),
            headers=(_LAST,),
            answers={200: STREAM, 404: NOT_FOUND},
            paths=ENTITY_PATHS,
        ),
    ),
]
