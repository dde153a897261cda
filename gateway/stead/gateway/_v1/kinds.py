"""`/api/v1/entity-kinds` and `/api/v1/orchestrations`: what workers have published of a name, for forms."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from stead.entities import UnknownEntity
from stead.entities.extending import ARGUMENTS, canonical_name
from stead.gateway._http.hub import Hub
from stead.gateway._http.json_values import json_response
from stead.gateway._http.query import Query
from stead.gateway._http.routes import API_V1, Answer, Route, RouteDescription
from stead.orchestrations import UnknownOrchestration

from .common import NOT_FOUND
from .kind_models import KindShown, OrchestrationShown


async def get_kind(request: Request, hub: Hub) -> Response:
    """What workers have published of an entity's name."""
    Query(request).done()
    name = str(request.path_params["name"])
    kind = (await hub.store.published()).get(canonical_name(name))
    if kind is None:
        raise UnknownEntity(name, [])
    return json_response(
        {
            "name": str(kind.get("name", name)),
            "operations": sorted(kind.get("operations", ())) if kind.get("form") == "class" else None,
            "arguments": _by_operation(_told(kind)),
        }
    )


async def get_orchestration(request: Request, hub: Hub) -> Response:
    """What workers have published of an orchestration's name."""
    Query(request).done()
    name = str(request.path_params["name"])
    published = await hub.store.published()
    kind = published.get(f"orchestration/{canonical_name(name)}")
    if kind is None:
        raise UnknownOrchestration(name, [])
    found = _told(kind)
    return json_response(
        {
            "name": str(kind.get("name", name)),
            "versions": [str(version) for version in kind.get("versions", ())],
            "input": _rows(found.get("input")),
            "events": _events(found.get("events")),
        }
    )


# -- what can be read of it by this version: a worker of another one may have published it -----------------------------


def _told(kind: Mapping[str, Any]) -> Mapping[Any, Any]:
    told: Any = kind.get(ARGUMENTS)
    return told if isinstance(told, Mapping) else {}  # pyright: ignore[reportUnknownVariableType]


def _by_operation(published: Mapping[Any, Any]) -> dict[str, list[dict[str, Any]]]:
    found = {str(operation): _rows(rows) for operation, rows in published.items()}
    return {operation: rows for operation, rows in found.items() if rows is not None}


def _rows(published: Any) -> list[dict[str, Any]] | None:
    with contextlib.suppress(AttributeError, KeyError, TypeError, ValueError):
        return [
            {
                "name": str(row["name"]),
                "json_schema": dict(row["schema"]),
                "required": bool(row["required"]),
                "by_name": bool(row.get("by_name", True)),
                "default": row.get("default"),
            }
            for row in published
        ]
    return None


def _events(published: Any) -> dict[str, dict[str, Any]]:
    with contextlib.suppress(AttributeError, TypeError, ValueError):
        return {str(name): dict(schema) for name, schema in published.items()}
    return {}


ENTITY_KINDS: list[Route] = [
    Route(
        "GET",
        f"{API_V1}/entity-kinds/{{name}}",
        get_kind,
        "read",
        RouteDescription(
            "getEntityKind",
            "What is known of a name of entities",
            "Entities",
            "Its operations, and their arguments as JSON schemas, for forms.",
            answers={200: Answer("What workers have published", KindShown), 404: NOT_FOUND},
            paths={"name": "The name, in any case."},
        ),
    ),
]

ORCHESTRATIONS: list[Route] = [
    Route(
        "GET",
        f"{API_V1}/orchestrations/{{name}}",
        get_orchestration,
        "read",
        RouteDescription(
            "getOrchestration",
            "What is known of a name of orchestrations",
            "Instances",
            "Its versions, and its input and the external events that it waits for as JSON schemas, for forms.",
            answers={200: Answer("What workers have published", OrchestrationShown), 404: NOT_FOUND},
            paths={"name": "The name, in any case."},
        ),
    ),
]
