"""A right that is taken away while programs are at work: no step stops half done, and each is done once it is given back."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from stead.transport import (
    Batch,
    Commit,
    CommitVerdict,
    FeedWrite,
    LogWrite,
    Reply,
    Reuse,
    Running,
    SentStart,
    ServerUnsuitable,
    Settings,
    Start,
    StoreUnavailable,
    Task,
    Timer,
    Unpark,
    Verdict,
)
from stead.transport._redis.answers import ReplyError, fault
from stead.transport._redis.scripts import ALL, Script
from stead.transport._redis.store import RedisStore
from support.redis_steps import batch, commit, payloads, put, take
from support.valkey_server import ValkeyServer

pytestmark = pytest.mark.anyio

WRITES = (
    *(
        "HDEL",
        "HINCRBY",
        "HSET",
        "HSETNX",
        "PEXPIRE",
        "RPUSH",
        "SET",
        "UNLINK",
        "XACK",
        "XADD",
        "XCLAIM",
        "XDEL",
        "XTRIM",
    ),
    *("ZADD", "ZREM", "ZREMRANGEBYLEX"),
)
READS = (
    *("EXISTS", "GET", "HEXISTS", "HGET", "HGETALL", "HMGET", "TIME", "TYPE", "XINFO", "XLEN"),
    *("XPENDING", "XRANGE", "ZCARD", "ZRANGE", "ZRANGEBYSCORE"),
)
Step = Callable[[], Awaitable[Any]]


@pytest.fixture
async def own_server(start_server: Callable[..., ValkeyServer]) -> ValkeyServer:
    return start_server()


@pytest.fixture
async def store(own_server: ValkeyServer, settings: Settings) -> AsyncIterator[RedisStore]:
    store = await RedisStore.open(own_server.url, "rights", settings)
    yield store
    await store.close()


def whole(partition: int, token: bytes, previous: bytes, ids: Sequence[bytes]) -> Commit:
    """A commit that writes all that one can."""
    return Commit(
        partition,
        token,
        previous,
        b"whole",
        consumed=ids,
        states=[("@a@b", b"state")],
        created=["@a@b"],
        deleted=["@a@c"],
        timers=[Timer(b"later", 2**50, b"tick")],
        cancelled=[b"cancelled"],
        sends=[(1, b"hello")],
        replies=[Reply(0, "me", b"answer")],
        dead=[b"letter"],
        unparked=[Unpark("@a@d", ids[1:2], True)],
        blocked=[("@a@e", "reason")],
        unblocked=["@a@f"],
        suspect_passed=True,
        logs=[LogWrite("i", [b"event"], reset=True)],
        tasks=[Task(b"own", "q", shared=False, payload=b"task"), Task(b"shared", "q", shared=True, payload=b"task")],
        dropped=[b"dropped"],
        starts=[SentStart(2, "j", b"id", b"start", place=1)],
        started=[("k", b"its message")],
        feeds=[FeedWrite("kind", b"change", 60_000, 10)],
    )


@pytest.mark.hazard(4)
@pytest.mark.parametrize("right", [*WRITES, *READS])
async def test_a_right_that_is_taken_away_leaves_no_step_half_done(
    store: RedisStore, own_server: ValkeyServer, right: str
) -> None:
    ids = await put(store, [b"one", b"two", b"three"])
    owner = await take(store)
    timers = commit(owner, b"timers", timers=[Timer(b"due", 1, b"tick")], dead=[b"letter"])
    assert await store.commit([timers], store.generation) == [CommitVerdict.APPLIED]
    [letter] = await store.dead_letters(0, b"0", 10)
    applied = whole(0, owner.token, b"timers", ids[:2])
    start = replace(batch([b"begin"], partition=3, session="starter"), starts=[Start(0, "s", b"id", Reuse.FINISHED)])
    refused: list[int] = []

    async def do(step: Step) -> Any:
        """Without the right, and then with it."""
        before = own_server.dump()
        own_server.run("ACL", "SETUSER", "default", f"-{right}")
        try:
            return await step()
        except ServerUnsuitable:
            # A step that is the same however often it is made may have begun.
            assert right in READS or own_server.dump() == before
            refused.append(1)
        finally:
            own_server.run("ACL", "SETUSER", "default", f"+{right}")
        return await step()

    async def enqueue(sent: Batch) -> str:
        [result] = await store.enqueue([sent])
        if result.damage is not None:
            raise result.damage
        return result.verdict.name

    generation = store.generation
    assert await do(lambda: store.park(0, owner.token, "@a@d", ids[1:2]))
    assert await do(lambda: store.commit([applied], generation)) == [CommitVerdict.APPLIED]
    assert await do(lambda: store.fire_timers(0, owner.token, 10)) == (1, 2**50)
    assert await do(lambda: store.mark_running(0, owner.token, Running("@a@b", ids[2], 1)))
    for sent in (batch([b"four"], partition=3), start):
        assert await do(lambda: enqueue(sent)) == "ACCEPTED"  # noqa: B023 - at once
        assert await do(lambda: enqueue(sent)) == "DUPLICATE"  # noqa: B023 - at once
    [taken] = await store.take_tasks(["q"], "worker", 10, 0)
    assert await do(lambda: store.share_tasks(0, owner.token, "worker", [(b"own", "q")])) != [b""]
    assert (await do(lambda: store.keep_tasks("worker", [taken]))).lost == []
    retaken = await do(lambda: store.retake_tasks(["q"], "other", 0, 10))
    assert await do(lambda: store.give_back_tasks("other", retaken)) == 2
    again = await store.take_tasks(["q"], "worker", 10, 0)
    for one in again:
        assert await do(lambda: store.complete_task(0, one.task_id, b"result", one))  # noqa: B023 - at once
    assert await do(lambda: store.resend_dead_letter(letter, 0, b"again"))
    await do(lambda: store.heartbeat("worker", {}, 10_000))
    await do(lambda: store.leave("worker"))
    await do(lambda: store.publish({"a": {}}, 10_000))
    assert await do(lambda: take(store, token=b"next", expected=owner.token))
    assert await do(lambda: store.release(0, b"next"))
    _, leases = await store.read_leases()
    assert not any(lease.quarantined for lease in leases)
    assert refused


_WRITE = re.compile(rf"(?:call|in_pieces)\('({'|'.join(WRITES)})'")
_UNASKED = {
    "commit": {"HSET"},
    "enqueue": {"PEXPIRE"},
}  # what comes before everything else; what is all that is written then


@pytest.mark.hazard(4)
@pytest.mark.parametrize("script", ALL, ids=lambda script: script.name)
def test_a_script_that_writes_with_several_commands_asks_for_each_first(script: Script[Any]) -> None:
    writes = set(_WRITE.findall(script.source))
    asked = {word for found in re.findall(r"\bmay\(([^)]*)\)", script.source) for word in re.findall(r"[A-Z]+", found)}
    assert len(writes) < 2 or writes - asked == _UNASKED.get(script.name.removesuffix("_freeing"), set())


@pytest.mark.hazard(40)
@pytest.mark.parametrize("right", ["HEXISTS", "ZADD", "HSET"])
async def test_a_batch_that_this_user_may_not_write_is_no_trouble_of_those_beside_it(
    store: RedisStore, own_server: ValkeyServer, right: str
) -> None:
    """Whoever sent those would be told that nothing was written, and send them again."""
    batches = [batch([b"%d" % place], partition=place) for place in range(3)]
    batches[1] = replace(batches[1], starts=[Start(0, "s", b"id", Reuse.FINISHED)])
    own_server.run("ACL", "SETUSER", "default", f"-{right}")
    first, refused, last = await store.enqueue(batches)
    own_server.run("ACL", "SETUSER", "default", f"+{right}")
    assert first.verdict is last.verdict is Verdict.ACCEPTED
    assert isinstance(refused.damage, ServerUnsuitable)
    assert right.lower() in str(refused.damage).lower() or "can't run this command" in str(refused.damage)  # Redis 7.0
    assert [await payloads(store, place) for place in range(3)] == [[b"0"], [], [b"2"]]
    assert [result.verdict.name for result in await store.enqueue(batches)] == ["DUPLICATE", "ACCEPTED", "DUPLICATE"]


async def test_what_was_written_is_not_told_as_refused_when_it_cannot_be_waited_for(own_server: ValkeyServer) -> None:
    store = await RedisStore.open(own_server.url, "waiting", Settings(partitions=1, slot_groups=1, replicas_ack=1))
    own_server.run("ACL", "SETUSER", "default", "-wait")
    with pytest.raises(StoreUnavailable) as caught:
        await store.enqueue([batch([b"one"])])
    assert caught.value.outcome == "unknown"
    assert await payloads(store) == [b"one"]
    await store.close()


async def test_the_right_that_is_missing_to_read_the_hub_s_record_is_named(
    store: RedisStore, own_server: ValkeyServer
) -> None:
    own_server.run("ACL", "SETUSER", "default", "-hget")
    with pytest.raises(ServerUnsuitable, match="refuses this user"):
        await store.heartbeat("worker", {}, 10_000)
    own_server.run("ACL", "SETUSER", "default", "+hget")


FENCED = ("commit", "fire_timers", "park", "share_tasks")
_CALL = re.compile(r"call\('([A-Z]+)'")
_FUNCTION = re.compile(r"^( *)(?:local function (\w+)|(\w+) = function)\((.*?)^\1end$", re.MULTILINE | re.DOTALL)


def _functions(source: str) -> list[tuple[str, str, str, str]]:
    """All functions of a script, those within others too: indentation, names, and what is in them."""
    found = _FUNCTION.findall(source)
    return found + [inner for *_, body in found for inner in _functions(body)]


def _called(source: str, functions: dict[str, str]) -> set[str]:
    """The commands that some lines call, by themselves and through functions."""
    found = set(_CALL.findall(source))
    for name, body in functions.items():
        if re.search(rf"\b{name}\b", source):
            found |= _called(body, {other: text for other, text in functions.items() if other != name})
    return found


@pytest.mark.hazard(4)
@pytest.mark.parametrize("script", ALL, ids=lambda script: script.name)
def test_what_a_fenced_script_reads_within_its_step_is_asked_for_first(script: Script[Any]) -> None:
    """From its first write on, which says that the step has begun, until its last, which says that it has ended."""
    found = re.search(r"call\('HSET', \S+, 'applying', ", script.source)
    assert (found is None) == (script.name not in FENCED)
    if found is None:
        return
    before, step = script.source[: found.start()], script.source[found.start() :]
    asked = {word for found in re.findall(r"\bmay\(([^)]*)\)", script.source) for word in re.findall(r"[A-Z]+", found)}
    functions = {name or other: body for _, name, other, body in _functions(script.source)}
    assert _called(step, functions) - asked <= {"HSET", "HMGET"}, before[-100:]  # which each has called before its step


@pytest.mark.parametrize(
    "text",
    [
        "ERR ACL failure in script: User default has no permissions to run the 'hget' command",
        "ERR The user executing the script can't run this command or subcommand script: 28b5, on @user_script:31.",
        "NOPERM this user has no permissions to run HSET",
    ],
)
def test_each_servers_words_for_it_are_understood(text: str) -> None:
    error = fault(ReplyError(text))
    assert isinstance(error, ServerUnsuitable)
    assert "check the user" in str(error)
