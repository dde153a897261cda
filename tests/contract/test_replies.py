"""Answers for clients: in order, waited for, trimmed, and forgotten in the end."""

from __future__ import annotations

import asyncio

import pytest

from stead.transport import Acquired, Reply, Store
from support.redis_steps import commit, take
from support.store_twins import REPLY_KEEP_MS, Twin, soon

pytestmark = pytest.mark.anyio


async def answer(store: Store, owner: Acquired, *replies: Reply) -> None:
    await store.commit([commit(owner, b"answers", replies=list(replies))], store.generation)


async def texts(store: Store, group: int, client: str, after: bytes = b"0") -> list[bytes]:
    return [payload for _, payload in await store.read_replies(group, client, after, 0)]


async def test_answers_come_in_order_to_their_client_in_its_group(store: Store) -> None:
    replies = [Reply(0, "a", b"1"), Reply(0, "b", b"2"), Reply(1, "a", b"3"), Reply(0, "a", b"")]
    await answer(store, await take(store), *replies)
    assert await texts(store, 0, "a") == [b"1", b""]
    assert await texts(store, 0, "b") == [b"2"]
    assert await texts(store, 1, "a") == [b"3"]
    assert await texts(store, 1, "b") == []


async def test_a_read_goes_on_after_its_position(store: Store) -> None:
    await answer(store, await take(store), *(Reply(0, "a", b"%d" % number) for number in range(4)))
    replies = await store.read_replies(0, "a", b"0", 0)
    assert await texts(store, 0, "a", replies[1][0]) == [b"2", b"3"]
    assert await texts(store, 0, "a", replies[3][0]) == []


async def test_answers_are_kept_until_trimmed(store: Store) -> None:
    """A client that lost an answer's answer reads it again."""
    await answer(store, await take(store), *(Reply(0, "a", b"%d" % number) for number in range(4)))
    replies = await store.read_replies(0, "a", b"0", 0)
    await store.trim_replies(0, "a", replies[1][0])
    assert await texts(store, 0, "a") == [b"2", b"3"]
    await store.trim_replies(0, "a", replies[3][0])
    assert await texts(store, 0, "a") == []
    await store.trim_replies(0, "nobody", b"5-0")


async def test_a_client_that_leaves_takes_its_answers_along(store: Store) -> None:
    await answer(store, await take(store), Reply(0, "a", b"1"), Reply(0, "b", b"2"))
    await store.drop_replies(0, "a")
    await store.drop_replies(0, "nobody")
    assert (await texts(store, 0, "a"), await texts(store, 0, "b")) == ([], [b"2"])


async def test_a_waiting_read_ends_when_an_answer_comes(store: Store) -> None:
    owner = await take(store)
    reading = asyncio.ensure_future(store.read_replies(1, "a", b"0", 20_000))
    await asyncio.sleep(0.01)
    await answer(store, owner, Reply(1, "b", b"not yours"), Reply(1, "a", b"yours"))
    assert [payload for _, payload in await soon(reading)] == [b"yours"]


async def test_a_waiting_read_ends_when_its_time_is_over(twin: Twin) -> None:
    assert list(await twin.wait_for(twin.store.read_replies(0, "a", b"0", 40))) == []


@pytest.mark.hazard(25)
async def test_answers_that_nobody_fetches_are_forgotten(twin: Twin) -> None:
    """HAZARDS 25: a client that died leaves nothing for ever."""
    store = twin.store
    await answer(store, await take(store), Reply(0, "a", b"1"))
    assert await texts(store, 0, "a") == [b"1"]
    await twin.pass_ms(REPLY_KEEP_MS + 10)
    assert await texts(store, 0, "a") == []
