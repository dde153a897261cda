"""`/api/v1/instances`: start, status, list, count, long-poll, and what is done to an instance."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict
from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from stead.entities import CallTimeout
from stead.gateway._http.access import check_right
from stead.gateway._http.body import MISSING, read_json, unless_gone
from stead.gateway._http.errors import HttpError
from stead.gateway._http.hub import Hub, grant_of
from stead.gateway._http.json_values import json_response
from stead.gateway._http.query import Query
from stead.gateway._http.routes import API_V1
from stead.orchestrations import OrchestrationStatus, UnknownInstance
from stead.orchestrations.histories import failure_fields

from .common import (
    continuation_of,
    page_length,
    read_continuation,
    read_model,
    status_data,
    tagged,
    wait_seconds,
)
from .instance_routes import NAMED_MAX, instance_routes
from .instance_selection import InstanceQuery
from .models import Arguments, ManageRequest, PurgeRequest, Reason, RestartRequest, StartRequest
from .watching import Read, wait_for_change

PATH = f"{API_V1}/instances"
PAGES_READ_MAX = 10  # for one page, where what is asked for is looked for here
LOOKED_AT = 500  # then so many are looked at together


# -- starting and looking ----------------------------------------------------------------------------------------------


async def start(request: Request, hub: Hub) -> Response:
    """Start an instance."""
    query = Query(request)
    seconds = wait_seconds(query, hub)
    query.done()
    wanted = await read_model(request, hub, StartRequest)
    if wanted.reuse == "always":
        check_right(grant_of(request), "manage", instance_scoped=False)  # it may terminate an instance
    given: dict[str, Any] = {"input": wanted.input} if "input" in wanted.model_fields_set else {}
    instance_id = await hub.client.start_new(
        wanted.name,
        instance_id=wanted.instance_id,
        at=wanted.at,
        version=wanted.version,
        tags=wanted.tags,
        reuse=wanted.reuse,
        **given,
    )
    location = {"location": f"{hub.base_url(request)}{PATH}/{quote(instance_id, safe='')}"}
    if seconds > 0:
        await _finished(request, hub, instance_id, seconds)
        status = await hub.client.get_status(str(instance_id))
        if status is not None and status.is_finished:
            return json_response(status_data(status), headers=location)
    return json_response({"instance_id": str(instance_id)}, 202, location)


async def get_status(request: Request, hub: Hub) -> Response:
    """One instance: at once, when it has changed, or when it is finished."""
    query = Query(request)
    history, input_shown = query.boolean("history", default=False), query.boolean("input", default=True)
    since, seconds = query.text("since"), wait_seconds(query, hub)
    query.done()
    instance_id = str(request.path_params["instance_id"])
    read = status_reader(hub, instance_id, history=history, input_shown=input_shown)
    if since is not None:
        return tagged(request, await wait_for_change(request, hub, read, since, seconds))
    if seconds > 0:
        await _finished(request, hub, instance_id, seconds)
    return tagged(request, await read())


async def get_failure(request: Request, hub: Hub) -> Response:
    """Why an instance failed, with tracebacks."""
    Query(request).done()
    status = await hub.client.get_status(_id(request), show_input=False)
    if status is None:
        raise UnknownInstance(_id(request))
    return json_response({"failure": failure_fields(status.failure)})


def status_reader(hub: Hub, instance_id: str, *, history: bool = False, input_shown: bool = True) -> Read:
    """Reads an instance's status. Raises `UnknownInstance`."""

    async def read() -> dict[str, Any]:
        status = await hub.client.get_status(instance_id, show_history=history, show_input=input_shown)
        if status is None:
            raise UnknownInstance(instance_id)
        data = status_data(status)
        if not input_shown:
            data["input"] = None  # a history brings it along
        return data

    return read


