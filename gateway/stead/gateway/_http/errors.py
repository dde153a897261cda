"""What went wrong, as an answer: the right status, and a body in the form of the surface that was asked.

The Durable Functions routes answer `{"Message": "…"}` (400 with the same as `ExceptionMessage`), those below `/api/v1` RFC 9457's problem details. Nobody is ever sent
a stack trace: what was not foreseen is logged under an ID, and the ID is sent.
"""

from __future__ import annotations

import math
import re
import uuid
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from pydantic import ValidationError
from starlette.responses import Response

from stead.entities import (
    CallTimeout,
    IndexNotReady,
    InvalidState,
    OperationFailed,
    UnknownEntity,
    UnknownOperation,
)
from stead.orchestrations import (
    InstanceBlocked,
    InstanceExists,
    InstanceFinished,
    InstanceRunning,
    NothingShared,
    QueryFailed,
    ScheduleExists,
    UnknownInstance,
    UnknownOrchestration,
    UnknownQuestion,
    UnknownSchedule,
    UpdateFailed,
)
from stead.transport import (
    AcknowledgedLost,
    BacklogFull,
    ConnectionLost,
    HubMismatch,
    InvalidInput,
    PayloadLocked,
    PayloadTooLarge,
    ServerChanged,
    SourceSuperseded,
    SteadError,
    StoreUnavailable,
    get_logger,
)
from stead.transport.describing import CAUSES_MAX, text_of

from .json_values import JSON, to_json

_log = get_logger("stead.gateway")

PROBLEM = "application/problem+json"
RETRY_AFTER_SECONDS = 1

# The first that an error is an instance of.
_STATUSES: Sequence[tuple[type[SteadError], int]] = (
    (PayloadTooLarge, 413),
    (PayloadLocked, 423),
    (InvalidInput, 400),
    (UnknownEntity, 404),
    (UnknownOperation, 404),
    (UnknownOrchestration, 404),
    (UnknownInstance, 404),
    (UnknownSchedule, 404),
    (ScheduleExists, 409),
    (InstanceExists, 409),
    (InstanceRunning, 409),
    (SourceSuperseded, 409),
    (UnknownQuestion, 404),
    (NothingShared, 409),
    (InstanceBlocked, 409),
    (InstanceFinished, 410),
    (QueryFailed, 422),
    (UpdateFailed, 422),
    (OperationFailed, 422),
    (InvalidState, 422),
    (BacklogFull, 429),
    (CallTimeout, 504),
    (IndexNotReady, 503),
    (StoreUnavailable, 503),
    (ConnectionLost, 503),
    (ServerChanged, 503),
    (AcknowledgedLost, 503),
    (HubMismatch, 503),
)
_RETRIED = {429, 503}


