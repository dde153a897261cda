"""The Durable Functions surface: the bodies and answers that several of its routes share.

Clients follow the URIs of a start's answer without looking at them, so what those contain is a contract: this hub's name, the
name of a connection (a gateway has one hub; the name goes back as it came) and, where keys are configured, a token that is
good for the one instance. `{eventName}` and `{text}` are placeholders for the client.
"""

from __future__ import annotations

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response
from typing_extensions import TypedDict

from stead.entities.extending import check_instance_id
from stead.gateway._http.errors import HttpError
from stead.gateway._http.hub import Hub
from stead.gateway._http.json_values import json_response, whole_seconds
from stead.gateway._http.query import Query
from stead.gateway._http.routes import Answer, Parameter
from stead.orchestrations import OrchestrationStatus, RuntimeStatus
from stead.transport import InvalidInput

from .history import history_events

BASE = "/runtime/webhooks/durabletask"
LEGACY_BASE = "/admin/extensions/DurableTaskExtension"
"""Where the routes were with version 1 of the Functions host: some of the documentation's examples still are there."""

BASES = (BASE, LEGACY_BASE)

CONNECTION = "Storage"
"""The name of the connection, in URIs for a client that named none."""

CONTINUATION = "x-ms-continuation-token"
START_RETRY_SECONDS = 10
STATUS_RETRY_SECONDS = 5
PAGE_LENGTH = 100

FAILURE_FLAG = "returnInternalServerErrorOnFailure"


class ManagementPayload(TypedDict):
    """The answer to a start: the instance's ID, and where to look after it."""

    id: str
    statusQueryGetUri: str
    sendEventPostUri: str
    terminatePostUri: str
    purgeHistoryDeleteUri: str
    restartPostUri: str
    suspendPostUri: str
    resumePostUri: str
    rewindPostUri: str


class StatusPayload(TypedDict):
    """An instance's status, as Durable Functions writes it. Times are in UTC, in whole seconds."""

    name: str
    instanceId: str
    runtimeStatus: str
    input: Any
    customStatus: Any
    output: Any
    createdTime: str
    lastUpdatedTime: str


class StatusWithHistory(StatusPayload, total=False):
    """A status; the history is there if it was asked for and the instance has begun: for two clients under their name too."""

    historyEvents: list[dict[str, Any]]
    history: list[dict[str, Any]]


class PurgePayload(TypedDict):
    """How many instances were deleted."""

    instancesDeleted: int


class ErrorPayload(TypedDict):
    """What was wrong."""

    Message: str


# -- instances ---------------------------------------------------------------------------------------------------------


def instance_of(request: Request) -> str | None:
    """The instance that a request's path names; None if no instance can have such an ID."""
    try:
        return check_instance_id(request.path_params["instance_id"])
    except InvalidInput:
        return None


async def read_status(
    request: Request, hub: Hub, *, show_history: bool = False, show_input: bool = False
) -> OrchestrationStatus[Any] | None:
    """The status of the instance that a request's path names; None if there is no such instance."""
    instance_id = instance_of(request)
    if instance_id is None:
        return None
    return await hub.client.get_status(instance_id, show_history=show_history, show_input=show_input)


def empty(status: int) -> Response:
    """An answer without a body."""
    return Response(status_code=status)


@dataclass(frozen=True, slots=True)
class Wishes:
    """How a start is to be answered: read before anything is started, so that what is wrong with them starts nothing."""

    connection: str
    failed_is_500: bool
    timeout: float | None = None
    """How long to wait for the end, in seconds; None: not at all."""


def _instance_url(request: Request, hub: Hub, instance_id: str) -> str:
    return f"{hub.base_url(request)}{BASE}/instances/{quote(instance_id, safe='')}"


def management_payload(request: Request, hub: Hub, instance_id: str, wishes: Wishes) -> ManagementPayload:
    """Every URI of an instance, for whoever sent the request."""
    common = common_query(hub, wishes.connection, hub.token(request, instance_id))
    flag = f"&{FAILURE_FLAG}=true" if wishes.failed_is_500 else ""
    return management_uris(instance_id, _instance_url(request, hub, instance_id), common, flag)


def common_query(hub: Hub, connection: str, code: str | None) -> str:
    """The query that every URI has."""
    common = f"taskHub={quote(hub.hub_name, safe='')}&connection={quote(connection, safe='')}"
    return common if code is None else f"{common}&code={quote(code, safe='')}"


