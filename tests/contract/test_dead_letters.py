"""Invariant 7: what could not be carried out is kept, counted, can be seen, sent again and dropped."""

from __future__ import annotations

import pytest

from stead.entities import DeadLetters
from stead.entities._message.envelope import Failure, encode_message
from stead.entities._message.letters import encode_letter
from stead.transport import DeadLetter, Store
from support.redis_steps import commit, payloads, take

pytestmark = pytest.mark.anyio

KEPT = 5  # `dead_letters_max` of the tests' settings


async def bury(store: Store, *letters: bytes, partition: int = 0) -> list[DeadLetter]:
    owner = await take(store, partition)
    await store.commit([commit(owner, b"one", dead=list(letters))], store.generation)
    return await store.dead_letters(partition, b"0", 100)


async def test_dead_letters_are_read_in_order_and_in_pages(store: Store) -> None:
    letters = await bury(store, b"a", b"", b"c")
    assert [(letter.partition, letter.letter) for letter in letters] == [(0, b"a"), (0, b""), (0, b"c")]
    assert await store.dead_letters(0, b"0", 2) == letters[:2]
    assert await store.dead_letters(0, letters[1].stream_id, 2) == letters[2:]
    assert await store.dead_letters(1, b"0", 100) == []


@pytest.mark.hazard(25)
async def test_dead_letters_are_bounded_and_what_was_trimmed_is_counted(store: Store) -> None:
    """HAZARDS 25."""
    letters = await bury(store, *(b"%d" % number for number in range(KEPT + 3)))
    assert [letter.letter for letter in letters] == [b"%d" % number for number in range(3, KEPT + 3)]
    info = (await store.info())[0]
    assert (info.dead, info.dead_trimmed) == (KEPT, 3)


async def test_a_letter_that_is_dropped_is_gone_and_not_counted_as_trimmed(store: Store) -> None:
    first, second = await bury(store, b"a", b"b")
    assert await store.drop_dead_letter(0, first.stream_id)
    assert not await store.drop_dead_letter(0, first.stream_id)
    assert await store.dead_letters(0, b"0", 100) == [second]
    assert (await store.info())[0].dead_trimmed == 0


@pytest.mark.invariant(7)
async def test_a_letter_sent_again_enters_an_inbox_and_is_gone(store: Store) -> None:
    first, second = await bury(store, b"a", b"b")
    assert await store.resend_dead_letter(first, 2, b"again")
    assert await payloads(store, 2) == [b"again"]
    assert await store.dead_letters(0, b"0", 100) == [second]


async def test_a_letter_is_sent_again_once(store: Store) -> None:
    """Invariant 1: two people who press the button at once send it once."""
    [letter] = await bury(store, b"a")
    assert await store.resend_dead_letter(letter, 2, b"again")
    assert not await store.resend_dead_letter(letter, 2, b"again")
    assert await payloads(store, 2) == [b"again"]


def dead(key: str, died_ms: int = 0) -> bytes:
    envelope = encode_message(f"@station@{key}", "fail", [], b"m")
    return encode_letter(envelope, Failure("operation", "ValueError", ""), b"1-1", died_ms, 1)


@pytest.mark.parametrize("further", [0, 1], ids=["in the same partition", "in a later one"])
async def test_who_goes_through_all_does_not_meet_those_that_die_on_the_way(store: Store, further: int) -> None:
    """Whoever sends each one again would not come to an end. A worker's clock may say that they died before."""
    owner, other = await take(store), await take(store, 1)
    first = [commit(owner, b"one", dead=[dead("a"), dead("b")]), commit(other, b"one", dead=[dead("c")])]
    assert await store.commit(first, store.generation)
    met: list[str] = []
    async for message in DeadLetters(store).all():
        met.append(message.target)
        if len(met) == 1:
            again = commit(other if further else owner, b"two", previous=b"one", dead=[dead("d")])
            await store.commit([again], store.generation)
    assert met == ["@station@a", "@station@b", "@station@c"]
    assert len([message async for message in DeadLetters(store).all()]) == 4


async def test_a_letter_is_there_whatever_its_workers_clock_said(store: Store) -> None:
    """A worker's view of the server's clock is some milliseconds before or behind that of who looks."""
    await bury(store, dead("a", store.clock.now_ms() + 60_000), dead("b", store.clock.now_ms() - 60_000))
    assert [message.target async for message in DeadLetters(store).all()] == ["@station@a", "@station@b"]
