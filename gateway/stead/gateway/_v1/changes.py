"""`/api/v1/entities/{name}/changes`: what changes of the entities of a kind, as server-sent events, alone or as one of a group."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from stead.entities import Change, ChangesLost, EntityId
from stead.gateway._http.access import check_right
from stead.gateway._http.errors import HttpError
from stead.gateway._http.hub import Hub
from stead.gateway._http.json_values import json_response, milliseconds
from stead.gateway._http.query import Query
from stead.gateway._http.routes import API_V1, Answer, Parameter, Route, RouteDescription

from .common import ENTITY_PATHS, NOT_FOUND, read_model
from .entities import state_data
from .models import ChangeDone, ChangesGroups, DoneAnswer
from .streaming import STREAM, event, stream, with_heartbeats

PARTITIONS_MAX = 256
"""Of a hub whose changes may be followed by a cursor: it goes into a header, which has a few thousand characters."""

OLDEST = "oldest"


async def changes(request: Request, hub: Hub) -> Response:
    """Every change of a kind's entities, from a cursor on, or as one of a group's readers."""
    query = Query(request)
    name = str(request.path_params["name"])
    after, group, start = query.text("after"), query.text("group"), query.text("start")
    query.done()
    last = request.headers.get("last-event-id") or None
    if group is None:
        if hub.store.layout.partitions > PARTITIONS_MAX:
            raise HttpError(
                400, f"a cursor of more than {PARTITIONS_MAX} partitions is too long for HTTP; write group=…"
            )
        reading = await hub.client.begin_changes(name, after=last or after, start=start)
    else:
        check_right(hub.keys.grant(request), "signal", instance_scoped=False)  # it moves what others share
        reading = await hub.client.begin_changes(name, after=after, group=group, start=start)
    return stream(hub, _events(hub, name, group, reading))


async def _events(hub: Hub, name: str, group: str | None, reading: AsyncGenerator[Change[Any]]) -> AsyncIterator[bytes]:
    while True:
        try:
            async for change in with_heartbeats(hub, reading):
                yield b": still here\n\n" if change is None else change_event(name, group, change)
            return
        except ChangesLost as lost:
            resume = lost.resume
            yield event("lost", resume if group is None else "", {"missing": lost.missing, "went_back": lost.went_back})
        reading = await hub.client.begin_changes(name, after=resume if group is None else None, group=group)


def change_event(name: str, group: str | None, change: Change[Any]) -> bytes:
    """A change as it is sent: its ID is what a client says to go on behind it, or in a group that it is done."""
    event_id = change.cursor if group is None else change.receipt
    return event("change", event_id, change_data(EntityId(name, change.entity_id.key), change))


def change_data(entity_id: EntityId, change: Change[Any]) -> dict[str, Any]:
    """A change as JSON data."""
    data = state_data(entity_id, change.state)
    if change.state is None:
        data["etag"] = "deleted"
    return data | {"time": milliseconds(change.time)}


async def done(request: Request, hub: Hub) -> Response:
    """Mark a change of a group as done, with all before it of its partition."""
    Query(request).done()
    body = await read_model(request, hub, ChangeDone)
    marked = await hub.client.mark_change_done(str(request.path_params["name"]), body.group, body.id)
    return json_response({"done": marked})


async def groups(request: Request, hub: Hub) -> Response:
    """The groups that read the changes of a kind."""
    Query(request).done()
    found = await hub.client.changes_groups(str(request.path_params["name"]))
    return json_response(
        {
            "groups": [
                {
                    "entity": group.entity,
                    "group": group.group,
                    "readers": group.readers,
                    "partitions": group.partitions,
                    "behind": group.behind,
                    "lost": group.lost,
                    "done_time": None if group.done_time is None else milliseconds(group.done_time),
                }
                for group in found
            ]
        }
    )


async def delete_group(request: Request, hub: Hub) -> Response:
    """Forget a group's position."""
    Query(request).done()
    name, group = str(request.path_params["name"]), str(request.path_params["group"])
    if not await hub.client.delete_changes_group(name, group):
        raise HttpError(404, f"there is no group {group[:128]!r} that reads changes of {name}")
    return Response(status_code=204)


_PATH = f"{API_V1}/entities/{{name}}/changes"
_PATHS = ENTITY_PATHS | {"group": "The group's name."}

ROUTES: list[Route] = [
    Route(
        "GET",
        _PATH,
        changes,
        "read",
        RouteDescription(
            "streamChanges",
            "What changes of the entities of a name",
            "Entities",
            "Server-sent events, for kinds that keep their changes: `change` for each (`state` is null if the entity was deleted), with the "
            "cursor as its `id`; `lost` if some are not kept any more, and then those that are. Without a cursor it begins now. With "
            "`group` the hub keeps the position, all who read with it share the partitions, and the `id` is for `POST …/changes/done`: what is "
            "not marked comes again; that needs the right to signal. Above 256 partitions there are groups only. Comments keep the "
            "connection alive.",
            query=(
                Parameter("after", 'The `id` of the change behind which to begin; "oldest": with what is kept.'),
                Parameter("group", "Read as one of this group."),
                Parameter("start", 'Where a group that is new begins: "oldest", or a cursor; else now.'),
            ),
            headers=(
                Parameter(
                    "Last-Event-ID", "As `after`, and before it: what the last event had as its `id`. Not for groups."
                ),
            ),
            answers={200: STREAM, 404: NOT_FOUND},
            paths=ENTITY_PATHS,
        ),
    ),
    Route(
        "POST",
        f"{_PATH}/done",
        done,
        "signal",
        RouteDescription(
            "markChangeDone",
            "A group has dealt with a change",
            "Entities",
            "With it all before it of the same partition. `done` is false if the partition has gone to another reader meanwhile, which gets "
            "what was not marked.",
            body=ChangeDone,
            body_required=True,
            answers={200: Answer("Whether it was marked", DoneAnswer), 404: NOT_FOUND},
            paths=ENTITY_PATHS,
        ),
    ),
    Route(
        "GET",
        f"{_PATH}/groups",
        groups,
        "read",
        RouteDescription(
            "listChangesGroups",
            "The groups that read the changes of a name",
            "Entities",
            "How many readers each has, and how many commits it is behind.",
            answers={200: Answer("The groups", ChangesGroups), 404: NOT_FOUND},
            paths=ENTITY_PATHS,
        ),
    ),
    Route(
        "DELETE",
        f"{_PATH}/groups/{{group}}",
        delete_group,
        "manage",
        RouteDescription(
            "deleteChangesGroup",
            "Forget the position of a group",
            "Entities",
            "One that has readers is not forgotten (400).",
            answers={204: Answer("It is forgotten"), 404: NOT_FOUND},
            paths=_PATHS,
        ),
    ),
]
