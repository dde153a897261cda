"""`/api/v1/entities`: call, signal, state, list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from stead.entities import EntityId, EntityStatus
from stead.entities.aggregates import summarized
from stead.entities.extending import query_in_words
from stead.gateway._http.body import unless_gone
from stead.gateway._http.errors import HttpError
from stead.gateway._http.hub import Hub
from stead.gateway._http.json_values import json_response, milliseconds, plain_json
from stead.gateway._http.query import Query
from stead.gateway._http.routes import API_V1, Answer, Parameter, Route, RouteDescription

from .common import (
    CONTINUATION,
    ENTITY_PATHS,
    LIMIT,
    NOT_FOUND,
    SINCE,
    WAIT_MS,
    continuation_of,
    entity_of,
    etag_of,
    page_length,
    read_continuation,
    read_model,
    tagged,
    wait_seconds,
)
from .counting import counts_of
from .models import Arguments, CallResult, EntityKinds, EntityPage, EntityState, SignalAccepted
from .watching import Read, wait_for_change

_AGGREGATES = ("summary", "raw")
_RAW = Parameter(
    "aggregates",
    "What is shown of aggregates: a summary, or all that they hold, as base64.",
    enum=_AGGREGATES,
    default="summary",
)
_COUNTED_MAX = 200  # names
_DELAY_MS_MAX = 100 * 366 * 86_400_000


async def operate(request: Request, hub: Hub) -> Response:
    """Signal or call an entity."""
    query = Query(request)
    waiting = query.boolean("wait", default=False)
    timeout_ms = query.integer("timeout_ms", None, low=1, high=hub.settings.wait_ms_max)
    after_ms, at = query.integer("after_ms", None, high=_DELAY_MS_MAX), query.instant("at")
    query.done()
    if (after_ms is not None) + (at is not None) + waiting > 1:
        raise HttpError(400, "`wait`, `after_ms` and `at` exclude each other: a scheduled signal has no answer")
    if timeout_ms is not None and not waiting:
        raise HttpError(400, "`timeout_ms` says how long to wait for the answer, so it goes with wait=true")
    arguments = await read_model(request, hub, Arguments, required=False)
    entity_id, operation = entity_of(request), str(request.path_params["operation"])
    args, kwargs = arguments.args, arguments.kwargs
    if waiting:
        result = await _call(request, hub, entity_id, operation, arguments, timeout_ms)
        return json_response({"result": summarized(result)})
    client = hub.client
    if after_ms is not None:
        await client.after(timedelta(milliseconds=after_ms)).signal_entity(entity_id, operation, *args, **kwargs)
    elif at is not None:
        await client.at(at).signal_entity(entity_id, operation, *args, **kwargs)
    else:
        await client.signal_entity(entity_id, operation, *args, **kwargs)
    return json_response({"entity_id": str(entity_id), "operation": operation}, 202)


async def _call(
    request: Request, hub: Hub, entity_id: EntityId, operation: str, arguments: Arguments, timeout_ms: int | None
) -> object:
    client = hub.client
    if timeout_ms is None:
        calling = client.call_entity(entity_id, operation, *arguments.args, **arguments.kwargs)
    else:
        calling = client.call_within(timeout_ms / 1000, entity_id, operation, *arguments.args, **arguments.kwargs)
    with hub.traffic.wait():
        return await unless_gone(request, calling)


async def get_state(request: Request, hub: Hub) -> Response:
    """The committed state of an entity, at once or when it has changed."""
    query = Query(request)
    since, seconds = query.text("since"), wait_seconds(query, hub)
    raw = query.choice("aggregates", "summary", _AGGREGATES) == "raw"
    query.done()
    read = state_reader(hub, entity_of(request), raw=raw)
    if since is None:
        return tagged(request, await read())
    return tagged(request, await wait_for_change(request, hub, read, since, seconds))


def state_reader(hub: Hub, entity_id: EntityId, *, raw: bool = False) -> Read:
    """Reads an entity's state; raises `HttpError` (404) if it does not exist."""

    async def read() -> dict[str, Any]:
        status = await hub.client.describe_entity(entity_id)
        if status is None or not status.exists:
            raise HttpError(404, f"the entity {entity_id} does not exist")
        return state_data(entity_id, status.state, raw=raw) | _reminders(status)

    return read


def _reminders(status: EntityStatus) -> dict[str, Any]:
    """What of an entity most have not."""
    data: dict[str, Any] = {"locked": True} if status.locked else {}
    if status.reminders:
        data["reminders"] = {name: milliseconds(due) for name, due in status.reminders.items()}
    return data


def state_data(entity_id: EntityId, state: object, *, raw: bool = False) -> dict[str, Any]:
    """An entity as JSON data: of its aggregates a summary, or all they hold."""
    shown = plain_json(summarized(state, raw=raw))
    return {"entity": entity_id.name, "key": entity_id.key, "state": shown, "etag": etag_of(state)}


