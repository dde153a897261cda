"""The Durable Functions surface: waitForCompletionOrCreateCheckStatusResponse.

A start or restart with a `timeout` (seconds) waits so long for the instance's end, and answers as if it had been asked for the
result; if the time is up before, the answer is that of a start. The instance tells when it is finished, so that nothing is
polled: `pollingInterval` is only checked.
"""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from stead.entities import CallTimeout, SteadError
from stead.gateway._http.body import unless_gone
from stead.gateway._http.errors import HttpError, bad_query
from stead.gateway._http.hub import Hub
from stead.gateway._http.json_values import json_response
from stead.gateway._http.query import Query
from stead.gateway._http.routes import Answer, Parameter
from stead.orchestrations import OrchestrationStatus, RuntimeStatus
from stead.transport import get_logger

from .payloads import (
    CONNECTION,
    FAILURE_FLAG,
    Wishes,
    check_status_response,
    status_payload,
    status_response,
)

_log = get_logger("stead.gateway")

TIMEOUT = "timeout"
INTERVAL = "pollingInterval"

WAITING_PARAMETERS = (
    Parameter(TIMEOUT, "How many seconds to wait for the end.", "number", minimum=0),
    Parameter(INTERVAL, "Accepted for compatibility: nothing is polled. At most the timeout.", "number", minimum=0),
    Parameter(FAILURE_FLAG, "Answer 500 if the instance failed.", "boolean", default=False),
)
WAITED = Answer(
    "With a timeout: the output of an instance that completed in time, or the status of one that ended otherwise.", {}
)


def wishes_of(query: Query) -> Wishes:
    """How a request wants its start to be answered. Raises `HttpError` (400)."""
    timeout = query.number(TIMEOUT, None)
    interval = query.number(INTERVAL, None)
    if timeout is not None and interval is not None and interval > timeout:
        raise bad_query(INTERVAL, f"{interval:g} s is longer than the timeout, {timeout:g} s")
    return Wishes(query.text("connection") or CONNECTION, query.boolean(FAILURE_FLAG, default=False), timeout)


async def answer_start(request: Request, hub: Hub, instance_id: str, wishes: Wishes) -> Response:
    """The answer to a start: at once, or when the instance is finished or the time is up."""
    status = None if wishes.timeout is None else await _wait(request, hub, instance_id, wishes.timeout)
    if status is None:
        return check_status_response(request, hub, instance_id, wishes)
    if status.runtime_status is RuntimeStatus.COMPLETED:
        return json_response(status.output)
    return status_response(request, hub, status, status_payload(status), failed_is_500=wishes.failed_is_500)


async def _wait(request: Request, hub: Hub, instance_id: str, timeout: float) -> OrchestrationStatus[Any] | None:
    """The instance once it is finished; None if the time is up before, or the server stops.

    It is started whatever becomes of the waiting, so that no trouble with that is an error: who is told of one starts it again.
    """
    seconds = min(timeout, hub.settings.wait_ms_max / 1000)

    async def finished() -> OrchestrationStatus[Any] | None:
        waiting = asyncio.ensure_future(hub.client.wait_for_completion(instance_id, seconds))
        stopping = asyncio.ensure_future(hub.traffic.stopping.wait())
        try:
            await asyncio.wait((waiting, stopping), return_when=asyncio.FIRST_COMPLETED)
            return waiting.result() if waiting.done() else None
        finally:
            waiting.cancel()
            stopping.cancel()
            await asyncio.gather(waiting, stopping, return_exceptions=True)

    try:
        with hub.traffic.wait():
            return await unless_gone(request, finished())
    except CallTimeout:
        return None
    except (HttpError, SteadError) as error:
        _log.info("the answer to the start of %s does not wait for its end: %s", instance_id, error)
        return None
