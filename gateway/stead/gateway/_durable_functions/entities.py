"""The Durable Functions surface: signal and delete an entity, read its state, list entities.

The empty key is `$` in a path. A signal has one argument or none: the body, as JSON if it says that it is, else as text.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NotRequired

from starlette.requests import Request
from starlette.responses import Response
from typing_extensions import TypedDict

from stead.entities import EntityId, EntityStatus
from stead.entities.aggregates import summarized
from stead.entities.extending import ClientText, known_operation, takes_anything
from stead.gateway._http.access import Right
from stead.gateway._http.body import media_type, parse_json, read_body
from stead.gateway._http.errors import HttpError
from stead.gateway._http.hub import Hub
from stead.gateway._http.json_values import json_response, ticks
from stead.gateway._http.query import Query
from stead.gateway._http.routes import Answer, Handler, Parameter, Route, RouteDescription

from .clients import first_accepted, says_nothing, text_of
from .payloads import (
    ACCEPTED,
    BAD_REQUEST,
    BASE,
    BASES,
    COMMON_PARAMETERS,
    CONTINUATION_ANSWER,
    CONTINUATION_HEADER,
    TOP,
    ErrorPayload,
    after_of,
    continuation_headers,
    empty,
    page_length,
)

EMPTY_KEY = "$"
DELETE = "delete"


class EntityName(TypedDict):
    """An entity's address; the name in lower case."""

    name: str
    key: str


class EntityPayload(TypedDict):
    """An entity of a list. The state is there if it was asked for."""

    entityId: EntityName
    lastOperationTime: str
    state: NotRequired[Any]


def entity_of(request: Request) -> EntityId:
    """The entity that a request's path names. Raises `InvalidInput` for what can be none."""
    key: str = request.path_params["key"]
    return EntityId(request.path_params["name"], "" if key == EMPTY_KEY else key)


async def signal(request: Request, hub: Hub) -> Response:
    """Send an operation to an entity."""
    entity_id = entity_of(request)
    operation = Query(request).text("op") or ""
    body = await read_body(request, hub)
    argument = _argument(request, body) if body else None
    known = known_operation(hub.client, entity_id, operation)
    takes_none = known is not None and known.first is None
    if not body or (takes_none and says_nothing(text_of(request, argument))):
        await hub.client.signal_entity(entity_id, operation)
        return empty(202)

    async def signal_with(value: Any) -> None:
        await hub.client.signal_entity(entity_id, operation, value)

    await first_accepted(_readings(request, known, argument), signal_with)
    return empty(202)


def _readings(request: Request, known: Any, argument: Any) -> Sequence[Any]:
    """What an argument may be, the likeliest first: a text may hold JSON, if a text is not what is declared."""
    text = text_of(request, argument)
    if not isinstance(text, ClientText):
        return [argument]
    if known is None or known.first is None:
        return [text.readings(untyped=True)[0] if text.twice else argument]
    untyped = takes_anything(known.first)
    if untyped and media_type(request) != "application/json":
        return [argument]
    return text.readings(untyped=untyped)


def _argument(request: Request, body: bytes) -> Any:
    if media_type(request) == "application/json":
        try:
            return parse_json(body)
        except HttpError as error:
            why = error.errors[0]["msg"] if error.errors else error.message
            raise HttpError(400, f"Could not parse JSON content: {why}", errors=error.errors) from None
    try:
        return body.decode()
    except UnicodeDecodeError:
        raise HttpError(400, "the content is neither JSON, by its content type, nor text in UTF-8") from None


async def delete(request: Request, hub: Hub) -> Response:
    """Send the operation that deletes an entity's state."""
    await hub.client.signal_entity(entity_of(request), DELETE)
    return empty(202)


async def get_state(request: Request, hub: Hub) -> Response:
    """An entity's state, alone."""
    state = await hub.client.read_entity(entity_of(request))
    return empty(404) if state is None else json_response(summarized(state))


