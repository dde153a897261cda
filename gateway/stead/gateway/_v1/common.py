"""What the modules of `/api/v1` share: requests checked by pydantic, statuses as JSON data, tags that change with what they
stand for, and continuation tokens."""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from typing import Any, TypeVar, cast

from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import Response

from stead.entities import EntityId
from stead.gateway._http.body import MISSING, read_json
from stead.gateway._http.errors import HttpError, bad_query
from stead.gateway._http.hub import Hub
from stead.gateway._http.json_values import json_response, milliseconds, plain_json, to_json
from stead.gateway._http.query import Query
from stead.gateway._http.routes import Answer, Parameter
from stead.orchestrations import FailureDetails, HistoryEvent, OrchestrationStatus
from stead.orchestrations.histories import status_fields
from stead.transport import InvalidInput, pack

M = TypeVar("M", bound=BaseModel)

EMPTY_KEY = "$"
"""What stands for the empty key in a path."""

ENTITY_PATHS = {
    "name": "The entity's name, in any case.",
    "key": "Its key, percent-encoded as a segment of a path; `$` for the empty one.",
    "operation": "The operation's name, in any case.",
}
INSTANCE_PATHS = {"instance_id": "The instance's ID."}
NOT_FOUND = Answer("There is no such thing")

WAIT_MS = Parameter("wait_ms", "How long to wait at most, in milliseconds.", "integer", minimum=0, default=0)
SINCE = Parameter("since", "An `etag` seen before: wait for another one.")
LIMIT = Parameter("limit", "The most in one page.", "integer", minimum=1, maximum=1_000, default=100)
CONTINUATION = Parameter("continuation", "What the page before said.")


async def read_model(request: Request, hub: Hub, model: type[M], *, required: bool = True) -> M:
    """The body of a request. Raises `HttpError` (400); `errors` says where it is wrong."""
    data = await read_json(request, hub, json_only=True)
    if data is MISSING:
        if required:
            raise HttpError(400, "a JSON object is needed as the body", errors=[{"loc": ["body"], "msg": "missing"}])
        data = {}
    try:
        return model.model_validate(data)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
        errors = [{"loc": ["body", *one["loc"]], "msg": one["msg"]} for one in found]
        first = "/".join(str(part) for part in errors[0]["loc"])
        raise HttpError(400, f"{first}: {errors[0]['msg']}", errors=errors) from None


def entity_of(request: Request) -> EntityId:
    """The entity of a path. Raises `InvalidInput`."""
    key: str = request.path_params["key"]
    return EntityId(request.path_params["name"], "" if key == EMPTY_KEY else key)


def wait_seconds(query: Query, hub: Hub) -> float:
    """How long a request may be kept waiting."""
    return min(query.integer("wait_ms", 0), hub.settings.wait_ms_max) / 1000


def page_length(query: Query, hub: Hub) -> int:
    """How many a page has at most."""
    return min(query.integer("limit", 100, low=1, high=1_000), hub.settings.page_length_max)


def read_continuation(query: Query) -> str:
    """Where a page begins."""
    token = query.text("continuation")
    if token is None:
        return ""
    try:
        return urlsafe_b64decode(token.encode("ascii") + b"=" * (-len(token) % 4)).decode()
    except ValueError:
        raise bad_query("continuation", "it is not what a page has said") from None


def continuation_of(after: str | None) -> str | None:
    """What a page says of the next one."""
    return None if after is None else urlsafe_b64encode(after.encode()).decode().rstrip("=")


def read_tags(query: Query) -> dict[str, str] | None:
    """Tags as `tag=name=value`, each in a parameter of its own."""
    tags: dict[str, str] = {}
    for pair in query.raw("tag"):
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise bad_query("tag", f"{pair[:40]!r} is not of the form name=value")
        tags[name] = value
    return tags or None


def etag_of(value: object) -> str:
    """A short text that changes with a value, and is the same in every process."""
    try:
        data = bytes(pack(value))  # which puts sets in order
    except InvalidInput:
        data = to_json(value)
    return hashlib.blake2b(data, digest_size=9).hexdigest()


def tagged(request: Request, data: Mapping[str, Any]) -> Response:
    """An answer with its tag; 304 if the client says that it has it."""
    etag = f'"{data["etag"]}"'
    known = [tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")]
    if etag in known:
        return Response(status_code=304, headers={"etag": etag})
    return json_response(data, headers={"etag": etag})


def status_data(status: OrchestrationStatus[Any]) -> dict[str, Any]:
    """An instance's status as JSON data."""
    data = status_fields(status, milliseconds)
    waiting_for = data.pop("waiting_for", None)  # a tag is of what has happened
    data |= {
        "scheduled_time": None if status.scheduled_time is None else milliseconds(status.scheduled_time),
        "parent_instance_id": status.parent_instance_id,
        "failure": failure_data(status.failure),
    }
    # The input never changes without the times, and may not have been asked for.
    data["etag"] = etag_of({name: value for name, value in data.items() if name != "input"})
    if status.history is not None:
        data["history"] = [event_data(event) for event in status.history]
    if waiting_for is not None:
        data["waiting_for"] = waiting_for
    return data


def failure_data(failure: FailureDetails | None) -> dict[str, Any] | None:
    """A failure without its stack trace."""
    if failure is None:
        return None
    return {"error_type": failure.error_type, "message": failure.message, "cause": failure_data(failure.cause)}


def event_data(event: HistoryEvent) -> dict[str, Any]:
    """An event of a history, its failures without their stack traces."""
    return {
        "event_type": event.event_type,
        "timestamp": milliseconds(event.timestamp),
        "task_id": event.task_id,
        **{name: _untraced(plain_json(value)) for name, value in event.fields.items()},
    }


def _untraced(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    found = cast("dict[str, Any]", value)
    if "traceback" in found and "type" in found:
        return {
            "error_type": found["type"],
            "message": found.get("message", ""),
            "cause": _untraced(found.get("cause")),
        }
    return found