async def list_entities(request: Request, hub: Hub) -> Response:
    """A page of the entities of one name."""
    query = Query(request)
    name = str(request.path_params["name"])
    prefix, length = query.text("prefix") or "", page_length(query, hub)
    with_state = query.boolean("state", default=True)
    modified_from, modified_to = query.instant("modified_from"), query.instant("modified_to")
    raw = query.choice("aggregates", "summary", _AGGREGATES) == "raw"
    where, order, token = query.text("where"), query.text("order"), query.text("continuation")
    query.done()
    if where is not None or order is not None:
        if prefix or modified_from is not None or modified_to is not None:
            raise HttpError(400, "`where` and `order` do not go with `prefix`, `modified_from` and `modified_to`")
        asked = query_in_words(hub.client.query(name), where or "", order)
        found = await asked.page_status(length, continuation=token)
        return json_response(_page_data(name, found.items, found.continuation, with_state=with_state, raw=raw))
    after = read_continuation(query)
    page = await hub.client.page_entities(
        name,
        prefix=prefix,
        modified_from=modified_from,
        modified_to=modified_to,
        with_state=with_state,
        length=length,
        after=after,
    )
    following = continuation_of(page.after)
    return json_response(_page_data(name, page.items, following, with_state=with_state, raw=raw))


def _page_data(
    name: str, items: Sequence[EntityStatus], continuation: str | None, *, with_state: bool, raw: bool
) -> dict[str, Any]:
    entities: list[dict[str, Any]] = []
    for found in items:
        data = state_data(EntityId(name, found.entity_id.key), found.state, raw=raw)
        if not with_state:
            del data["state"], data["etag"]
        entities.append(data | _reminders(found) | {"modified_time": milliseconds(found.modified_time)})
    return {"entities": entities, "continuation": continuation}


async def list_kinds(request: Request, hub: Hub) -> Response:
    """The names that workers have published."""
    query = Query(request)
    counted = query.boolean("counts", default=False)
    query.done()
    published: Mapping[str, Mapping[str, Any]] = await hub.store.published()
    kinds = {name: kind for name, kind in sorted(published.items()) if "/" not in name}
    counts = await counts_of(hub, list(kinds)[:_COUNTED_MAX]) if counted else {}
    found = [
        {
            "name": str(kind.get("name", name)),
            "operations": sorted(kind.get("operations", ())) if kind.get("form") == "class" else None,
            "count": counts.get(name),
        }
        for name, kind in kinds.items()
    ]
    return json_response({"entities": found})


_PATH = f"{API_V1}/entities"

ROUTES: list[Route] = [
    Route(
        "GET",
        _PATH,
        list_kinds,
        "read",
        RouteDescription(
            "listEntityNames",
            "The names of entities",
            "Entities",
            "Those that workers have published, each with its operations.",
            query=(Parameter("counts", "Whether to count the entities of each.", "boolean", default=False),),
            answers={200: Answer("The names", EntityKinds)},
        ),
    ),
    Route(
        "GET",
        f"{_PATH}/{{name}}",
        list_entities,
        "read",
        RouteDescription(
            "listEntities",
            "The entities of a name",
            "Entities",
            "Ascending by key; with `where` those that match, in the order asked for (503 while an index that is needed is being built). "
            "A page may hold less than `limit`, even nothing, and still have a next one.",
            query=(
                Parameter(
                    "where",
                    "Only those that match: terms such as `score>=100 country=NO,SE`, parted by spaces, on indexed fields.",
                ),
                Parameter("order", "In the order of an indexed field, descending with a `-` before it."),
                Parameter("prefix", "Only keys that begin with it."),
                Parameter("state", "Whether to give the states.", "boolean", default=True),
                Parameter("modified_from", "Only those changed then or later.", format="date-time"),
                Parameter("modified_to", "Only those changed then or before.", format="date-time"),
                _RAW,
                LIMIT,
                CONTINUATION,
            ),
            answers={200: Answer("A page", EntityPage)},
            paths=ENTITY_PATHS,
        ),
    ),
    Route(
        "GET",
        f"{_PATH}/{{name}}/{{key}}",
        get_state,
        "read",
        RouteDescription(
            "getEntity",
            "The state of an entity",
            "Entities",
            "What is committed; never waits for the entity. With `since` and `wait_ms`, waits until the state is another "
            "one than that (or for so long), and gives what is there then.",
            query=(SINCE, WAIT_MS, _RAW),
            headers=(Parameter("If-None-Match", "An `ETag` seen before: 304 if it still holds."),),
            answers={
                200: Answer("Its state", EntityState, headers={"ETag": "Changes with the state."}),
                304: Answer("The state is the one that the client has"),
                404: NOT_FOUND,
            },
            paths=ENTITY_PATHS,
        ),
    ),
    Route(
        "POST",
        f"{_PATH}/{{name}}/{{key}}/{{operation}}",
        operate,
        "signal",
        RouteDescription(
            "operateEntity",
            "Signal or call an entity",
            "Entities",
            "A signal is durable when it is answered (202). With `wait=true` it is a call: the answer (200) is the "
            "operation's result, and what the operation raised is 422 with its `error_type` and `message`. `after_ms` or "
            "`at` schedule a signal.",
            query=(
                Parameter("wait", "Wait for the operation's result.", "boolean", default=False),
                Parameter("timeout_ms", "How long to wait at most: 504 then.", "integer", minimum=1),
                Parameter("after_ms", "Not before so many milliseconds.", "integer", minimum=0, maximum=_DELAY_MS_MAX),
                Parameter("at", "Not before this instant.", format="date-time"),
            ),
            body=Arguments,
            answers={
                200: Answer("The result of a call", CallResult),
                202: Answer("The signal is durable", SignalAccepted),
                404: NOT_FOUND,
                422: Answer("The operation raised an error"),
                504: Answer("No answer came in time; the operation may still be carried out"),
            },
            paths=ENTITY_PATHS,
        ),
    ),
]
