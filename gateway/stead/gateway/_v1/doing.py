"""What one entity is doing: `GET /api/v1/entities/{name}/{key}/doing`, and `stead entity`."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from stead.entities import DeadLetters, EntityId, EntityStatus
from stead.entities.aggregates import summarized
from stead.entities.extending import decode_message, locked_by, shown_target, told_of, want_watched
from stead.gateway._http.hub import Hub
from stead.gateway._http.json_values import json_response, plain_json
from stead.gateway._http.query import Query
from stead.gateway._http.routes import API_V1, Answer, Route, RouteDescription
from stead.orchestrations import OrchestrationClient
from stead.transport import InvalidInput, SteadError, Store, WorkerView, partition_of

from .common import ENTITY_PATHS, entity_of
from .metrics import worker_now
from .models import AnswerModel

LOOKED_AT_MAX = 1_000
"""Messages of the inbox, and of the park, that are looked at; and dead letters of the partition."""


class RunningModel(AnswerModel):
    """An asynchronous operation that runs."""

    operation: str
    seconds: float


class RecentModel(AnswerModel):
    """An operation that ran, so often in a row."""

    operation: str
    count: int
    ended: datetime
    seconds: float
    """Of all of them together."""
    error_type: str | None
    """What it failed with."""


class ErrorModel(AnswerModel):
    """A message of the entity that could not be carried out."""

    id: str
    """Of the dead letter."""
    operation: str
    error_type: str
    message: str
    traceback: str
    died: datetime


class EntityDoing(AnswerModel):
    """What an entity is doing."""

    entity_id: str
    known: bool
    """Whether there is anything to tell: it exists, is locked, has reminders, or messages wait for it."""
    exists: bool
    state: Any
    locked: bool
    """Whether its state is encoded, and this process cannot decode it: `state` is null then."""
    modified: datetime | None
    partition: int
    worker: str | None
    """The one that holds the partition."""
    running: list[RunningModel]
    """Of those that have run for longest in that worker, as of its last heartbeat."""
    waiting: int
    """Messages that are not dealt with, a running one included; …"""
    more: bool
    """… or more, since only the first of the inbox were looked at."""
    parked: int
    """Of these: so many are parked."""
    oldest: datetime | None
    """Since when the oldest of them waits."""
    locked_by: str | None
    """The instance that has locked it."""
    blocked: str | None
    """Why its messages wait for other code."""
    reminders: dict[str, datetime]
    """When each is due next."""
    last_error: ErrorModel | None
    """The last one that is among the dead letters."""
    recent: list[RecentModel]
    """What ran last, the newest first, as its worker remembers it."""
    recent_since: datetime | None
    """Since when each operation is listed by itself. Of what ran before there is what had failed or taken more than a millisecond, and what the
    worker still had of the rest. None: its worker has yet to hear, with its next heartbeat, that somebody looks."""
    shards: int | None = None
    """In how many it is kept; partition and worker are those of the first."""


async def look_at(client: OrchestrationClient, store: Store, entity_id: EntityId) -> EntityDoing:
    """Ask for everything that is known of an entity: of one with shards, what is known of each of them, together. Its worker tells from
    then on, for a minute, what it does."""
    targets = await client.entity_targets(entity_id)
    await want_watched(store, str(entity_id))
    records = [await _record(store, target) for target in targets]
    # Asked once: the state is that of all shards, whichever of them have one (the first may have had no message yet).
    status = await client.describe_entity(entity_id) if any(record is not None for record in records) else None
    found = [
        await _look_at(store, entity_id, target, record, status)
        for target, record in zip(targets, records, strict=True)
    ]
    return found[0] if len(found) == 1 else _together(found)


async def _record(store: Store, target: str) -> bytes | None:
    (record,) = await store.read_records(partition_of(target, store.layout.partitions), [target])
    return record


def _together(found: list[EntityDoing]) -> EntityDoing:
    """What the shards of one entity are doing. All have its state."""
    last = max((each.last_error for each in found if each.last_error), key=lambda error: error.died, default=None)
    return found[0].model_copy(
        update={
            "known": any(each.known for each in found),
            "running": [each for shard in found for each in shard.running],
            "waiting": sum(each.waiting for each in found),
            "more": any(each.more for each in found),
            "parked": sum(each.parked for each in found),
            "oldest": min((each.oldest for each in found if each.oldest), default=None),
            "blocked": next((each.blocked for each in found if each.blocked), None),
            "last_error": last,
            "shards": len(found),
        }
    )


async def _look_at(
    store: Store, entity_id: EntityId, target: str, record: bytes | None, status: EntityStatus | None
) -> EntityDoing:
    number = partition_of(target, store.layout.partitions)
    place = (await store.info())[number]
    ids, more, parked = await _waiting(store, number, target)
    owner = place.lease.holder(store.clock.now_ms()) or None
    workers = await store.workers()
    recent, since = _recent(workers, owner, str(entity_id))
    oldest_ms = min((int(each.partition(b"-")[0]) for each in ids), default=None)
    found = EntityDoing(
        entity_id=str(entity_id),
        known=False,
        exists=status is not None and status.exists,
        state=None if status is None or not status.exists else summarized(status.state),
        locked=status is not None and status.locked,
        modified=None if status is None else status.modified_time,
        partition=number,
        worker=owner,
        running=_running(workers, owner, target),
        waiting=len(ids),
        more=more,
        parked=parked,
        oldest=None if oldest_ms is None else _time(oldest_ms),
        locked_by=locked_by(record) or None,
        blocked=place.blocked.get(target),
        reminders={} if status is None else dict(status.reminders),
        last_error=await _last_error(store, number, target),
        recent=recent,
        recent_since=since,
    )
    found.known = bool(
        found.exists or found.waiting or found.locked_by or found.reminders or found.last_error or found.recent
    )
    return found


async def _waiting(store: Store, number: int, target: str) -> tuple[list[bytes], bool, int]:
    """The IDs of its messages, whether there may be more, and how many are parked."""
    ids: list[bytes] = []
    entries = [entry for _, found in await store.read_inboxes({number: b"0"}, LOOKED_AT_MAX, 0) for entry in found]
    for entry in entries:
        with contextlib.suppress(InvalidInput, SteadError):
            if decode_message(entry[1][1]).target == target:
                ids.append(entry[0])
    park = await store.read_park(number, target, b"0", LOOKED_AT_MAX)
    ids += [entry[0] for entry in park]
    return ids, len(entries) >= LOOKED_AT_MAX or len(park) >= LOOKED_AT_MAX, len(park)


def _running(workers: Sequence[WorkerView], owner: str | None, target: str) -> list[RunningModel]:
    rows = [worker_now(view) for view in workers if view.worker == owner]
    return [
        RunningModel(operation=row["operation"], seconds=row["seconds"])
        for worker in rows
        for row in worker["longest"]
        if row["target"] == shown_target(target)
    ]


def _recent(workers: Sequence[WorkerView], owner: str | None, target: str) -> tuple[list[RecentModel], datetime | None]:
    """What ran last, also in workers that held it before, or hold other shards of it; and since when the one that holds it tells everything."""
    found: list[RecentModel] = []
    since: datetime | None = None
    for view in workers:
        told = told_of(view.info, target)
        if told is not None:
            since = _time(told[0]) if view.worker == owner else since
            found += [
                RecentModel(
                    operation=run.operation,
                    count=run.times,
                    ended=_time(run.ended_ms),
                    seconds=run.seconds,
                    error_type=run.failure or None,
                )
                for run in reversed(told[1])
            ]
    return sorted(found, key=lambda run: run.ended, reverse=True), since


def _time(instant_ms: int) -> datetime:
    return datetime.fromtimestamp(instant_ms / 1000, UTC)


async def _last_error(store: Store, number: int, target: str) -> ErrorModel | None:
    if await store.last_dead_letter(number) == b"0-0":
        return None
    found: ErrorModel | None = None
    looked = 0
    async for letter in DeadLetters(store).all(f"{number}/0-0"):
        looked += 1
        if letter.letter.partition != number or looked > LOOKED_AT_MAX:
            break
        if letter.target == target:
            found = ErrorModel(
                id=letter.letter_id,
                operation=letter.operation,
                error_type=letter.failure.type,
                message=letter.failure.message,
                traceback=letter.failure.traceback,
                died=_time(letter.died_ms),
            )
    return found


async def get_doing(request: Request, hub: Hub) -> Response:
    """What an entity is doing."""
    Query(request).done()
    found = (await look_at(hub.client, hub.store, entity_of(request))).model_dump()
    return json_response(found | {"state": plain_json(found["state"])})


ROUTES: list[Route] = [
    Route(
        "GET",
        f"{API_V1}/entities/{{name}}/{{key}}/doing",
        get_doing,
        "manage",
        RouteDescription(
            "getEntityDoing",
            "What an entity is doing",
            "Entities",
            "What runs, since when, what waits for it, what ran last, who has locked it, when its reminders are due, and the last "
            "error with its traceback. For a minute from then on its worker tells each of its operations.",
            answers={200: Answer("What is known; `known` is false if nothing is", EntityDoing)},
            paths=ENTITY_PATHS,
        ),
    )
]