async def list_entities(request: Request, hub: Hub) -> Response:
    """A page of the entities of one name, or of all."""
    query = Query(request)
    modified_from, modified_to = query.instant("lastOperationTimeFrom"), query.instant("lastOperationTimeTo")
    with_state = query.boolean("fetchState", default=False)
    length = page_length(query, hub)
    query.done()
    page = await hub.client.page_entities(
        request.path_params.get("name"),
        modified_from=modified_from,
        modified_to=modified_to,
        with_state=with_state,
        length=length,
        after=after_of(request),
    )
    payload = [_entity_payload(status, with_state=with_state) for status in page.items]
    return json_response(payload, headers=continuation_headers(page.after))


def _entity_payload(status: EntityStatus, *, with_state: bool) -> EntityPayload:
    payload: EntityPayload = {
        "entityId": {"name": status.entity_id.canonical_name, "key": status.entity_id.key},
        "lastOperationTime": ticks(status.modified_time),
    }
    if with_state:
        payload["state"] = summarized(status.state)
    return payload


# -- routes ------------------------------------------------------------------------------------------------------------

_TAG = "Durable Functions: entities"
_PATHS = {"name": "The entity's name; in any case.", "key": "The entity's key; `$` for the empty one."}
_UNKNOWN = Answer("No entity has this name, or it has no such operation.", ErrorPayload)

_SIGNAL = RouteDescription(
    "dfSignalEntity",
    "Signal an entity",
    _TAG,
    "The body is the operation's one argument: JSON if the content type says so, else text; none if it is empty.",
    (*COMMON_PARAMETERS, Parameter("op", "The operation's name.")),
    body={},
    body_media_types=("application/json", "text/plain"),
    answers={202: ACCEPTED, 400: BAD_REQUEST, 404: _UNKNOWN},
    paths=_PATHS,
)
_DELETE = RouteDescription(
    "dfDeleteEntity",
    "Delete an entity's state",
    _TAG,
    query=COMMON_PARAMETERS,
    answers={202: ACCEPTED, 400: BAD_REQUEST, 404: _UNKNOWN},
    paths=_PATHS,
)
_STATE = RouteDescription(
    "dfGetEntity",
    "State of an entity",
    _TAG,
    query=COMMON_PARAMETERS,
    answers={
        200: Answer("The state.", {}),
        400: BAD_REQUEST,
        404: Answer("It has no state, or no entity has this name."),
    },
    paths=_PATHS,
)


def _list_operation(operation_id: str, summary: str) -> RouteDescription:
    return RouteDescription(
        operation_id,
        summary,
        _TAG,
        "A page may hold fewer than `top` entities, even none, while there are more: go by the header of the answer.",
        (
            *COMMON_PARAMETERS,
            Parameter("lastOperationTimeFrom", "Last changed then or later; ISO 8601.", format="date-time"),
            Parameter("lastOperationTimeTo", "Last changed then or earlier; ISO 8601.", format="date-time"),
            Parameter("fetchState", "Include the state.", "boolean", default=False),
            TOP,
        ),
        (CONTINUATION_HEADER,),
        answers={200: Answer("A page.", list[EntityPayload], headers=CONTINUATION_ANSWER), 400: BAD_REQUEST},
        paths={"name": _PATHS["name"]},
    )


def _routes(base: str) -> list[Route]:
    shown = base == BASE

    def route(method: str, path: str, handler: Handler, right: Right, operation: RouteDescription) -> Route:
        return Route(method, base + path, handler, right, operation if shown else None)

    one = "/entities/{name}/{key}"
    return [
        route("POST", one, signal, "signal", _SIGNAL),
        route("DELETE", one, delete, "signal", _DELETE),
        route("GET", one, get_state, "read", _STATE),
        route(
            "GET",
            "/entities/{name}",
            list_entities,
            "read",
            _list_operation("dfListEntitiesOf", "List entities of a name"),
        ),
        route("GET", "/entities", list_entities, "read", _list_operation("dfListEntities", "List entities")),
    ]


ROUTES: list[Route] = [route for base in BASES for route in _routes(base)]
