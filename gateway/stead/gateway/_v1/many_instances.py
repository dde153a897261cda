"""Many instances at a glance, and bundles of them: when they were created, and the same done to some that were chosen."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from stead.gateway._http.body import unless_gone
from stead.gateway._http.hub import Hub
from stead.gateway._http.json_values import json_response
from stead.gateway._http.query import Query
from stead.gateway._http.routes import API_V1, Answer, Parameter, Route, RouteDescription
from stead.orchestrations import InstanceFinished, InstanceRunning, RuntimeStatus, UnknownInstance
from stead.transport import SteadError
from stead.transport.describing import text_of

from .common import read_model
from .instance_routes import SELECTION
from .instance_selection import InstanceQuery
from .models import AnswerModel, Managed, RequestModel

LOOKED_AT_MAX = 200_000
BUCKETS_MAX = 240
_AT_ONCE = 100


class BundleRequest(RequestModel):
    """What is done to which instances. What it is of no use to is passed over."""

    action: Literal["terminate", "cancel", "suspend", "resume", "rewind", "purge"]
    ids: Annotated[list[str], Field(max_length=1_000)]
    reason: str = ""
    recursive: bool = True
    """To their sub-orchestrations as well (for `terminate`)."""


class Bucket(AnswerModel):
    """So many instances were created from this time on, until the next bucket's."""

    start: datetime
    counts: dict[RuntimeStatus, int]


class InstanceHistogram(AnswerModel):
    """When the instances that match were created."""

    width_ms: int
    """Of each bucket."""
    buckets: list[Bucket]
    """From the first to the last one, those without any included. None if nothing matches."""
    total: int
    complete: bool
    """Whether all were looked at: else only the first by ID."""


class InstanceStatuses(AnswerModel):
    """How many instances there are."""

    total: int
    statuses: dict[RuntimeStatus, int]


COUNTED_FOR_S = 10.0
"""So long a count of all instances, or of the times when they were created, is the answer to all who ask for it."""


async def statuses(request: Request, hub: Hub) -> Response:
    """How many are in each status."""
    Query(request).done()
    counts = await unless_gone(request, hub.shared("statuses", COUNTED_FOR_S, hub.client.count_statuses))
    found = {status.value: number for status, number in sorted(counts.items(), key=lambda each: each[0].value)}
    return json_response({"total": sum(counts.values()), "statuses": found})


async def histogram(request: Request, hub: Hub) -> Response:
    """When those that match were created."""
    query = Query(request)
    selection = InstanceQuery.of(query)
    count = query.integer("buckets", 60, low=1, high=BUCKETS_MAX)
    most = query.integer("most", LOOKED_AT_MAX, low=1, high=LOOKED_AT_MAX)
    query.done()

    async def find() -> dict[str, Any]:
        times, complete = await _times(hub, selection, most)
        return histogram_data(times, count, complete=complete)

    asked = f"histogram {request.url.query}"
    return json_response(await unless_gone(request, hub.shared(asked, COUNTED_FOR_S, find)))


async def _times(hub: Hub, selection: InstanceQuery, most: int) -> tuple[list[tuple[int, RuntimeStatus]], bool]:
    """When each was created (ms), and its status."""
    found: list[tuple[int, RuntimeStatus]] = []
    looked = 0
    has = selection.has if selection.looks else None
    async for read, page in hub.client.times_of_instances(has, **selection.options):
        found += page
        looked += read
        if looked >= most:
            return found, False
    return found, True


def histogram_data(times: Sequence[tuple[int, RuntimeStatus]], count: int, *, complete: bool) -> dict[str, Any]:
    """Even buckets from the first to the last one."""
    if not times:
        return {"width_ms": 1, "buckets": [], "total": 0, "complete": complete}
    first = min(at for at, _ in times)
    last = max(at for at, _ in times)
    width = max(1, -(-(last - first + 1) // count))
    counts = Counter(((at - first) // width, status) for at, status in times)
    buckets: list[dict[str, Any]] = [
        {"start": datetime.fromtimestamp((first + place * width) / 1000, UTC), "counts": dict[str, int]()}
        for place in range((last - first) // width + 1)
    ]
    for (place, status), number in sorted(counts.items()):
        buckets[place]["counts"][status.value] = number
    return {"width_ms": width, "buckets": buckets, "total": len(times), "complete": complete}


async def act(request: Request, hub: Hub) -> Response:
    """Do the same to each of them."""
    Query(request).done()
    wanted = await read_model(request, hub, BundleRequest)
    done = passed = 0
    failed: dict[str, str] = {}

    async def one(instance_id: str) -> None:
        nonlocal done, passed
        try:
            if await _doing(hub, wanted)(instance_id) is False:
                passed += 1
            else:
                done += 1
        except (InstanceFinished, InstanceRunning, UnknownInstance):
            passed += 1
        except SteadError as error:
            failed[instance_id] = text_of(error)

    async def every() -> None:
        for first in range(0, len(wanted.ids), _AT_ONCE):
            await asyncio.gather(*map(one, wanted.ids[first : first + _AT_ONCE]))

    await unless_gone(request, every())
    return json_response({"matched": len(wanted.ids), "done": done, "passed_over": passed, "failed": failed})


def _doing(hub: Hub, wanted: BundleRequest) -> Callable[[str], Awaitable[object]]:
    client = hub.client
    match wanted.action:
        case "terminate":
            return lambda each: client.terminate(each, wanted.reason, recursive=wanted.recursive)
        case "cancel":
            return lambda each: client.cancel(each, wanted.reason)
        case "suspend":
            return lambda each: client.suspend(each, wanted.reason)
        case "resume":
            return lambda each: client.resume(each, wanted.reason)
        case "rewind":
            return lambda each: client.rewind(each, wanted.reason)
        case "purge":
            return client.purge


ROUTES: list[Route] = [
    Route(
        "GET",
        f"{API_V1}/instance-statuses",
        statuses,
        "read",
        RouteDescription(
            "countStatuses",
            "How many instances are in each status",
            "Instances",
            "Of the whole hub, counted within the last ten seconds: all who ask share the work. Much faster than to count what matches.",
            answers={200: Answer("The counts", InstanceStatuses)},
        ),
    ),
    Route(
        "GET",
        f"{API_V1}/instance-histogram",
        histogram,
        "read",
        RouteDescription(
            "getInstanceHistogram",
            "When instances were created",
            "Instances",
            f"Of those that match, by status, in even buckets of time. Looks at each instance, and at {LOOKED_AT_MAX:,} at most; all who "
            "ask the same share the work: an answer is ten seconds old at most, or twenty times as old as it took to find.",
            query=(
                *SELECTION,
                Parameter("buckets", "So many at most.", "integer", minimum=1, maximum=BUCKETS_MAX, default=60),
                Parameter(
                    "most",
                    "Look at so many instances at most, the first by ID.",
                    "integer",
                    minimum=1,
                    maximum=LOOKED_AT_MAX,
                    default=LOOKED_AT_MAX,
                ),
            ),
            answers={200: Answer("The buckets", InstanceHistogram)},
        ),
    ),
    Route(
        "POST",
        f"{API_V1}/instance-bundles",
        act,
        "manage",
        RouteDescription(
            "manageBundle",
            "Do the same to some instances",
            "Instances",
            "To those that are named, up to 1,000: bundle by bundle, so that who asks for it sees how far it is.",
            body=BundleRequest,
            body_required=True,
            answers={200: Answer("What became of it", Managed)},
        ),
    ),
]
