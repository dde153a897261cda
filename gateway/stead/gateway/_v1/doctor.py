"""`GET /api/v1/doctor`: is the hub well, and if not, what is to be done. The same for `stead doctor`."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any, Literal

from starlette.requests import Request
from starlette.responses import Response

from stead.entities.extending import MeasuresReader, locked_by
from stead.gateway._http.hub import Hub
from stead.gateway._http.json_values import json_response
from stead.gateway._http.query import Query
from stead.gateway._http.routes import API_V1, Answer, Route, RouteDescription
from stead.orchestrations import OrchestrationClient, RuntimeStatus
from stead.transport import InvalidInput, SteadError, Store, partition_of

from .diagnosis import PENDING_S_MAX, RECENT_MINUTES, STILL_S_MAX, HubFinding, HubLook, diagnose
from .models import AnswerModel

_LOOK_S = 3.0  # for instances: so long is looked, however many there are
_LOCKED_MAX = 100
KEPT_S = 3.0
"""So long what was found is the answer to all who ask: every open page does, again and again."""


class FindingModel(AnswerModel):
    """Something that a check has found."""

    check: str
    """Which check: a word that stays."""
    level: Literal["problem", "note"]
    what: str
    advice: str
    subjects: list[str]
    """What it is about: targets, workers, partitions, queues; the first of them."""


class Diagnosis(AnswerModel):
    """How a hub is."""

    well: bool
    """There is no problem."""
    findings: list[FindingModel]


async def examine(
    info: Mapping[str, Any], store: Store, measures: MeasuresReader, client: OrchestrationClient, app: str
) -> list[HubFinding]:
    """Look for what is wrong. `info`: as `stead info --json` has it; `app`: what commands call the app."""
    pending, still = await _instances(client, info)
    return diagnose(
        HubLook(
            info=info,
            measures=await measures.read(RECENT_MINUTES),
            locked=await _locked(info, store),
            pending=pending,
            still=still,
            last_letter_s=await _last_letter(info, store),
            app=app,
        )
    )


async def _last_letter(info: Mapping[str, Any], store: Store) -> float | None:
    now_ms: int = info["time_ms"]
    ages: list[float] = []
    for place in info["partitions"]:
        if place["dead_letters"] and not place["quarantined"]:
            died_ms = int((await store.last_dead_letter(place["partition"])).partition(b"-")[0])
            ages.append(max(0, now_ms - died_ms) / 1000)
    return min(ages, default=None)


async def _locked(info: Mapping[str, Any], store: Store) -> dict[str, str]:
    """Those of the targets with parked messages that are locked."""
    found: dict[str, str] = {}
    for target in [target for target in info["parks"] if target.startswith("@")][:_LOCKED_MAX]:
        with contextlib.suppress(InvalidInput, SteadError):
            (record,) = await store.read_records(partition_of(target, store.layout.partitions), [target])
            if owner := locked_by(record):
                found[target] = owner
    return found


async def _instances(client: OrchestrationClient, info: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """Instances that nobody has taken up, and those in which nothing has happened, for long; as far as can be seen soon."""
    pending: list[str] = []
    still: list[str] = []
    if not info["total"]["instances"]:
        return pending, still
    now: datetime = info["time"]
    statuses = [RuntimeStatus.PENDING, RuntimeStatus.RUNNING]
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_LOOK_S):
            async for status in client.list_instances(
                statuses=statuses, created_to=now - timedelta(seconds=PENDING_S_MAX)
            ):
                due = max(status.scheduled_time or status.created_time, status.created_time)
                if status.runtime_status is RuntimeStatus.PENDING:
                    if (now - due).total_seconds() > PENDING_S_MAX:
                        pending.append(status.instance_id)
                elif (now - status.last_updated_time).total_seconds() > STILL_S_MAX:
                    still.append(status.instance_id)
    return pending, still


def diagnosis_data(found: Sequence[HubFinding]) -> dict[str, Any]:
    """What was found, as JSON data."""
    return {"well": is_well(found), "findings": [asdict(finding) for finding in found]}


def is_well(found: Sequence[HubFinding]) -> bool:
    """There is no problem."""
    return all(finding.level != "problem" for finding in found)


async def get_diagnosis(request: Request, hub: Hub) -> Response:
    """How the hub is."""
    Query(request).done()

    async def find() -> list[HubFinding]:
        return await examine(await hub.info(), hub.store, hub.measures, hub.client, hub.app_reference)

    return json_response(diagnosis_data(await hub.shared("diagnosis", KEPT_S, find)))


ROUTES: list[Route] = [
    Route(
        "GET",
        f"{API_V1}/doctor",
        get_diagnosis,
        "read",
        RouteDescription(
            "getDiagnosis",
            "Whether the hub is well, and what is to be done if not",
            "Hub",
            "What `stead doctor` says, found within the last three seconds: all who ask share the work.",
            answers={200: Answer("What was found", Diagnosis)},
        ),
    )
]
