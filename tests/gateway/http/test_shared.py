"""What is dear to find out is found out once for all who ask at about the same time."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import httpx
import pytest

from stead.app import App
from stead.gateway import asgi
from stead.gateway._http.hub import Hub
from stead.gateway._http.shared import REST, SharedAnswer
from stead.gateway._v1 import doctor
from stead.transport import ConnectionLost

pytestmark = pytest.mark.anyio


class Question:
    """One that is answered when the test says so."""

    def __init__(self) -> None:
        self.asked = self.under_way = 0
        self.answer = asyncio.Event()
        self.failure: Exception | None = None

    async def find(self) -> int:
        self.asked += 1
        number = self.asked
        self.under_way += 1
        assert self.under_way == 1, "one at a time"
        try:
            await self.answer.wait()
            if self.failure is not None:
                raise self.failure
            return number
        finally:
            self.under_way -= 1


async def turn() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_all_who_ask_meanwhile_have_one_answer_and_so_do_those_after_them_until_it_is_old() -> None:
    question = Question()
    shared = SharedAnswer(question.find)
    waiting = [asyncio.ensure_future(shared.get(60.0)) for _ in range(20)]
    await turn()
    question.answer.set()
    assert await asyncio.gather(*waiting) == [1] * 20
    assert await shared.get(60.0) == 1
    assert await shared.get(0.0) == 2


async def test_what_takes_long_is_found_out_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s, asked = 0.0, 0
    monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: now_s)

    async def find() -> int:
        nonlocal now_s, asked
        now_s += 2.0
        asked += 1
        return asked

    shared = SharedAnswer(find)
    assert await shared.get(1.0, REST) == 1
    now_s += 2.0 * REST - 0.1
    assert await shared.get(1.0, REST) == 1
    assert await shared.get(1.0) == 2
    now_s += 2.0 * REST + 0.1
    assert await shared.get(1.0, REST) == 3


async def test_what_users_ask_for_in_words_of_theirs_is_not_kept_without_end() -> None:
    hub = Hub(cast("Any", None), "tested", cast("Any", None))
    asked: list[str] = []

    def ask(word: str) -> Any:
        async def find() -> None:
            asked.append(word)

        return hub.shared(word, 60.0, find)

    for word in ["first", *map(str, range(150)), "149", "first"]:
        await ask(word)
    assert asked[-2:] == ["149", "first"] and asked.count("149") == 1


async def test_who_goes_away_leaves_it_to_the_next() -> None:
    question = Question()
    shared = SharedAnswer(question.find)
    first, second = (asyncio.ensure_future(shared.get(60.0)) for _ in range(2))
    await turn()
    first.cancel()
    await turn()
    assert (question.asked, question.under_way) == (2, 1)
    question.answer.set()
    assert await second == 2


async def test_a_failure_is_told_to_all_who_waited_and_to_nobody_after_them() -> None:
    question = Question()
    question.failure = ConnectionLost("away")
    shared = SharedAnswer(question.find)
    waiting = [asyncio.ensure_future(shared.get(60.0)) for _ in range(5)]
    await turn()
    question.answer.set()
    told = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(each) for each in told] == [ConnectionLost] * 5
    assert question.asked == 1
    question.failure = None
    assert await shared.get(60.0) == 2


async def test_pages_that_ask_how_the_hub_is_share_one_examination(monkeypatch: pytest.MonkeyPatch) -> None:
    examined = 0
    examine = doctor.examine

    async def counted(*given: object) -> object:
        nonlocal examined
        examined += 1
        return await examine(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(doctor, "examine", counted)
    monkeypatch.setattr(doctor, "KEPT_S", 60.0)
    gateway = asgi(App("shared-doctor"), "memory://")
    async with httpx.AsyncClient(transport=httpx.ASGITransport(gateway), base_url="http://127.0.0.1") as http:
        answers = await asyncio.gather(*[http.get("/api/v1/doctor") for _ in range(12)])
    await gateway.aclose()
    assert examined == 1
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.text for answer in answers}) == 1
    assert answers[0].json()["findings"][0]["check"] == "no_worker"
