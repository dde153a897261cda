"""`/api/v1/durable-functions-client`: what a client of Durable Functions is made from.

There the Functions host gives it to a function as its client binding. The same JSON makes the clients of the packages, with
this server in the host's place: `azure-functions-durable` (PyPI) and `durable-functions` (npm).
"""

from __future__ import annotations

from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response
from typing_extensions import TypedDict

from stead.gateway._http.hub import Hub
from stead.gateway._http.json_values import json_response
from stead.gateway._http.query import Query
from stead.gateway._http.routes import API_V1, Answer, Route, RouteDescription

from .payloads import BASE, CONNECTION, ManagementPayload, common_query, management_uris

INSTANCE_ID = "INSTANCEID"
"""Stands for an instance's ID in the management URIs: clients put theirs in its place."""


class CreationPayload(TypedDict):
    """Where to start an instance. What is in braces is for the client to fill in."""

    createNewInstancePostUri: str
    createAndWaitOnNewInstancePostUri: str


class BindingPayload(TypedDict):
    """A client binding."""

    taskHubName: str
    creationUrls: CreationPayload
    managementUrls: ManagementPayload
    baseUrl: str
    requiredQueryStringParameters: str
    rpcBaseUrl: str


async def get_binding(request: Request, hub: Hub) -> Response:
    """The binding for who asks: with the key that the request carries, if one is needed here."""
    Query(request).done()
    key = hub.keys.key_of(request)
    origin, base = hub.base_url(request), f"{hub.base_url(request)}{BASE}"
    common = common_query(hub, CONNECTION, key)
    starting = f"{base}/orchestrators/{{functionName}}[/{{instanceId}}]"
    waiting = "timeout={timeoutInSeconds}&pollingInterval={intervalInSeconds}"
    binding: BindingPayload = {
        "taskHubName": hub.hub_name,
        "creationUrls": {
            "createNewInstancePostUri": f"{starting}?{common}",
            "createAndWaitOnNewInstancePostUri": f"{starting}?{waiting}&{common}",
        },
        "managementUrls": management_uris(INSTANCE_ID, f"{base}/instances/{INSTANCE_ID}", common),
        "baseUrl": base,
        "requiredQueryStringParameters": common,
        "rpcBaseUrl": f"{_with_key(origin, key)}{BASE}/",
    }
    return json_response(binding, headers={"cache-control": "no-store"})


def _with_key(origin: str, key: str | None) -> str:
    """A URL with a key as the password: what clients ask below it has no query with a key in it."""
    if key is None:
        return origin
    scheme, _, rest = origin.partition("://")
    return f"{scheme}://key:{quote(key, safe='')}@{rest}"


ROUTES: list[Route] = [
    Route(
        "GET",
        f"{API_V1}/durable-functions-client",
        get_binding,
        "read",
        RouteDescription(
            "getDurableFunctionsClient",
            "What a client of Durable Functions is made from",
            "Hub",
            "The JSON of a client binding, for the clients of `azure-functions-durable` and `durable-functions`. It carries the "
            "key of the request, if one is needed: keep it as you keep the key.",
            answers={200: Answer("The binding", BindingPayload)},
        ),
    )
]
