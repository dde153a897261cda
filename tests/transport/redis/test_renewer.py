"""Leases are renewed over a blocking connection: what the server may answer means the same there as everywhere."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from stead.transport import ConnectionLost, HubLayout, ServerUnsuitable, Settings
from stead.transport._redis.blocking_wire import BlockingWire
from stead.transport._redis.keys import KeyNames
from stead.transport._redis.renewer import RedisRenewer
from stead.transport._redis.scripts import command
from stead.transport._redis.store import RedisStore
from stead.transport._redis.wire import Address
from support.answering_server import AnsweringServer
from support.redis_steps import take
from support.valkey_server import ValkeyServer

pytestmark = pytest.mark.anyio

LAYOUT = HubLayout("tests", "abcd", partitions=4, slot_groups=2, mode="direct", format=1, created_ms=1)
LEASES = {0: b"one", 1: b"two", 2: b"three"}


@pytest.fixture
def scripted(tmp_path: Path) -> Iterator[Callable[..., RedisRenewer]]:
    """Renewers of a server that answers as a test says."""
    opened: list[AnsweringServer | RedisRenewer] = []

    def make(*answers: bytes | None) -> RedisRenewer:
        server = AnsweringServer(tmp_path, answers)
        renewer = RedisRenewer(Address.from_url(server.url), Settings(lease_ms=1_000), KeyNames(LAYOUT), LAYOUT)
        opened.extend((renewer, server))
        return renewer

    yield make
    for each in opened:
        each.close()


@pytest.fixture
def own(start_server: Callable[..., ValkeyServer]) -> ValkeyServer:
    """A server that the test may harm."""
    return start_server()


async def test_all_leases_are_renewed_in_one_round_trip(server: ValkeyServer, monkeypatch: pytest.MonkeyPatch) -> None:
    store = await RedisStore.open(server.url, "tests", Settings(partitions=64))
    for number in range(64):
        await take(store, number)
    renewer = store.renewer()
    assert renewer.renew(dict.fromkeys(range(64), b"token"), 1_000) == set()  # connects, and loads nothing
    trips: list[Sequence[bytes]] = []
    exchange = BlockingWire.exchange

    def counted(wire: BlockingWire, commands: Sequence[bytes]) -> list[Any]:
        trips.append(commands)
        return exchange(wire, commands)

    monkeypatch.setattr(BlockingWire, "exchange", counted)
    tokens = {**dict.fromkeys(range(64), b"token"), 5: b"of another", 63: b"of another"}
    assert renewer.renew(tokens, 10_000) == {5, 63}
    assert len(trips) == 1
    renewer.close()
    await store.close()


async def test_a_server_that_was_a_replica_for_a_while_renews_again(own: ValkeyServer, settings: Settings) -> None:
    store = await RedisStore.open(own.url, "tests", settings)
    await take(store)
    renewer = store.renewer()
    assert renewer.renew({0: b"token"}, 1_000) == set()
    own.run("REPLICAOF", "127.0.0.1", "1")
    with pytest.raises(ConnectionLost, match="READONLY"):
        renewer.renew({0: b"token"}, 1_000)
    own.run("REPLICAOF", "NO", "ONE")
    assert renewer.renew({0: b"token"}, 1_000) == set()
    renewer.close()
    await store.close()


async def test_replicas_that_are_too_few_and_scripts_that_were_flushed_pass(
    own: ValkeyServer, settings: Settings
) -> None:
    store = await RedisStore.open(own.url, "tests", settings)
    await take(store)
    renewer = store.renewer()
    own.run("CONFIG", "SET", "min-replicas-to-write", "1")
    with pytest.raises(ConnectionLost, match="NOREPLICAS"):
        renewer.renew({0: b"token"}, 1_000)
    own.run("CONFIG", "SET", "min-replicas-to-write", "0")
    own.run("SCRIPT", "FLUSH")
    assert renewer.renew({0: b"token", 1: b"other"}, 1_000) == {1}
    renewer.close()
    await store.close()


@pytest.mark.parametrize("right", ["evalsha", "hset"])
async def test_a_right_that_was_taken_away_is_named_and_its_return_is_noticed(
    own: ValkeyServer, settings: Settings, right: str
) -> None:
    store = await RedisStore.open(own.url, "tests", settings)
    await take(store)
    renewer = store.renewer()
    renewer.renew({0: b"token"}, 1_000)
    own.run("ACL", "SETUSER", "default", f"-{right}")
    with pytest.raises(ServerUnsuitable, match="check the user"):
        renewer.renew({0: b"token"}, 1_000)
    own.run("ACL", "SETUSER", "default", f"+{right}")
    assert renewer.renew({0: b"token"}, 1_000) == set()
    renewer.close()
    await store.close()


async def test_a_new_password_is_asked_for_and_a_connection_that_was_cut_is_made_anew(
    own: ValkeyServer, settings: Settings
) -> None:
    store = await RedisStore.open(own.url, "tests", settings)
    await take(store)
    renewer = store.renewer()
    renewer.renew({0: b"token"}, 1_000)
    password = secrets.token_hex(4)
    own.run("CONFIG", "SET", "requirepass", password)
    cut = BlockingWire(Address.from_url(f"unix://:{password}@{own.socket}"), 5.0)
    cut.exchange([command("CLIENT", "KILL", "SKIPME", "yes")])
    with pytest.raises(ConnectionLost):
        renewer.renew({0: b"token"}, 1_000)
    with pytest.raises(ServerUnsuitable, match="NOAUTH"):
        renewer.renew({0: b"token"}, 1_000)
    cut.exchange([command("CONFIG", "SET", "requirepass", "")])
    assert renewer.renew({0: b"token"}, 1_000) == set()
    cut.close()
    renewer.close()
    await store.close()


async def test_a_lease_that_became_something_else_costs_no_other_partition_its_lease(
    own: ValkeyServer, settings: Settings
) -> None:
    store = await RedisStore.open(own.url, "tests", settings)
    for number in range(4):
        await take(store, number)
    own.run("DEL", KeyNames(store.layout).partitions[2].lease)
    own.run("SET", KeyNames(store.layout).partitions[2].lease, "text")
    renewer = store.renewer()
    assert renewer.renew({**dict.fromkeys(range(4), b"token")}, 60_000) == {2}
    renewer.close()
    await store.close()


# -- answers that nobody expects ---------------------------------------------------------------------------------------

_BOTH = b"*0\r\n*0\r\n"  # two groups, and nothing is lost
_UNKNOWN = b"-NOSCRIPT No matching script.\r\n"
_LOADED = b"+OK\r\n+OK\r\n"


@pytest.mark.parametrize(
    "answer",
    [
        b"-LOADING loading\r\n" * 2,
        b"-MASTERDOWN Link with MASTER is down\r\n" * 2,
        b"-BUSY a script is running\r\n" * 2,
        b"-TRYAGAIN multiple keys\r\n" * 2,
        b"-CLUSTERDOWN the cluster is down\r\n" * 2,
        b"-MISCONF errors writing to disk\r\n" * 2,
        b"-OOM command not allowed\r\n" * 2,
        b"*0\r\n-READONLY only the second one\r\n",
        b"!that is no answer\r\n",
        b"*0\r\n*1\r\n:",
        None,
    ],
)
def test_what_may_pass_is_tried_again(scripted: Callable[..., RedisRenewer], answer: bytes | None) -> None:
    """The last ones: what is no answer, half an answer and then nothing, and an end of the connection."""
    renewer = scripted(answer, _BOTH)
    with pytest.raises(ConnectionLost):
        renewer.renew(LEASES, 1_000)
    assert renewer.renew(LEASES, 1_000) == set()


@pytest.mark.parametrize(
    "answer",
    [
        b"-NOAUTH Authentication required.\r\n" * 2,
        b"-NOPERM no permissions\r\n" * 2,
        b"-ERR something new\r\n" * 2,
        b"-\xff\xfe\r\n" * 2,
        b"+OK\r\n+OK\r\n",
        b":1\r\n:1\r\n",
        b"$-1\r\n*0\r\n",
        b"*1\r\n:99\r\n*0\r\n",
        b"*1\r\n:0\r\n*0\r\n",
        b"*1\r\n$1\r\na\r\n*0\r\n",
    ],
)
def test_what_nobody_expects_names_the_server(scripted: Callable[..., RedisRenewer], answer: bytes) -> None:
    renewer = scripted(answer, _BOTH)
    with pytest.raises(ServerUnsuitable):
        renewer.renew(LEASES, 1_000)
    assert renewer.renew(LEASES, 1_000) == set()


def test_a_script_that_is_unknown_again_is_tried_again_later(scripted: Callable[..., RedisRenewer]) -> None:
    renewer = scripted(_UNKNOWN * 2, _LOADED, _UNKNOWN * 2, _BOTH)
    with pytest.raises(ConnectionLost, match="forgets"):
        renewer.renew(LEASES, 1_000)
    assert renewer.renew(LEASES, 1_000) == set()


def test_scripts_are_loaded_and_only_what_was_refused_is_sent_again(scripted: Callable[..., RedisRenewer]) -> None:
    renewer = scripted(b"*1\r\n:2\r\n" + _UNKNOWN, _LOADED, b"*0\r\n")
    assert renewer.renew(LEASES, 1_000) == {2}
