"""Is the server fit, and is the hub on it the one that this program can work with?"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

import pytest

from stead.transport import ConnectionLost, HubMismatch, ServerFacts, ServerUnsuitable, Settings, open_store
from stead.transport._redis.store import RedisStore
from support.redis_steps import batch, take
from support.valkey_server import ValkeyServer

pytestmark = pytest.mark.anyio


async def test_a_server_that_evicts_is_refused(start_server: Callable[..., ValkeyServer]) -> None:
    server = start_server("--maxmemory-policy", "allkeys-lru")
    with pytest.raises(ServerUnsuitable, match=r"allkeys-lru.*noeviction"):
        await RedisStore.open(server.url, "hub", Settings())
    assert server.dump() == {}


@pytest.mark.hazard(10)
async def test_a_cluster_is_refused(start_server: Callable[..., ValkeyServer]) -> None:
    server = start_server("--cluster-enabled", "yes")
    with pytest.raises(ServerUnsuitable, match="cluster mode"):
        await RedisStore.open(server.url, "hub", Settings())


async def test_a_server_that_keeps_nothing_is_warned_about(
    start_server: Callable[..., ValkeyServer], caplog: pytest.LogCaptureFixture
) -> None:
    server = start_server("--appendonly", "no")
    with caplog.at_level(logging.WARNING, "stead.transport"):
        store = await RedisStore.open(server.url, "hub", Settings())
    assert "loses what was acknowledged" in caplog.text
    assert store.facts.durable == "no"
    server.run("CONFIG", "SET", "appendonly", "yes")
    assert (await store.refresh_facts()).durable == "always"
    await store.close()


async def test_the_warning_is_not_repeated_at_every_try_to_open_a_replica(
    start_server: Callable[..., ValkeyServer], caplog: pytest.LogCaptureFixture
) -> None:
    server = start_server("--appendonly", "no")
    server.run("REPLICAOF", "127.0.0.1", "1")

    async def promote() -> None:
        while server.run("INFO", "commandstats").get("cmdstat_evalsha", {}).get("calls", 0) < 3:
            await asyncio.sleep(0.01)
        server.run("REPLICAOF", "NO", "ONE")

    promoting = asyncio.ensure_future(promote())
    with caplog.at_level(logging.WARNING, "stead.transport"):
        store = await open_store(server.url, "hub", Settings(partitions=1))
    await promoting
    assert caplog.text.count("loses what was acknowledged") == 1
    await store.close()


async def test_facts_are_what_the_server_says(store: RedisStore, server: ValkeyServer) -> None:
    facts = store.facts
    assert facts.version.split(".")[0].isdigit()
    assert (facts.maxmemory_policy, facts.durable, facts.cluster, facts.replicas) == ("noeviction", "always", False, 0)
    assert facts.run_id == server.run("INFO", "server")["run_id"]
    assert facts.used_memory_bytes > 0


async def test_a_wrong_password_names_the_fault(start_server: Callable[..., ValkeyServer]) -> None:
    server = start_server("--requirepass", "secret")
    with pytest.raises(ServerUnsuitable, match="WRONGPASS"):
        await RedisStore.open(f"unix://:wrong@{server.socket}", "hub", Settings())
    with pytest.raises(ServerUnsuitable, match="NOAUTH"):
        await RedisStore.open(server.url, "hub", Settings())
    store = await RedisStore.open(f"unix://:secret@{server.socket}", "hub", Settings(partitions=1))
    await take(store)
    renewer = store.renewer()
    assert renewer.renew({0: b"token"}, 1000) == set()
    renewer.close()
    await store.close()


async def test_a_user_without_a_right_that_a_script_needs_is_refused_before_anything_is_written(
    start_server: Callable[..., ValkeyServer],
) -> None:
    server = start_server()
    server.run("ACL", "SETUSER", "poor", "on", ">word", "~*", "+@all", "-xdel", "-config")
    url = f"unix://poor:word@{server.socket}"
    with pytest.raises(ServerUnsuitable, match="may not use XDEL"):
        await RedisStore.open(url, "hub", Settings())
    assert server.dump() == {}
    server.run("ACL", "SETUSER", "poor", "+xdel")
    store = await RedisStore.open(url, "hub", Settings(partitions=1))
    assert store.facts.appendfsync == ""  # CONFIG is forbidden: it is not known
    assert store.facts.durable == "unknown"
    assert store.facts.maxmemory_policy == "noeviction"  # INFO has it
    await store.close()


@pytest.mark.parametrize(
    ("appendonly", "says", "is_warning"),
    [("yes", "does not say how often it syncs", False), ("no", "keeps no append-only file", True)],
)
async def test_what_a_user_may_not_read_is_not_called_lost(
    start_server: Callable[..., ValkeyServer],
    caplog: pytest.LogCaptureFixture,
    appendonly: str,
    says: str,
    is_warning: bool,
) -> None:
    """On managed services CONFIG is forbidden: INFO tells of the file, and nothing of how often it is synced."""
    server = start_server("--appendonly", appendonly)
    server.run("ACL", "SETUSER", "managed", "on", ">word", "~*", "+@all", "-config")
    with caplog.at_level(logging.INFO, "stead.transport"):
        store = await RedisStore.open(f"unix://managed:word@{server.socket}", "hub", Settings(partitions=1))
    (told,) = [record for record in caplog.records if says in record.getMessage()]
    assert (told.levelno >= logging.WARNING) == is_warning
    assert store.facts.durable == ("unknown" if appendonly == "yes" else "no")
    assert (await store.refresh_facts()).durable == store.facts.durable
    await store.close()


@pytest.mark.parametrize(
    ("appendonly", "appendfsync", "durable"),
    [
        (True, "always", "always"),
        (True, "everysec", "everysec"),
        (True, "no", "no"),
        (True, "", "unknown"),
        (True, "sometimes", "unknown"),
        (False, "always", "no"),
        (False, "", "no"),
        (None, "", "unknown"),
        (None, "always", "unknown"),
        (None, "no", "no"),
    ],
)
def test_what_is_promised_is_what_is_known(appendonly: bool | None, appendfsync: str, durable: str) -> None:
    facts = ServerFacts("9.1.2", "run", "noeviction", appendonly, appendfsync, False, 0, 1)
    assert facts.durable == durable


@pytest.mark.hazard(43)
@pytest.mark.parametrize(
    ("version", "whole"),
    [
        ("6.2.14", False),
        ("7.0.15", False),
        ("7.2.4", True),
        ("8.0", True),
        ("10.1.0", True),
        ("", False),
        ("memory", True),
    ],
)
def test_which_servers_read_all_streams_at_one_moment(version: str, whole: bool) -> None:
    facts = ServerFacts(version, "run", "noeviction", True, "always", False, 0, 1)
    assert facts.reads_at_one_moment is whole


async def test_a_replica_is_not_written_to(start_server: Callable[..., ValkeyServer]) -> None:
    primary = start_server()
    store = await RedisStore.open(primary.url, "hub", Settings(partitions=1))
    primary.run("REPLICAOF", "127.0.0.1", "1")
    with pytest.raises(ConnectionLost, match=r"READONLY|MASTERDOWN"):
        await store.enqueue([batch([b"one"])])
    primary.run("REPLICAOF", "NO", "ONE")
    await store.enqueue([batch([b"one"])])
    await store.close()


@pytest.mark.hazard(30)
async def test_replicas_that_do_not_confirm_leave_the_outcome_open(
    server: ValkeyServer, store: RedisStore, settings: Settings
) -> None:
    careful = settings.model_copy(update={"replicas_ack": 1, "store_answer_ms": 1_000})
    other = await RedisStore.open(server.url, store.layout.name, careful)
    sent = batch([b"one"])
    for _ in range(2):
        with pytest.raises(ConnectionLost, match="0 of 1 replicas"):
            await other.enqueue([sent])
    [(_, entries)] = await store.read_inboxes({0: b"0"}, 10, 0)
    assert len(entries) == 1
    await other.close()


# -- the hub's record --------------------------------------------------------------------------------------------------


@pytest.mark.hazard(26)
async def test_whoever_joins_obeys_the_record(server: ValkeyServer, store: RedisStore) -> None:
    other = await RedisStore.open(server.url, store.layout.name, Settings())
    assert other.layout == store.layout
    assert (other.layout.partitions, other.layout.slot_groups) == (4, 2)
    await other.close()


@pytest.mark.parametrize("asked", [{"partitions": 8}, {"partitions": 4, "slot_groups": 4}])
async def test_another_layout_asked_for_by_name_is_a_mismatch(
    server: ValkeyServer, store: RedisStore, asked: dict[str, int]
) -> None:
    with pytest.raises(HubMismatch, match="was made with"):
        await RedisStore.open(server.url, store.layout.name, Settings.model_validate(asked))


@pytest.mark.hazard(26)
@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("format", "3", "has format 3"),
        ("mode", "relay", "mode is 'relay'"),
        ("partitions", "many", "cannot be read"),
    ],
)
async def test_a_record_of_another_version_is_a_mismatch(
    server: ValkeyServer, store: RedisStore, field: str, value: str, reason: str
) -> None:
    server.run("HSET", f"stead:hub:{store.layout.name}", field, value)
    with pytest.raises(HubMismatch, match=reason):
        await RedisStore.open(server.url, store.layout.name, Settings())


async def test_a_hub_made_anew_is_another(start_server: Callable[..., ValkeyServer]) -> None:
    server = start_server()
    store = await RedisStore.open(server.url, "hub", Settings(partitions=4))
    await store.enqueue([batch([b"one"])])
    server.run("DEL", f"stead:hub:{store.layout.name}")
    anew = await RedisStore.open(server.url, store.layout.name, Settings(partitions=4))
    assert anew.layout.hub_id != store.layout.hub_id
    assert await anew.read_inboxes({0: b"0"}, 10, 0) == []
    await store.close()
    await anew.close()


async def test_more_groups_than_partitions_are_of_no_use(server: ValkeyServer) -> None:
    store = await RedisStore.open(server.url, "small", Settings(partitions=3))
    assert store.layout.slot_groups == 3
    again = await RedisStore.open(server.url, "small", Settings(partitions=3, slot_groups=16))
    await again.close()
    await store.close()
