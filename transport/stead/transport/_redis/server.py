"""Is this server fit for a task hub, and which hub is on it? Asked once, when a store is opened."""

from __future__ import annotations

import secrets
from typing import Literal, cast

from stead.transport._contract.careful_logger import get_logger
from stead.transport._contract.errors import HubMismatch, ServerUnsuitable
from stead.transport._contract.layout import FORMAT, FORMAT_CASKETS, check_layout
from stead.transport._contract.records import HubLayout, ServerFacts
from stead.transport._contract.settings import Settings

from .keys import hub_key
from .link import Link, info_fields
from .scripts import JOIN_HUB, RIGHTS, command
from .signature import Nothing
from .signatures import JoinHub

_log = get_logger("stead.transport")


async def read_facts(link: Link) -> ServerFacts:
    """What the server says of itself. INFO works where CONFIG is forbidden."""
    fields = info_fields(await link.one(command("INFO", "everything")))
    return ServerFacts(
        version=fields.get("valkey_version") or fields.get("redis_version", ""),
        run_id=fields.get("run_id", ""),
        maxmemory_policy=fields.get("maxmemory_policy", ""),
        appendonly=fields["aof_enabled"] == "1" if "aof_enabled" in fields else None,
        appendfsync=await _appendfsync(link),
        cluster=fields.get("cluster_enabled") == "1",
        replicas=int(fields.get("connected_slaves", 0)),
        used_memory_bytes=int(fields.get("used_memory", 0)),
        memory_max_bytes=int(fields.get("maxmemory", 0)),
    )


async def _appendfsync(link: Link) -> str:
    """INFO does not have it, and CONFIG may be forbidden: then it is not known."""
    try:
        answer = await link.one(command("CONFIG", "GET", "appendfsync"))
    except ServerUnsuitable:
        return ""
    return answer[1].decode() if len(answer) == 2 else ""


async def check_server(link: Link, facts: ServerFacts, hub: str) -> None:
    """Raise for a server on which stead cannot keep its promises."""
    if facts.cluster:
        raise ServerUnsuitable(
            "the server runs in cluster mode, which this version of stead does not support; use one primary "
            "(with replicas, if you like)"
        )
    if facts.maxmemory_policy not in ("noeviction", ""):
        raise ServerUnsuitable(
            f"the server's maxmemory-policy is {facts.maxmemory_policy}: it would throw away entities when memory is "
            "full; set maxmemory-policy noeviction"
        )
    missing = await link.one(RIGHTS.call([hub_key(hub)], Nothing()))
    if missing:
        names = ", ".join(sorted(name.decode() for name in missing))
        raise ServerUnsuitable(f"this user may not use {names} on {hub_key(hub).decode()}*; give it the right (ACL)")


def tell_durability(facts: ServerFacts) -> None:
    """Say what the server promises, once it is in use: opening it may take many tries."""
    if facts.durable == "unknown":
        _log.info(
            "the server does not say %s: see to appendonly yes and appendfsync always, without which a crash of it may "
            "lose what was acknowledged",
            "how often it syncs its append-only file (this user may not read CONFIG)"
            if facts.appendonly
            else "whether it keeps an append-only file",
        )
    elif facts.durable == "no":
        _log.warning(
            "the server %s: a crash of it loses what was acknowledged; set appendonly yes and appendfsync always",
            "has appendfsync no" if facts.appendonly else "keeps no append-only file",
        )
    elif facts.durable == "everysec":
        _log.info("the server has appendfsync everysec: a crash of its machine may lose the last second")


async def join_hub(link: Link, hub: str, settings: Settings) -> HubLayout:
    """The hub's layout: from its record, which is made if there is none (HAZARDS 26)."""
    made = JoinHub(
        hub_id=secrets.token_hex(8),
        partitions=str(settings.partitions),
        slot_groups=str(min(settings.slot_groups, settings.partitions)),
        mode="direct",
        format=str(FORMAT),
        coded="" if settings.payload_codec is None else str(FORMAT_CASKETS),
        apart="" if settings.large_payloads is None else str(FORMAT_CASKETS),
    )
    answer = cast("list[bytes]", await link.one(JOIN_HUB.call([hub_key(hub)], made)))
    record = {name.decode(): value.decode() for name, value in zip(answer[::2], answer[1::2], strict=True)}
    try:
        layout = HubLayout(
            name=hub,
            hub_id=record["hub_id"],
            partitions=int(record["partitions"]),
            slot_groups=int(record["slot_groups"]),
            mode=cast("Literal['direct', 'relay']", record["mode"]),
            format=int(record["format"]),
            created_ms=int(record["created_ms"]),
            coded=record.get("coded") == "1",
            apart=record.get("apart") == "1",
        )
    except (KeyError, ValueError) as error:
        raise HubMismatch(hub, f"its record cannot be read ({error!r})") from None
    check_layout(layout, settings)
    return layout
