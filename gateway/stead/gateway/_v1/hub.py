"""`/api/v1/hub`: what the hub holds, and what a key may do."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from stead.gateway._http.access import RIGHTS
from stead.gateway._http.hub import Hub, grant_of
from stead.gateway._http.json_values import json_response
from stead.gateway._http.query import Query
from stead.gateway._http.routes import API_V1, Answer, Route, RouteDescription

from .models import (
    Access,
    HubInformation,
)


async def get_hub(request: Request, hub: Hub) -> Response:
    """What the hub is and holds."""
    Query(request).done()
    return json_response(await hub.info())


async def get_access(request: Request, hub: Hub) -> Response:
    """What the request's key may do."""
    Query(request).done()
    rights = grant_of(request).rights
    return json_response(
        {
            "hub": hub.hub_name,
            "rights": [right for right in RIGHTS if right in rights],
            "keys": bool(hub.keys),
            "sql": hub.has_sql,
        }
    )


_TAG = "Hub"

ROUTES: list[Route] = [
    Route(
        "GET",
        f"{API_V1}/hub",
        get_hub,
        "read",
        RouteDescription(
            "getHub",
            "What the hub is and holds",
            _TAG,
            "Its server and what survives there, workers, names, partitions with their owners and backlogs.",
            answers={200: Answer("The hub at this moment", HubInformation)},
        ),
    ),
    Route(
        "GET",
        f"{API_V1}/access",
        get_access,
        "read",
        RouteDescription(
            "getAccess",
            "What a key may do",
            _TAG,
            "The rights of the key that the request carries.",
            answers={200: Answer("Its rights", Access)},
        ),
    ),
]