async def _finished(request: Request, hub: Hub, instance_id: str, seconds: float) -> None:
    """Wait until an instance is finished, so long at most, and no longer than the server runs."""

    async def ended() -> None:
        waiting = asyncio.ensure_future(hub.client.wait_for_completion(instance_id, seconds))
        stopping = asyncio.ensure_future(hub.traffic.stopping.wait())
        try:
            await asyncio.wait((waiting, stopping), return_when=asyncio.FIRST_COMPLETED)
            if waiting.done():
                with contextlib.suppress(CallTimeout):
                    waiting.result()
        finally:
            waiting.cancel()
            stopping.cancel()
            await asyncio.gather(waiting, stopping, return_exceptions=True)

    with hub.traffic.wait():
        await unless_gone(request, ended())


# -- lists and counts --------------------------------------------------------------------------------------------------


async def list_instances(request: Request, hub: Hub) -> Response:
    """A page of the instances that match, or those that are named."""
    query = Query(request)
    if named := query.many("id"):
        return await _named(query, hub, named)
    selection, length, after = InstanceQuery.of(query), page_length(query, hub), read_continuation(query)
    input_shown = query.boolean("input", default=False)
    query.done()
    found: list[OrchestrationStatus[Any]] = []
    following: str | None = after
    read_length = max(length, LOOKED_AT) if selection.looks else length
    for _ in range(PAGES_READ_MAX if selection.looks else 1):
        page = await hub.client.page_instances(
            **selection.options, show_input=input_shown, length=read_length, after=following or ""
        )
        found += [status for status in page.items if selection.has(status)]
        following = page.after
        if following is None or len(found) >= length:
            break
    if len(found) > length:
        found = found[:length]
        following = str(found[-1].instance_id)
    instances = [status_data(status) for status in found]
    return json_response({"instances": instances, "continuation": continuation_of(following)})


async def _named(query: Query, hub: Hub, named: Sequence[str]) -> Response:
    """Those of these IDs that there are, in the order in which they are named."""
    input_shown = query.boolean("input", default=False)
    query.done()
    if len(named) > NAMED_MAX:
        raise HttpError(400, f"`id` is given {NAMED_MAX} times at most")
    looks = (hub.client.get_status(each, show_input=input_shown) for each in dict.fromkeys(named))
    found = [status_data(status) for status in await asyncio.gather(*looks) if status is not None]
    return json_response({"instances": found, "continuation": None})


async def count_instances(request: Request, hub: Hub) -> Response:
    """How many match."""
    query = Query(request)
    selection = InstanceQuery.of(query)
    query.done()

    async def counted() -> Counter[tuple[str, str | None, str]]:
        counts: Counter[tuple[str, str | None, str]] = Counter()
        matching: AsyncIterator[OrchestrationStatus[Any]] = hub.client.list_instances(**selection.options)
        async for status in matching:
            if selection.has(status):
                counts[status.name, status.version, status.runtime_status.value] += 1
        return counts

    counts = await unless_gone(request, counted())
    rows = [
        {"name": name, "version": version, "runtime_status": status, "count": count}
        for (name, version, status), count in sorted(
            counts.items(), key=lambda item: (item[0][0], item[0][1] or "", item[0][2])
        )
    ]
    return json_response({"total": counts.total(), "counts": rows})


# -- what is done to an instance ---------------------------------------------------------------------------------------


async def raise_event(request: Request, hub: Hub) -> Response:
    """Send an external event; the body is its data."""
    Query(request).done()
    data = await read_json(request, hub, json_only=True)
    await hub.client.raise_event(_id(request), str(request.path_params["event"]), None if data is MISSING else data)
    return _accepted(request)


async def terminate(request: Request, hub: Hub) -> Response:
    """End an instance as it is."""
    reason = await _reason(request, hub)
    await hub.client.terminate(_id(request), reason.reason, recursive=reason.recursive)
    return _accepted(request)


async def cancel(request: Request, hub: Hub) -> Response:
    """Ask an instance to end."""
    await hub.client.cancel(_id(request), (await _reason(request, hub)).reason)
    return _accepted(request)


async def suspend(request: Request, hub: Hub) -> Response:
    """Let an instance pause."""
    await hub.client.suspend(_id(request), (await _reason(request, hub)).reason)
    return _accepted(request)


async def resume(request: Request, hub: Hub) -> Response:
    """Let a suspended instance go on."""
    await hub.client.resume(_id(request), (await _reason(request, hub)).reason)
    return _accepted(request)


