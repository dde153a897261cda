"""`context.call_http`: a request as an activity, and a long operation asked about by durable timers until it is over."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

from stead.entities.extending import delay_in_ms
from stead.orchestrations._activities.http_origins import origin_of, without_credentials
from stead.orchestrations._definition.retry import RetryPolicy
from stead.orchestrations._history.events import TimerCreated
from stead.transport import InvalidInput

from .calls import ActivityCall, ComposedTask, DurableCall

if TYPE_CHECKING:
    from .commands import Commands

ACTIVITY = "stead.http"

_ACCEPTED = 202
_OF_A_BODY = frozenset({"content-type", "content-length", "content-encoding", "transfer-encoding"})


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """An answer: its status, its headers by their names in lower case, its body as text."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: str = ""

    def json(self) -> Any:
        """The body as JSON data. Raises `ValueError` if it is none."""
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A request as `call_http` takes it."""

    method: str
    url: str
    headers: dict[str, str]
    body: str | bytes | None
    timeout: timedelta | None
    poll: bool
    poll_interval: timedelta
    retry: RetryPolicy | None


def begin_http(core: Commands, request: HttpRequest) -> ComposedTask:
    """Schedule a request. Raises `InvalidInput` for one that cannot be made."""
    if not (isinstance(request.method, str) and request.method.isascii() and request.method.isalpha()):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidInput(f"HTTP method {request.method!r}", 'a method is a word such as "GET" or "POST"')
    if not isinstance(request.url, str) or origin_of(request.url) is None:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidInput(f"URL {request.url!r}", "it has to begin with http:// or https:// and a host")
    delay_in_ms(request.poll_interval)
    first = _send(core, request, request.method.upper(), request.url, request.headers, request.body)
    return ComposedTask(core, first, _until_done(core, request, first))


async def _until_done(core: Commands, request: HttpRequest, first: ActivityCall) -> HttpResponse:
    response: HttpResponse = await first
    url, headers = request.url, request.headers
    while request.poll and response.status == _ACCEPTED and "location" in response.headers:
        timer = DurableCall(core)
        fire_at_ms = core.now_ms + _wait_ms(response, request.poll_interval, core.now_ms)
        core.schedule(TimerCreated(core.now_ms, core.last_id + 1, fire_at_ms, f"poll of {ACTIVITY}"), timer)
        await timer
        target = urljoin(url, response.headers["location"])
        if origin_of(target) is None:
            return response  # not something to ask over HTTP
        headers = headers_for(url, target, headers)
        url = target
        response = await _send(core, request, "GET", url, headers, None)
    return response


def _send(
    core: Commands, request: HttpRequest, method: str, url: str, headers: dict[str, str], body: str | bytes | None
) -> ActivityCall:
    call = ActivityCall(core, ACTIVITY, _response, request.retry)
    seconds = None if request.timeout is None else request.timeout.total_seconds()
    call.args = [method, url, headers or None, body, seconds]
    call.kwargs = None
    call.queue = ""
    call.tags = None
    call.schedule()
    return call


def _response(data: Mapping[str, Any]) -> HttpResponse:
    headers = {name.lower(): value for name, value in data["headers"].items()}
    return HttpResponse(data["status"], headers, data["body"])


def headers_for(url: str, target: str, headers: Mapping[str, str]) -> dict[str, str]:
    """The headers with which a target named by an answer from `url` is asked: to another origin without credentials."""
    kept = headers if origin_of(url) == origin_of(target) else without_credentials(headers)
    return {name: value for name, value in kept.items() if name.strip().lower() not in _OF_A_BODY}


def _wait_ms(response: HttpResponse, default: timedelta, now_ms: int) -> int:
    after = response.headers.get("retry-after", "").strip()
    if after.isascii() and after.isdigit():
        return delay_in_ms(timedelta(seconds=min(int(after), 366 * 86_400)))
    if after:
        try:
            due = parsedate_to_datetime(after)
        except ValueError:
            return delay_in_ms(default)
        due = due if due.tzinfo is not None else due.replace(tzinfo=UTC)
        return delay_in_ms(due - datetime.fromtimestamp(now_ms / 1000, UTC))
    return delay_in_ms(default)
