"""`/api/v1/schedules`: make, list, show, pause, resume, trigger, delete."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from stead.entities import EntityId
from stead.gateway._http.errors import HttpError
from stead.gateway._http.hub import Hub
from stead.gateway._http.json_values import json_response, milliseconds, plain_json
from stead.gateway._http.query import Query
from stead.gateway._http.routes import API_V1, Answer, Handler, Parameter, Route, RouteDescription
from stead.orchestrations import ScheduleStatus, UnknownSchedule

from .common import NOT_FOUND, read_model
from .schedule_models import ScheduleDeleted, ScheduleRequest, ScheduleShown, SchedulesShown, Triggered

_MS = timedelta(milliseconds=1)
_TAG = "Schedules"
_LIMIT_MAX = 100_000
_NAMED_MAX = 100
_PATHS = {"name": "The schedule's name."}


async def list_schedules(request: Request, hub: Hub) -> Response:
    """All schedules, or the first."""
    query = Query(request)
    limit, named = query.integer("limit", None, low=1, high=_LIMIT_MAX), query.many("name")
    query.done()
    if named:
        looks = [await hub.client.schedules.get(name) for name in dict.fromkeys(named[:_NAMED_MAX])]
        return json_response({"schedules": [_data(one) for one in looks if one is not None][:limit]})
    found: list[dict[str, Any]] = []
    async for schedule in hub.client.schedules.list():
        found.append(_data(schedule))
        if len(found) == limit:
            break
    return json_response({"schedules": found})


async def get_schedule(request: Request, hub: Hub) -> Response:
    """One schedule."""
    Query(request).done()
    return json_response(await _shown(hub, _name(request)))


async def put_schedule(request: Request, hub: Hub) -> Response:
    """Make a schedule; the same once more does nothing."""
    Query(request).done()
    wanted = await read_model(request, hub, ScheduleRequest)
    name, start, signal = _name(request), wanted.start_new, wanted.signal_entity
    if (start is None) == (signal is None):
        raise HttpError(400, "say what it runs: either `start_new` or `signal_entity`")
    if signal is not None and wanted.overlap is not None:
        raise HttpError(400, "`overlap` goes with `start_new`: nothing of signals overlaps")
    options: dict[str, Any] = {
        "cron": wanted.cron,
        "timezone": wanted.timezone,
        "every": None if wanted.every_ms is None else wanted.every_ms * _MS,
        "overlap": wanted.overlap,
        "start": wanted.start,
        "end": wanted.end,
        "jitter": None if wanted.jitter_ms is None else wanted.jitter_ms * _MS,
        "catch_up": None if wanted.catch_up_ms is None else wanted.catch_up_ms * _MS,
    }
    create: Any = hub.client.schedules.create
    making = create(name, **options)
    if start is not None:
        given = {"input": start.input} if "input" in start.model_fields_set else {}
        await making.start_new(start.name, version=start.version, tags=start.tags, **given)
    elif signal is not None:
        entity_id = EntityId(signal.entity, signal.key)
        await making.signal_entity(entity_id, signal.operation, *signal.args, **signal.kwargs)
    return json_response(await _shown(hub, name))


async def pause(request: Request, hub: Hub) -> Response:
    """Let it rest."""
    Query(request).done()
    await hub.client.schedules.pause(_name(request))
    return json_response(await _shown(hub, _name(request)))


async def resume(request: Request, hub: Hub) -> Response:
    """Let it go on."""
    Query(request).done()
    await hub.client.schedules.resume(_name(request))
    return json_response(await _shown(hub, _name(request)))


async def trigger(request: Request, hub: Hub) -> Response:
    """Run it now."""
    Query(request).done()
    return json_response({"instance_id": await hub.client.schedules.trigger(_name(request))})


async def delete(request: Request, hub: Hub) -> Response:
    """Delete it."""
    Query(request).done()
    if not await hub.client.schedules.delete(_name(request)):
        raise UnknownSchedule(_name(request))
    return json_response({"deleted": True})


def _name(request: Request) -> str:
    return str(request.path_params["name"])


async def _shown(hub: Hub, name: str) -> dict[str, Any]:
    schedule = await hub.client.schedules.get(name)
    if schedule is None:
        raise UnknownSchedule(name)
    return _data(schedule)


def _data(schedule: ScheduleStatus) -> dict[str, Any]:
    """A schedule as JSON data."""
    spec = schedule.spec
    entity_id = None if spec.entity_id is None else EntityId.parse(spec.entity_id)
    return {
        "name": schedule.name,
        "paused": schedule.paused,
        "declared": schedule.declared,
        "orphaned": schedule.orphaned,
        "created_time": milliseconds(schedule.created_time),
        "cron": spec.cron,
        "timezone": spec.timezone,
        "every_ms": None if spec.every is None else spec.every // _MS,
        "start": None if spec.start is None else milliseconds(spec.start),
        "end": None if spec.end is None else milliseconds(spec.end),
        "jitter_ms": spec.jitter // _MS,
        "overlap": spec.overlap,
        "catch_up_ms": spec.catch_up // _MS,
        "start_new": None
        if spec.orchestration is None
        else {
            "name": spec.orchestration,
            "input": plain_json(spec.input),
            "version": spec.version,
            "tags": spec.tags,
        },
        "signal_entity": None
        if entity_id is None
        else {
            "entity": entity_id.name,
            "key": entity_id.key,
            "operation": spec.operation,
            "args": plain_json(list(spec.args)),
            "kwargs": plain_json(spec.kwargs),
        },
        "next_times": [milliseconds(time) for time in schedule.next_times],
        "last_runs": [
            {"occurrence": milliseconds(run.occurrence), "instance_id": run.instance_id, "status": run.status}
            for run in schedule.last_runs
        ],
        "waiting": None if schedule.waiting is None else milliseconds(schedule.waiting),
        "missed": schedule.missed,
        "skipped": schedule.skipped,
    }


_PATH = f"{API_V1}/schedules"
_ONE = f"{_PATH}/{{name}}"
_SHOWN = Answer("The schedule", ScheduleShown)
_TIMEOUT = Answer("No answer came in time; it may still be carried out")


def _action(name: str, handler: Handler, operation: str, title: str, text: str, answer: Answer) -> Route:
    return Route(
        "POST",
        f"{_ONE}/{name}",
        handler,
        "manage",
        RouteDescription(
            operation, title, _TAG, text, answers={200: answer, 404: NOT_FOUND, 504: _TIMEOUT}, paths=_PATHS
        ),
    )


ROUTES: list[Route] = [
    Route(
        "GET",
        _PATH,
        list_schedules,
        "read",
        RouteDescription(
            "listSchedules",
            "All schedules",
            _TAG,
            "By name, each with its next times and last runs.",
            query=(
                Parameter("limit", "So many at most; otherwise all.", "integer", minimum=1, maximum=_LIMIT_MAX),
                Parameter(
                    "name",
                    f"Only those of these names, the first {_NAMED_MAX}. What there is not is left out.",
                    many=True,
                ),
            ),
            answers={200: Answer("The schedules", SchedulesShown)},
        ),
    ),
    Route(
        "GET",
        _ONE,
        get_schedule,
        "read",
        RouteDescription("getSchedule", "A schedule", _TAG, "", answers={200: _SHOWN, 404: NOT_FOUND}, paths=_PATHS),
    ),
    Route(
        "PUT",
        _ONE,
        put_schedule,
        "manage",
        RouteDescription(
            "putSchedule",
            "Make a schedule",
            _TAG,
            "Either `cron` or `every_ms`, and either `start_new` or `signal_entity`. The same once more does nothing; another "
            "one of that name is refused (409).",
            body=ScheduleRequest,
            body_required=True,
            answers={200: _SHOWN, 404: NOT_FOUND, 409: Answer("There is another one"), 504: _TIMEOUT},
            paths=_PATHS,
        ),
    ),
    Route(
        "DELETE",
        _ONE,
        delete,
        "manage",
        RouteDescription(
            "deleteSchedule",
            "Delete a schedule",
            _TAG,
            "What it has started runs on. One that code declares comes back with the next worker that does so.",
            answers={200: Answer("It is deleted", ScheduleDeleted), 404: NOT_FOUND, 504: _TIMEOUT},
            paths=_PATHS,
        ),
    ),
    _action("pause", pause, "pauseSchedule", "Let a schedule rest", "Until it is resumed.", _SHOWN),
    _action(
        "resume", resume, "resumeSchedule", "Let a schedule go on", "It makes up for what `catch_up_ms` covers.", _SHOWN
    ),
    _action(
        "trigger",
        trigger,
        "triggerSchedule",
        "Run a schedule now",
        "Paused or not. `instance_id` is null for a signal, and if `overlap` says that the run is left out.",
        Answer("What was started", Triggered),
    ),
]
