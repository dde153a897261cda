"""The OpenAPI 3.1 document, made from the table of routes."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias, cast

from pydantic import TypeAdapter
from pydantic.json_schema import JsonSchemaMode
from starlette.requests import Request
from starlette.responses import Response

from stead.gateway._http.errors import PROBLEM
from stead.gateway._http.hub import Hub
from stead.gateway._http.json_values import json_response
from stead.gateway._http.query import Query
from stead.gateway._http.routes import API_V1, Answer, Parameter, Route, RouteDescription
from stead.gateway._v1.models import Problem

_REFERENCE = "#/components/schemas/{model}"

# What any route may answer, and any that reads a body.
_COMMON: dict[int, str] = {
    400: "The request is wrong; `detail` and `errors` say where",
    401: "A key is needed",
    403: "The key has not the right for it",
    429: "Too much at a time: come back after `Retry-After` seconds",
    503: "The store does not answer, or the server is stopping: come back after `Retry-After` seconds",
}
_WITH_BODY: dict[int, str] = {
    408: "The client was too slow",
    413: "The body is too large",
    415: "The body is compressed, which is not supported",
}
_RIGHTS: Mapping[str | None, str] = {
    "read": "Needs a key with the right `read`.",
    "signal": "Needs a key with the right `signal`.",
    "manage": "Needs a key with the right `manage`.",
}
_MESSAGE: dict[str, Any] = {
    "type": "object",
    "properties": {"Message": {"type": "string"}},
    "required": ["Message"],
}
_ALIASES = "Other addresses of the same"
_TAGS: Mapping[str, str] = {
    "Entities": "Durable entities: state with an address, and the operations on it.",
    "Signals": "Signals in bulk.",
    "Instances": "Instances of orchestrations.",
    "Hub": "The hub itself, and what could not be carried out.",
    _ALIASES: "For clients of the first version of the Functions host, and for IDs in the quick starts' paths.",
}
_ABOUT = """What is below `/api/v1` is this server's own API. The other routes are those of Azure Durable Functions, for
its clients and tools. Where keys are configured, give one as `x-functions-key`, as `Authorization: Bearer`, or as `code=`."""


def document(routes: Iterable[Route]) -> dict[str, Any]:
    """The document of some routes, without `servers`."""
    described = sorted(_describe(list(routes)), key=lambda one: one[0].operation is None)  # other ways to the same last
    schemas = _Schemas(operation for _, operation in described)
    paths: dict[str, dict[str, Any]] = {}
    used: dict[str, int] = {}
    for route, operation in described:
        found = _operation_object(route, operation, schemas)
        if route.operation is None and operation.id in used:
            found["deprecated"] = True  # it is there for old clients
            found["tags"] = [_ALIASES]
        count = used[operation.id] = used.get(operation.id, 0) + 1
        found["operationId"] = operation.id if count == 1 else f"{operation.id}{count}"
        paths.setdefault(route.path, {})[route.method.lower()] = found
    present = dict.fromkeys(tag for item in paths.values() for found in item.values() for tag in found["tags"])
    return {
        "openapi": "3.1.0",
        "info": {"title": "stead", "version": "1", "description": _ABOUT, "license": {"name": "MIT"}},
        "tags": [{"name": tag, "description": _TAGS[tag]} if tag in _TAGS else {"name": tag} for tag in present],
        "paths": paths,
        "components": {
            "schemas": schemas.definitions,
            "securitySchemes": {
                "functionsKey": {"type": "apiKey", "in": "header", "name": "x-functions-key"},
                "bearer": {"type": "http", "scheme": "bearer"},
                "code": {"type": "apiKey", "in": "query", "name": "code"},
            },
        },
    }


def _describe(routes: Sequence[Route]) -> list[tuple[Route, RouteDescription]]:
    """Each route with what it says of itself. One that says nothing is another way to a route that does, or gets the least
    that can be said."""
    known = {(route.method, route.handler): route.operation for route in routes if route.operation is not None}
    return [(route, route.operation or known.get((route.method, route.handler)) or _least(route)) for route in routes]


def _least(route: Route) -> RouteDescription:
    words = re.findall(r"[A-Za-z0-9]+", route.path)
    name = route.method.lower() + "".join(word.capitalize() for word in words)
    answers = {200: Answer("The answer", {}), 202: Answer("It is accepted", {})}
    return RouteDescription(name, f"{route.method} {route.path}", "Other", answers=answers)


_Wanted: TypeAlias = tuple[int, JsonSchemaMode]  # a type, and whether it is read or written


class _Schemas:
    """The JSON schemas of all types that operations name, with their common definitions."""

    def __init__(self, operations: Iterable[RouteDescription]) -> None:
        wanted: dict[_Wanted, Any] = {}
        for operation in operations:
            self._want(wanted, operation.body, "validation")
            for answer in operation.answers.values():
                self._want(wanted, answer.body, "serialization")
        self._want(wanted, Problem, "serialization")
        inputs: list[tuple[_Wanted, JsonSchemaMode, TypeAdapter[Any]]] = [
            (key, key[1], TypeAdapter(kind)) for key, kind in wanted.items()
        ]
        self._found, common = TypeAdapter.json_schemas(inputs, ref_template=_REFERENCE)
        self.definitions: dict[str, Any] = common.get("$defs", {})

    @staticmethod
    def _want(wanted: dict[_Wanted, Any], kind: Any, mode: JsonSchemaMode) -> None:
        if kind is not None and not isinstance(kind, Mapping):
            wanted[id(kind), mode] = kind

    def of(self, kind: Any, mode: JsonSchemaMode) -> Any:
        """The schema of a type; what is one already stays as it is."""
        if isinstance(kind, Mapping):
            return cast("Mapping[str, Any]", kind)
        return self._found[(id(kind), mode), mode]


def _operation_object(route: Route, operation: RouteDescription, schemas: _Schemas) -> dict[str, Any]:
    right = _RIGHTS.get(route.right, "")
    if route.instance_scoped and right:
        right += " A token of the instance will do."
    found: dict[str, Any] = {
        "tags": [operation.tag],
        "summary": operation.summary,
        "description": "\n\n".join(text for text in (operation.description, right) if text),
    }
    parameters = [
        *(_path_parameter(name, operation) for name in re.findall(r"\{(\w+)\}", route.path)),
        *(_parameter(parameter, "query") for parameter in operation.query),
        *(_parameter(parameter, "header") for parameter in operation.headers),
    ]
    if parameters:
        found["parameters"] = parameters
    if operation.body is not None:
        schema = schemas.of(operation.body, "validation")
        content = {media_type: {"schema": schema} for media_type in operation.body_media_types}
        found["requestBody"] = {"required": operation.body_required, "content": content}
    found["responses"] = _responses(route, operation, schemas)
    # Without a key only where the server has none.
    found["security"] = [] if route.right is None else [{"functionsKey": []}, {"bearer": []}, {"code": []}]
    return found


def _responses(route: Route, operation: RouteDescription, schemas: _Schemas) -> dict[str, Any]:
    own = route.path.startswith(API_V1 + "/")
    error: dict[str, Any] = {PROBLEM: {"schema": schemas.of(Problem, "serialization")}} if own else {}
    found: dict[str, Any] = {}
    for status, answer in operation.answers.items():
        response: dict[str, Any] = {"description": answer.description}
        if answer.body is not None:
            response["content"] = {answer.media_type: {"schema": schemas.of(answer.body, "serialization")}}
        elif own and status >= 400:
            response["content"] = error
        if answer.headers:
            response["headers"] = {
                name: {"description": text, "schema": {"type": "string"}} for name, text in answer.headers.items()
            }
        found[str(status)] = response
    if route.right is None and not own:
        return found
    for status, meaning in (_COMMON | _WITH_BODY if operation.body is not None else _COMMON).items():
        content = error if own else {"application/json": {"schema": _MESSAGE}}
        response = {"description": meaning if own else meaning.partition(";")[0], "content": content}
        found.setdefault(str(status), response)
    return dict(sorted(found.items()))


def _path_parameter(name: str, operation: RouteDescription) -> dict[str, Any]:
    parameter: dict[str, Any] = {
        "name": name,
        "in": "path",
        "required": True,
        "schema": {"type": "string", "minLength": 1},
    }
    if name in operation.paths:
        parameter["description"] = operation.paths[name]
    return parameter


def _parameter(parameter: Parameter, place: str) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": parameter.type}
    given = {
        "format": parameter.format,
        "enum": list(parameter.enum) or None,
        "minimum": parameter.minimum,
        "maximum": parameter.maximum,
    }
    schema |= {name: value for name, value in given.items() if value is not None}
    if parameter.many:
        schema = {"type": "array", "items": schema}
    if parameter.default is not None:
        schema["default"] = parameter.default
    found: dict[str, Any] = {"name": parameter.name, "in": place, "schema": schema}
    if parameter.description:
        found["description"] = parameter.description
    if parameter.required:
        found["required"] = True
    return found


def document_route(routes: Callable[[], Iterable[Route]]) -> Route:
    """The route that answers with the document of what `routes` gives when it is first asked; it may be one of them."""

    @functools.cache
    def whole() -> dict[str, Any]:
        return document(routes())

    async def get_document(request: Request, hub: Hub) -> Response:
        Query(request).done()
        return json_response({**whole(), "servers": [{"url": hub.base_url(request)}]})

    operation = RouteDescription("getOpenApi", "This document", "Description", answers={200: Answer("OpenAPI 3.1", {})})
    return Route("GET", "/openapi.json", get_document, None, operation)