async def rewind(request: Request, hub: Hub) -> Response:
    """Let a failed instance go on from its last good state."""
    await hub.client.rewind(_id(request), (await _reason(request, hub)).reason)
    return _accepted(request)


async def ask(request: Request, hub: Hub) -> Response:
    """Ask an instance something."""
    Query(request).done()
    arguments = await read_model(request, hub, Arguments, required=False)
    asking = hub.client.ask(str(request.path_params["query"]), _id(request), *arguments.args, **arguments.kwargs)
    with hub.traffic.wait():
        return json_response({"result": await unless_gone(request, asking)})


async def update(request: Request, hub: Hub) -> Response:
    """Tell an instance something, and wait for what comes of it."""
    Query(request).done()
    arguments = await read_model(request, hub, Arguments, required=False)
    telling = hub.client.update(str(request.path_params["update"]), _id(request), *arguments.args, **arguments.kwargs)
    with hub.traffic.wait():
        return json_response({"result": await unless_gone(request, telling)})


async def restart(request: Request, hub: Hub) -> Response:
    """Start an instance anew."""
    Query(request).done()
    wanted = await read_model(request, hub, RestartRequest, required=False)
    instance_id = await hub.client.restart(_id(request), wanted.new_instance_id)
    return json_response({"instance_id": str(instance_id)}, 202)


async def purge(request: Request, hub: Hub) -> Response:
    """Delete one finished instance."""
    query = Query(request)
    recursive = query.boolean("recursive", default=False)
    query.done()
    if not await hub.client.purge(_id(request), recursive=recursive):
        raise UnknownInstance(_id(request))
    return json_response({"deleted": 1})


async def purge_many(request: Request, hub: Hub) -> Response:
    """Delete the finished instances that match."""
    Query(request).done()
    wanted = await read_model(request, hub, PurgeRequest)
    if not wanted.model_dump(exclude={"recursive"}, exclude_none=True, exclude_defaults=True):
        raise HttpError(400, "say which instances to delete: by statuses, name, prefix, time or tags")
    deleted = await hub.client.purge_instances(
        statuses=wanted.statuses,
        name=wanted.name,
        prefix=wanted.prefix or "",
        created_from=wanted.created_from,
        created_to=wanted.created_to,
        tags=wanted.tags,
        recursive=wanted.recursive,
    )
    return json_response({"deleted": deleted})


async def manage_many(request: Request, hub: Hub) -> Response:
    """Do the same to the instances that match."""
    Query(request).done()
    wanted = await read_model(request, hub, ManageRequest)
    chosen = {"statuses", "name", "prefix", "created_from", "created_to", "tags"}
    if not wanted.model_dump(include=chosen, exclude_none=True, exclude_defaults=True):
        raise HttpError(400, "say which instances: by statuses, name, prefix, time or tags")
    account = await hub.client.manage_instances(
        wanted.action,
        reason=wanted.reason,
        event=wanted.event,
        data=wanted.data,
        recursive=wanted.recursive,
        statuses=wanted.statuses,
        name=wanted.name,
        prefix=wanted.prefix or "",
        created_from=wanted.created_from,
        created_to=wanted.created_to,
        tags=wanted.tags,
        dry_run=wanted.dry_run,
    )
    return json_response(asdict(account))


async def _reason(request: Request, hub: Hub) -> Reason:
    Query(request).done()
    return await read_model(request, hub, Reason, required=False)


def _id(request: Request) -> str:
    return str(request.path_params["instance_id"])


def _accepted(request: Request) -> Response:
    return json_response({"instance_id": _id(request)}, 202)


ROUTES = instance_routes(
    {
        "start": start,
        "get_status": get_status,
        "get_failure": get_failure,
        "list_instances": list_instances,
        "count_instances": count_instances,
        "raise_event": raise_event,
        "terminate": terminate,
        "ask": ask,
        "update": update,
        "cancel": cancel,
        "suspend": suspend,
        "resume": resume,
        "rewind": rewind,
        "restart": restart,
        "purge": purge,
        "purge_many": purge_many,
        "manage_many": manage_many,
    }
)
