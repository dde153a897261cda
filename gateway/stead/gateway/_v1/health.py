"""`/metrics` for Prometheus, and `/health/live` and `/health/ready` for whoever starts and stops this process."""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.responses import Response

from stead.gateway._http.hub import Hub
from stead.gateway._http.json_values import json_response
from stead.gateway._http.query import Query
from stead.gateway._http.routes import Answer, Route, RouteDescription
from stead.orchestrations.extending import limits_of_hub
from stead.transport import SteadError

from .exposition import MEDIA_TYPE, hub_exposition

_READY_S = 5.0  # a store that does not answer for longer is not there


async def get_exposition(request: Request, hub: Hub) -> Response:
    """The hub, as Prometheus reads it."""
    Query(request).done()
    found = await hub.measures.read()
    workers, partitions = await hub.store.workers(), await hub.store.info()
    limits = await limits_of_hub(hub.store, workers, await hub.store.published())
    facts = await hub.store.refresh_facts()
    return Response(hub_exposition(found, workers, partitions, facts, limits), media_type=MEDIA_TYPE)


async def get_live(request: Request, hub: Hub) -> Response:
    """The process answers."""
    return json_response({"status": "ok"})


async def get_ready(request: Request, hub: Hub) -> Response:
    """Requests can be carried out: the store answers, and this server does not stop."""
    reason = await _not_ready(hub)
    if reason is None:
        return json_response({"status": "ok"})
    return json_response({"status": "unavailable", "reason": reason}, status=503)


async def _not_ready(hub: Hub) -> str | None:
    if hub.traffic.stopping.is_set():
        return "this server stops"
    if hub.traffic.failure is not None:
        return str(hub.traffic.failure)
    try:
        async with asyncio.timeout(_READY_S):
            await hub.store.read_leases()
    except TimeoutError:
        return "the store does not answer"
    except SteadError as error:
        return str(error)
    return None


_OK = Answer("All is well", {"type": "object"})
_TAG = "Hub"
ROUTES: list[Route] = [
    Route(
        "GET",
        "/metrics",
        get_exposition,
        "read",
        RouteDescription(
            "getPrometheusMetrics",
            "What the workers have measured, for Prometheus",
            _TAG,
            answers={200: Answer("The metrics, all of them `stead_…`", {"type": "string"}, "text/plain")},
        ),
    ),
    Route(
        "GET",
        "/health/live",
        get_live,
        None,
        RouteDescription("getLive", "Whether this server runs", _TAG, answers={200: _OK}),
    ),
    Route(
        "GET",
        "/health/ready",
        get_ready,
        None,
        RouteDescription(
            "getReady",
            "Whether this server can carry out requests",
            _TAG,
            answers={200: _OK, 503: Answer("It cannot, and why", {"type": "object"})},
        ),
    ),
]
