"""`/api/v1/workers/{worker}`: let a worker give back all it holds, and work again."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from stead.entities.extending import want_drained, worker_of
from stead.gateway._http.errors import HttpError
from stead.gateway._http.hub import Hub
from stead.gateway._http.json_values import json_response
from stead.gateway._http.query import Query
from stead.gateway._http.routes import API_V1, Answer, Handler, Route, RouteDescription
from stead.transport import InvalidInput

from .common import NOT_FOUND
from .models import AnswerModel


class WorkerWanted(AnswerModel):
    """What is wanted of a worker."""

    worker: str
    drained: bool


async def drain(request: Request, hub: Hub) -> Response:
    """Let it give everything back."""
    return await _want(request, hub, drained=True)


async def resume(request: Request, hub: Hub) -> Response:
    """Let it work again."""
    return await _want(request, hub, drained=False)


async def _want(request: Request, hub: Hub, *, drained: bool) -> Response:
    Query(request).done()
    try:
        worker = worker_of(await hub.store.workers(), str(request.path_params["worker"])).worker
    except InvalidInput as error:
        raise HttpError(404, str(error)) from None
    await want_drained(hub.store, worker, drained=drained)
    return json_response({"worker": worker, "drained": drained}, 202)


def _route(verb: str, handler: Handler, summary: str, text: str) -> Route:
    return Route(
        "POST",
        f"{API_V1}/workers/{{worker}}/{verb}",
        handler,
        "manage",
        RouteDescription(
            f"{verb}Worker",
            summary,
            "Hub",
            text,
            answers={202: Answer("It will, with its next heartbeat", WorkerWanted), 404: NOT_FOUND},
            paths={"worker": "Its name, as `/api/v1/hub` has it, or a part of it that no other worker has."},
        ),
    )


ROUTES: list[Route] = [
    _route(
        "drain",
        drain,
        "Let a worker give back all it holds",
        "What runs may end, others take its partitions, and it takes nothing new until it is told to resume, or started anew.",
    ),
    _route("resume", resume, "Let a drained worker work again", ""),
]
