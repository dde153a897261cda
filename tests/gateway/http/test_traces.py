"""A request's `traceparent`: what it sends belongs to that trace, whether or not this server tells anybody."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

import httpx
import pytest

from stead.app import App
from stead.entities import Entity
from stead.gateway import asgi
from support.spans import spans_told, tree

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"

app = App("traced-requests")
seen: list[Any] = []


@app.entity
class Light(Entity):
    """Is on or off."""

    on: bool = False

    def switch(self, on: bool) -> bool:
        turn: Any = self.context._turn
        seen.append(turn.trace)
        self.on = on
        return on


@pytest.fixture
async def http() -> AsyncGenerator[httpx.AsyncClient]:
    seen.clear()
    application = asgi(app, "memory://")
    async with app.worker("memory://"):
        transport = httpx.ASGITransport(application)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
            yield http
        await application.aclose()


CALL = "/api/v1/entities/Light/one/switch?wait=true"


async def call(http: httpx.AsyncClient, headers: dict[str, str]) -> None:
    answer = await http.post(CALL, json={"args": [True]}, headers=headers)
    assert answer.status_code == 200, answer.text


async def test_what_comes_is_handed_on_though_nobody_is_told(http: httpx.AsyncClient) -> None:
    await call(http, {"traceparent": PARENT, "tracestate": "vendor=1"})
    assert [(trace.parent, trace.state) for trace in seen] == [(PARENT, "vendor=1")]


@pytest.mark.parametrize("given", ["", "garbage", PARENT.replace("00-", "ff-", 1), "00-" + "0" * 32 + PARENT[35:]])
async def test_what_is_no_trace_is_nothing(http: httpx.AsyncClient, given: str) -> None:
    await call(http, {"traceparent": given})
    assert seen == [None]


async def test_with_an_sdk_a_request_is_a_span_of_that_trace(http: httpx.AsyncClient) -> None:
    with spans_told() as spans:
        await call(http, {"traceparent": PARENT})
        told = spans.all
    assert {f"{span.trace_id:032x}" for span in told} == {TRACE}
    (request,) = [span for span in told if span.name.startswith("POST")]
    assert request.parent_id == int("b7ad6b7169203331", 16)
    assert request.attributes["http.response.status_code"] == 200
    assert request.attributes["http.route"] == request.name.removeprefix("POST ")
    assert tree(told, request.span_id) == [("entity:light:switch CLIENT", [("entity:light:switch SERVER", [])])]


async def test_how_the_server_is_is_no_trace(http: httpx.AsyncClient) -> None:
    with spans_told() as spans:
        assert (await http.get("/health/live")).status_code == 200
        assert spans.all == []
