"""The Durable Functions surface: start, restart, and the routes of its quick starts.

The quick starts have a function of their own that starts whatever orchestration its URL names, by POST and (for a browser's
address bar) by GET; their routes are `/api/orchestrators/{name}` and, where no prefix is set, `/orchestrators/{name}`.
"""

from __future__ import annotations

import uuid
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from stead.entities.extending import check_instance_id
from stead.gateway._http.body import read_json
from stead.gateway._http.errors import HttpError, no_route
from stead.gateway._http.hub import Hub
from stead.gateway._http.query import Query
from stead.gateway._http.routes import Answer, Parameter, Route, RouteDescription
from stead.orchestrations import InstanceExists, TakesNoInput, UnknownInstance

from .clients import first_accepted, inputs_of, says_nothing
from .payloads import (
    BAD_REQUEST,
    BASE,
    BASES,
    COMMON_PARAMETERS,
    STARTED,
    ErrorPayload,
    empty,
    instance_of,
)
from .waiting import WAITED, WAITING_PARAMETERS, answer_start, wishes_of

NO_INSTANCE = "InstanceId does not match a valid orchestration instance."
NOT_FINISHED = "A non-terminal instance with this instance ID already exists."


async def start(request: Request, hub: Hub) -> Response:
    """Start an instance. The body, if there is one, is its input."""
    query = Query(request)
    wishes = wishes_of(query)
    version = query.text("version")
    given: str | None = request.path_params.get("instance_id")
    instance_id = uuid.uuid4().hex if given is None else check_instance_id(given)
    body = await read_json(request, hub)

    async def start_with(value: Any) -> str:
        name: str = request.path_params["name"]
        try:
            return await hub.client.start_new(name, value, instance_id=instance_id, version=version)
        except TakesNoInput:
            if not says_nothing(value):
                raise
            return await hub.client.start_new(name, instance_id=instance_id, version=version)

    started = await first_accepted(inputs_of(request, body), start_with)
    return await answer_start(request, hub, str(started), wishes)


async def start_by_get(request: Request, hub: Hub) -> Response:
    """Start an instance from a browser's address bar: not for a page of another site, and not for who only wants to look."""
    if request.method != "GET":
        raise no_route(request.scope)
    if request.headers.get("sec-fetch-site", "none") not in {"none", "same-origin", "same-site"}:
        raise HttpError(403, "pages of other sites cannot start orchestrations")
    return await start(request, hub)


async def restart(request: Request, hub: Hub) -> Response:
    """Start an instance anew with the name and input of this one, under a new ID or under the same."""
    query = Query(request)
    wishes = wishes_of(query)
    anew = query.boolean("restartWithNewInstanceId", default=True)
    instance_id = instance_of(request)
    if instance_id is None:
        raise HttpError(400, NO_INSTANCE)
    try:
        new_id: Any = await hub.client.restart(instance_id, new_instance_id=anew)
    except UnknownInstance:
        raise HttpError(400, NO_INSTANCE) from None
    except InstanceExists:
        raise HttpError(409, NOT_FINISHED) from None
    return await answer_start(request, hub, str(new_id), wishes)


async def make_primary(request: Request, hub: Hub) -> Response:
    """Nothing to do: all workers of a hub are equal."""
    return empty(200)


# -- routes ------------------------------------------------------------------------------------------------------------

_TAG = "Durable Functions: orchestrations"
_QUICK = "Durable Functions: quick starts"
_VERSION = Parameter("version", "Which version of the orchestration; else the default.")
_ANSWERS = {
    200: WAITED,
    202: STARTED,
    400: BAD_REQUEST,
    404: Answer("No orchestration has this name.", ErrorPayload),
    409: Answer("An instance of this ID exists and is not finished.", ErrorPayload),
    500: Answer("With `returnInternalServerErrorOnFailure`: the instance failed in time.", {}),
}
_PATHS = {"name": "The orchestration's name.", "instance_id": "The ID to be; without it a random one."}


def _start_operation(operation_id: str, summary: str, tag: str = _TAG, *, body: bool = True) -> RouteDescription:
    return RouteDescription(
        operation_id,
        summary,
        tag,
        "The body is the input: any JSON, or nothing. With a `timeout` the answer waits for the end.",
        (*COMMON_PARAMETERS, *WAITING_PARAMETERS, _VERSION),
        body={} if body else None,
        answers=_ANSWERS,
        paths=_PATHS,
    )


_RESTART = RouteDescription(
    "dfRestart",
    "Start an instance anew",
    _TAG,
    query=(
        *COMMON_PARAMETERS,
        *WAITING_PARAMETERS,
        Parameter("restartWithNewInstanceId", "Under a new ID, or the same.", "boolean", default=True),
    ),
    answers={
        200: WAITED,
        202: STARTED,
        400: Answer("There is no such instance, or a parameter is wrong.", ErrorPayload),
        409: Answer("The instance is not finished, and its ID was to be used again.", ErrorPayload),
        500: _ANSWERS[500],
    },
    paths={"instance_id": "The instance's ID."},
)
_PRIMARY = RouteDescription(
    "dfMakePrimary",
    "Accepted for compatibility",
    _TAG,
    "All workers of a hub are equal.",
    COMMON_PARAMETERS,
    answers={200: Answer("Nothing had to be done.")},
)


def _routes() -> list[Route]:
    routes: list[Route] = []
    for base in BASES:
        shown = base == BASE
        starting = _start_operation("dfStart", "Start an orchestration")
        with_id = _start_operation("dfStartWithId", "Start an orchestration under an ID")
        routes += [
            Route("POST", f"{base}/orchestrators/{{name}}", start, "signal", starting if shown else None),
            Route(
                "POST", f"{base}/orchestrators/{{name}}/{{instance_id}}", start, "signal", with_id if shown else None
            ),
            Route(
                "POST",
                f"{base}/instances/{{instance_id}}/restart",
                restart,
                "manage",
                _RESTART if shown else None,
                instance_scoped=True,
            ),
            Route("POST", f"{base}/makeprimary", make_primary, "manage", _PRIMARY if shown else None),
        ]
    return routes


def _quick_starts() -> list[Route]:
    routes: list[Route] = []
    for prefix, word in (("/api", "Api"), ("", "")):
        for method in ("POST", "GET"):
            operation = _start_operation(
                f"quickStart{word}{method.capitalize()}",
                "Start an orchestration (quick start)",
                _QUICK,
                body=method == "POST",
            )
            handler = start if method == "POST" else start_by_get
            routes += [
                Route(method, f"{prefix}/orchestrators/{{name}}", handler, "signal", operation),
                Route(method, f"{prefix}/orchestrators/{{name}}/{{instance_id}}", handler, "signal"),
            ]
    return routes


ROUTES: list[Route] = _routes()
QUICK_STARTS: list[Route] = _quick_starts()