class HttpError(Exception):
    """A request that is answered with an error. `errors`: `[{"loc": [...], "msg": "…"}]`, for problem details."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        errors: Sequence[Mapping[str, Any]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(status, message)
        self.status = status
        self.message = message
        self.errors = list(errors)
        self.headers = dict(headers or {})


def no_route(scope: Mapping[str, Any]) -> HttpError:
    """404: nothing is at this path for this verb; the message says which page names all that there is."""
    docs = scope.get("root_path", "").rstrip("/") + "/docs"
    return HttpError(404, f"there is no route for {scope['method']} {scope['path']}; {docs} shows all")


def too_many(what: str, retry_after_seconds: float = RETRY_AFTER_SECONDS) -> HttpError:
    """429: come back later."""
    return HttpError(429, what, headers={"retry-after": str(math.ceil(retry_after_seconds))})


def bad_query(name: str, reason: str) -> HttpError:
    """400, naming the query parameter."""
    return HttpError(400, f"query parameter {name!r}: {reason}", errors=[{"loc": ["query", name], "msg": reason}])


def http_status_of(error: SteadError) -> int:
    """The status with which an error is answered; 500 for what no client can do anything about."""
    return next((status for kind, status in _STATUSES if isinstance(error, kind)), 500)


def details_of(error: BaseException) -> list[dict[str, Any]]:
    """Where in the input pydantic found something wrong, if it was pydantic that refused it."""
    cause: BaseException | None = error
    for _ in range(CAUSES_MAX):
        if cause is None:
            break
        if type(cause) is ValidationError:
            try:
                found = cause.errors(include_url=False, include_context=False, include_input=False)
            except Exception:  # noqa: BLE001 - the text of an error that a validator raised
                return []
            return [{"loc": list(one["loc"]), "msg": one["msg"]} for one in found]
        cause = cause.__cause__
    return []


def error_response(error: Exception, *, problem: bool) -> Response:
    """The answer to a request that failed so."""
    if isinstance(error, HttpError):
        return _answer(error.status, error.message, error.headers, problem, errors=error.errors)
    if not isinstance(error, SteadError) or (status := http_status_of(error)) == 500:
        error_id = uuid.uuid4().hex[:12]
        _log.error("request failed, error %s", error_id, exc_info=error)
        message = f"Something went wrong while processing your request; the server's log has it as error {error_id}"
        return _answer(500, message, {}, problem, more={"error_id": error_id})
    headers = {"retry-after": str(RETRY_AFTER_SECONDS)} if status in _RETRIED else {}
    kind = type(error).__name__
    return _answer(status, _text(error), headers, problem, kind, errors=details_of(error), more=_fields(error))


def _text(error: SteadError) -> str:
    """What is said of it. Of what an operation raised: its type and message, never its stack."""
    if isinstance(error, OperationFailed | QueryFailed | UpdateFailed):
        return f"{error.error_type}: {error.message}" if error.message else error.error_type
    return text_of(error)


def _fields(error: SteadError) -> dict[str, Any]:
    """What problem details say beyond the text, by the error's own fields."""
    if isinstance(error, OperationFailed):
        return {
            "entity_id": str(error.entity_id),
            "operation": error.operation_name,
            "error_type": error.error_type,
            "message": error.message,
        }
    if isinstance(error, QueryFailed | UpdateFailed):
        return {
            "instance_id": error.instance_id,
            "name": error.name,
            "error_type": error.error_type,
            "message": error.message,
        }
    if isinstance(
        error, NothingShared | InstanceBlocked | InstanceExists | InstanceFinished | InstanceRunning | UnknownInstance
    ):
        return {"instance_id": error.instance_id}
    if isinstance(error, StoreUnavailable):
        return {"outcome": error.outcome}
    if isinstance(error, AcknowledgedLost):
        return {"lost": lost_data(error)}
    return {}


def lost_data(error: AcknowledgedLost) -> list[dict[str, int]]:
    """What the server has lost, partition by partition."""
    return [{"partition": at, "from": lost_from, "to": lost_to} for at, lost_from, lost_to in error.losses]


def _answer(
    status: int,
    message: str,
    headers: Mapping[str, str],
    problem: bool,
    kind: str | None = None,
    *,
    errors: Sequence[Mapping[str, Any]] = (),
    more: Mapping[str, Any] | None = None,
) -> Response:
    if not problem:
        # Where the Python client shows what is wrong with a start, it reads the second one.
        payload = {"Message": message} | ({"ExceptionMessage": message} if status == HTTPStatus.BAD_REQUEST else {})
        return Response(to_json(payload), status, dict(headers), JSON)
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", kind).capitalize() if kind else HTTPStatus(status).phrase
    body: dict[str, Any] = {
        "type": "about:blank" if kind is None else f"urn:stead-error:{words.lower().replace(' ', '-')}",
        "title": words,
        "status": status,
        "detail": message,
    }
    if errors:
        body["errors"] = list(errors)
    return Response(to_json({**body, **(more or {})}), status, dict(headers), PROBLEM)
