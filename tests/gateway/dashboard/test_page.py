"""The dashboard's files: what they are served with, and what is said where they were not built."""

from __future__ import annotations

import asyncio
import gzip
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from stead.gateway import Gateway, asgi
from stead.gateway._dashboard import page
from support.gateway_app import make_app
from support.gateway_tools import Served

SITE = Path(page.__file__).parent / "site"
COMPRESSED_MAX = 300_000


@asynccontextmanager
async def in_memory(*, dashboard: bool = True) -> AsyncGenerator[tuple[Gateway, httpx.AsyncClient]]:
    """A gateway of an empty hub in memory, and a client of it."""
    gateway = asgi(make_app(), "memory://", dashboard=dashboard)
    try:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(gateway), base_url="http://127.0.0.1") as http:
            yield gateway, http
    finally:
        await gateway.aclose()


def test_the_page_names_files_that_are_there_and_may_be_kept(served: Served) -> None:
    answer = served.http.get("/")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["cache-control"] == "no-cache"
    names = re.findall(r'(?:src|href)="(dashboard/[^"]+)"', answer.text)
    assert len(names) == 2
    for name in names:
        file = served.http.get(f"/{name}")
        assert file.status_code == 200
        assert "immutable" in file.headers["cache-control"]
        assert file.headers["content-type"].startswith(("text/javascript", "text/css"))


def test_nothing_inline_and_nothing_from_elsewhere_is_allowed(served: Served) -> None:
    answer = served.http.get("/")
    policy = dict(part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert "<script>" not in answer.text
    assert "<style" not in answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_all_of_it_is_small() -> None:
    sizes = {file.name: len(gzip.compress(file.read_bytes())) for file in SITE.iterdir()}
    assert 0 < sum(sizes.values()) < COMPRESSED_MAX, sizes


@pytest.mark.parametrize(
    "name", ["main-000000000000.js", "index.html", "..%2Findex.html", "main.js", "%2Fetc%2Fpasswd"]
)
def test_no_other_file_is_given(name: str, served: Served) -> None:
    assert served.http.get(f"/dashboard/{name}").status_code == 404


def test_anybody_may_have_the_page_and_nobody_the_data(guarded: Served) -> None:
    assert guarded.http.get("/").status_code == 200
    assert guarded.http.get("/api/v1/hub").status_code == 401
    assert guarded.http.get("/api/v1/access").status_code == 401
    assert guarded.http.get("/api/v1/hub/events").status_code == 401


@pytest.mark.parametrize(
    ("key", "rights"),
    [("read-key", ["read"]), ("signal-key", ["read", "signal"]), ("manage-key", ["read", "signal", "manage"])],
)
def test_a_key_may_ask_what_it_may_do(key: str, rights: list[str], guarded: Served) -> None:
    found = guarded.http.get("/api/v1/access", headers={"x-functions-key": key}).json()
    assert found == {"hub": guarded.app.name, "rights": rights, "keys": True, "sql": True}


def test_without_keys_everything_may_be_done(served: Served) -> None:
    assert served.http.get("/api/v1/access").json() == {
        "hub": served.app.name,
        "rights": ["read", "signal", "manage"],
        "keys": False,
        "sql": True,
    }


async def test_it_can_be_left_out() -> None:
    async with in_memory(dashboard=False) as (_, http):
        assert (await http.get("/")).status_code == 404
        assert (await http.get("/docs")).status_code == 200


async def test_where_it_was_not_built_the_page_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "_site", lambda: None)
    async with in_memory() as (_, http):
        answer = await http.get("/")
        assert answer.status_code == 200
        assert "make setup" in answer.text
        assert (await http.get("/api/v1/hub")).status_code == 200


async def test_mounted_it_ends_with_a_slash() -> None:
    """Its script and style are named relative to it."""
    async with in_memory() as (gateway, _):
        mounted = Starlette(routes=[Mount("/hub", gateway)])
        transport = httpx.ASGITransport(app=mounted)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", follow_redirects=True) as http:
            answer = await http.get("/hub")
            assert str(answer.url) == "http://127.0.0.1/hub/"
            name = re.findall(r'src="([^"]+)"', answer.text)[0]
            assert (await http.get(f"/hub/{name}")).status_code == 200


async def test_the_stream_of_the_hub_is_shared_by_all_who_follow_it() -> None:
    async with in_memory() as (gateway, _):
        hub = await gateway.open()
        asked = 0
        gather = hub.gather_info
        assert gather is not None

        async def counted() -> dict[str, Any]:
            nonlocal asked
            asked += 1
            return await gather()

        hub.gather_info = counted
        found = await asyncio.gather(*[hub.recent_info(60.0) for _ in range(20)])
        assert asked == 1
        assert all(info is found[0] for info in found)
        await hub.recent_info(0.0)
        assert asked == 2