def management_uris(instance_id: str, base: str, common: str, flag: str = "") -> ManagementPayload:
    """Every URI of an instance, which is at `base`. `flag`: added to that of its status."""
    return {
        "id": instance_id,
        "statusQueryGetUri": f"{base}?{common}{flag}",
        "sendEventPostUri": f"{base}/raiseEvent/{{eventName}}?{common}",
        "terminatePostUri": f"{base}/terminate?reason={{text}}&{common}",
        "purgeHistoryDeleteUri": f"{base}?{common}",
        "restartPostUri": f"{base}/restart?{common}",
        "suspendPostUri": f"{base}/suspend?reason={{text}}&{common}",
        "resumePostUri": f"{base}/resume?reason={{text}}&{common}",
        "rewindPostUri": f"{base}/rewind?reason={{text}}&{common}",
    }


def check_status_response(request: Request, hub: Hub, instance_id: str, wishes: Wishes) -> Response:
    """202: the instance goes on, and this is where to look after it."""
    payload = management_payload(request, hub, instance_id, wishes)
    headers = {"location": payload["statusQueryGetUri"], "retry-after": str(START_RETRY_SECONDS)}
    return json_response(payload, 202, headers)


def status_payload(
    status: OrchestrationStatus[Any], *, show_input: bool = True, show_output: bool = False
) -> StatusWithHistory:
    """An instance's status, its fields in Durable Functions' order. `show_input`, `show_output`: of its history's events."""
    payload: StatusWithHistory = {
        "name": status.name,
        "instanceId": str(status.instance_id),
        "runtimeStatus": status.runtime_status.value,
        "input": status.input,
        "customStatus": status.custom_status,
        "output": status.output if status.failure is None else str(status.failure),
        "createdTime": whole_seconds(status.created_time),
        "lastUpdatedTime": whole_seconds(status.last_updated_time),
    }
    if status.history is not None and status.runtime_status is not RuntimeStatus.PENDING:
        payload["historyEvents"] = history_events(status.history, show_input=show_input, show_output=show_output)
    return payload


def status_response(
    request: Request, hub: Hub, status: OrchestrationStatus[Any], payload: StatusPayload, *, failed_is_500: bool
) -> Response:
    """An instance's status as an answer: 200 once it is finished, 202 before; 500 for a failed one, if that was asked for."""
    if not status.is_finished:
        query: bytes = request.scope["query_string"]
        url = _instance_url(request, hub, str(status.instance_id)) + ("?" + query.decode("latin-1") if query else "")
        return json_response(payload, 202, {"location": url, "retry-after": str(STATUS_RETRY_SECONDS)})
    failed = status.runtime_status is RuntimeStatus.FAILED
    return json_response(payload, 500 if failed and failed_is_500 else 200)


# -- pages -------------------------------------------------------------------------------------------------------------

_FORM = "1:"  # a later form of tokens begins otherwise


def continuation_headers(after: str | None) -> dict[str, str]:
    """The header that says that there is more: nothing if there is not."""
    if after is None:
        return {}
    return {CONTINUATION: urlsafe_b64encode((_FORM + after).encode()).decode().rstrip("=")}


def after_of(request: Request) -> str:
    """Where the page that a request asks for begins: "" for the first one. Raises `HttpError` for a token that is none."""
    token = request.headers.get(CONTINUATION, "").strip()
    if not token:
        return ""
    try:
        text = urlsafe_b64decode(token.encode("ascii") + b"=" * (-len(token) % 4)).decode()
    except (ValueError, binascii.Error):
        text = ""
    if not text.startswith(_FORM):
        raise HttpError(400, f"the header {CONTINUATION} is not one that this API gave")
    return text.removeprefix(_FORM)


def page_length(query: Query, hub: Hub) -> int:
    """How much a page may hold: what `top` says, but no more than the settings allow."""
    top = query.integer("top", PAGE_LENGTH, low=1)
    return min(top, hub.settings.page_length_max)


# -- descriptions ------------------------------------------------------------------------------------------------------

COMMON_PARAMETERS = (
    Parameter("taskHub", "Accepted for compatibility: a gateway serves one hub."),
    Parameter("connection", "Accepted for compatibility: goes back in the URIs of the answer."),
)
TOP = Parameter("top", "The most entries in one page.", "integer", default=PAGE_LENGTH, minimum=1)
CONTINUATION_HEADER = Parameter(CONTINUATION, "Where to go on: the header of the same name of the answer before.")
CONTINUATION_ANSWER = {CONTINUATION: "Present if there is more: send it back as the header of the same name."}
BAD_REQUEST = Answer("The request is wrong; the message says what.", ErrorPayload)
NOT_FOUND = Answer("There is no such instance.")
GONE = Answer("The instance is finished.")
ACCEPTED = Answer("Accepted: it is durable, and carried out when its turn comes.")
STARTED = Answer(
    "Started.",
    ManagementPayload,
    headers={"Location": "The status of the instance.", "Retry-After": "Seconds until it is worth looking."},
)
