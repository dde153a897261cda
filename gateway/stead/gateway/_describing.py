"""How routes are described for the OpenAPI document: operation objects, in which a schema may be a Python type.

    OPERATION = describe("The state of an entity", tag="Entities", answers={200: ("Its state", EntityState)})

A type stands where a schema belongs; `_openapi` has pydantic turn all of them into schemas at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

NDJSON = "application/x-ndjson"
EVENT_STREAM = "text/event-stream"

Answers = Mapping[int, tuple[str, Any]]
"""Status -> what it means, and the type of its JSON body: None for no body, a media type's name for other content."""


def query(
    name: str, schema: Any, text: str, *, required: bool = False, many: bool = False, default: Any = None
) -> dict[str, Any]:
    """A query parameter. `schema`: a type, or a schema's own map. `many`: it may be given several times."""
    found = {"type": "array", "items": schema} if many else schema
    parameter: dict[str, Any] = {"name": name, "in": "query", "description": text, "schema": found}
    if required:
        parameter["required"] = True
    if default is not None:
        parameter["description"] = f"{text} Default: {default}."
    return parameter


def header(name: str, text: str, schema: Any = None) -> dict[str, Any]:
    """A header of a request."""
    return {"name": name, "in": "header", "description": text, "schema": schema or {"type": "string"}}


def integer(low: int, high: int) -> dict[str, Any]:
    """A whole number's schema."""
    return {"type": "integer", "minimum": low, "maximum": high}


INSTANT: dict[str, Any] = {"type": "string", "format": "date-time"}
BOOLEAN: dict[str, Any] = {"type": "boolean"}
TEXT: dict[str, Any] = {"type": "string"}


def describe(
    summary: str,
    *,
    tag: str,
    text: str = "",
    parameters: Sequence[Mapping[str, Any]] = (),
    body: Any = None,
    body_required: bool = True,
    body_type: str = "application/json",
    answers: Answers,
    errors: Sequence[int] = (),
) -> dict[str, Any]:
    """An operation object. `errors`: the statuses beyond 400, 401, 403, 429 and 503, which every route may answer with."""
    operation: dict[str, Any] = {"summary": summary, "tags": [tag]}
    if text:
        operation["description"] = text
    if parameters:
        operation["parameters"] = list(parameters)
    if body is not None:
        operation["requestBody"] = {"required": body_required, "content": {body_type: {"schema": body}}}
    responses: dict[str, Any] = {}
    for status, (meaning, content) in answers.items():
        response: dict[str, Any] = {"description": meaning}
        if isinstance(content, str):
            response["content"] = {content: {"schema": {"type": "string"}}}
        elif content is not None:
            response["content"] = {"application/json": {"schema": content}}
        responses[str(status)] = response
    for status in errors:
        responses[str(status)] = {"$ref": f"#/components/responses/{status}"}
    operation["responses"] = responses
    return operation
