"""Who may do what: keys with their rights, tokens of one instance, and what is open without keys."""

from __future__ import annotations

import logging
from pathlib import Path

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import Response

from stead.gateway import ROUTES, Hub, Keys, KeysRefused
from stead.gateway._http.access import VARIABLE, Grant
from stead.gateway._http.json_values import json_response
from stead.gateway._http.routes import Route
from support.gateway_tools import Served, in_memory

KEYS = {"reader": ["read"], "sender": ["signal"], "all": ["read", "signal", "manage"]}


async def answer(request: Request, hub: Hub) -> Response:
    return Response("done")


async def make_token(request: Request, hub: Hub) -> Response:
    return json_response(hub.token(request, request.path_params["name"]))


TABLE = [
    Route("GET", "/read", answer, "read"),
    Route("POST", "/send", answer, "signal"),
    Route("POST", "/manage", answer, "manage"),
    Route("GET", "/open", answer, None),
    Route("GET", "/instances/{instance_id}", answer, "read", instance_scoped=True),
    Route("POST", "/instances/{instance_id}/stop", answer, "manage", instance_scoped=True),
    Route("POST", "/tokens/{name}", make_token, "signal"),
]


async def test_a_key_is_taken_in_three_places() -> None:
    async with in_memory(TABLE, keys=KEYS) as http:
        for given in (
            http.get("/read?code=reader"),
            http.get("/read?CODE=reader"),
            http.get("/read", headers={"x-functions-key": "reader"}),
            http.get("/read", headers={"authorization": "Bearer reader"}),
            http.get("/read", headers={"authorization": "bearer  reader "}),
            http.get("/read", auth=("whoever", "reader")),
            http.get("/read?code=", headers={"x-functions-key": "reader"}),
            http.get("/read?code=wrong", headers={"x-functions-key": "reader"}),
        ):
            assert (await given).status_code == 200


async def test_no_key_an_empty_key_and_a_wrong_key_are_401() -> None:
    async with in_memory(TABLE, keys=KEYS) as http:
        for given in (
            http.get("/read"),
            http.get("/read?code="),
            http.get("/read", headers={"x-functions-key": ""}),
            http.get("/read", headers={"authorization": "Bearer "}),
            http.get("/read", headers={"authorization": "Basic reader"}),
            http.get("/read", headers={"authorization": "Basic cmVhZGVy"}),
            http.get("/read", headers={"authorization": "Basic reader"}),
            http.get("/read?code=readers"),
            http.get("/read?code=reade"),
            http.get("/read?code=READER"),
            http.get("/read?code=r%C3%A9ader"),
            http.get("/read", headers={b"x-functions-key": b"\xff\xfe"}),
            http.get("/read?code=i1.rsm."),
            http.get("/instances/a?code=i1.rsm.AAAA"),
        ):
            refused = await given
            assert refused.status_code == 401
            assert refused.headers["www-authenticate"] == "Bearer"
        assert (await http.get("/open")).status_code == 200


async def test_a_key_opens_what_it_has_the_right_to() -> None:
    async with in_memory(TABLE, keys=KEYS) as http:
        wanted = {"/read": {"reader", "all"}, "/send": {"sender", "all"}, "/manage": {"all"}}
        for path, keys in wanted.items():
            for key in KEYS:
                method = "GET" if path == "/read" else "POST"
                status = (await http.request(method, path, headers={"x-functions-key": key})).status_code
                assert status == (200 if key in keys else 403), (path, key)


async def test_a_token_is_good_for_its_instance_and_with_its_makers_rights() -> None:
    async with in_memory(TABLE, keys=KEYS) as http:
        made = {key: (await http.post(f"/tokens/a%2Fb?code={key}")).json() for key in ("sender", "all")}
        assert all(key not in token for key, token in made.items())
        for token in made.values():
            assert (await http.get(f"/instances/a%2Fb?code={token}")).status_code == 200
            assert (await http.get(f"/instances/a?code={token}")).status_code == 401
            assert (await http.get(f"/instances/A%2Fb?code={token}")).status_code == 401
            assert (await http.get(f"/read?code={token}")).status_code == 401
            assert (await http.post(f"/send?code={token}")).status_code == 401
        assert (await http.post(f"/instances/a%2Fb/stop?code={made['all']}")).status_code == 200
        assert (await http.post(f"/instances/a%2Fb/stop?code={made['sender']}")).status_code == 403
        more = made["sender"].replace("i1.rs.", "i1.rsm.")
        assert more != made["sender"]
        assert (await http.post(f"/instances/a%2Fb/stop?code={more}")).status_code == 401


def test_a_token_is_good_for_its_hub_and_as_long_as_its_key() -> None:
    def request(word: str) -> Request:
        query = f"code={word}".encode()
        return Request({"type": "http", "headers": [], "query_string": query, "path_params": {"instance_id": "a"}})

    keys = Keys(KEYS).for_hub("weather")
    token = keys.token(keys.grant(request("all")), "a")
    assert token is not None
    assert keys.grant(request(token)).instance_id == "a"
    assert Keys({"all": ["read"], "more": ["read"]}).for_hub("Weather").grant(request(token)).rights == {"read"}
    for others in (Keys(KEYS).for_hub("other"), Keys({"new": ["read"]}).for_hub("weather")):
        with pytest.raises(Exception, match="not right"):
            others.grant(request(token))


async def test_without_keys_no_token_is_needed() -> None:
    async with in_memory(TABLE) as http:
        assert (await http.post("/tokens/a")).json() is None
        assert (await http.post("/manage?code=anything")).status_code == 200
    assert Keys().token(Grant(frozenset()), "a") is None


async def test_without_keys_only_this_machine_is_answered() -> None:
    for address, status in (
        ("127.0.0.1", 200),
        ("::1", 200),
        ("::ffff:127.0.0.1", 200),
        ("10.0.0.1", 403),
        ("::", 403),
    ):
        async with in_memory(TABLE, client=(address, 1)) as http:
            assert (await http.get("/read")).status_code == status, address


async def test_without_keys_pages_of_other_sites_are_not_answered() -> None:
    async with in_memory(TABLE) as http:
        for origin, status in (
            ("http://localhost:3000", 200),
            ("http://gateway", 200),
            ("https://evil.example", 403),
            ("null", 403),
            ("http://[", 403),
            ("", 403),
            ("http://127.0.0.1.evil.example", 403),
        ):
            assert (await http.post("/send", headers={"origin": origin})).status_code == status, origin


async def test_without_keys_clients_behind_a_proxy_are_not_answered() -> None:
    async with in_memory(TABLE) as http:
        for headers, status in (
            ({"x-forwarded-for": "127.0.0.1, ::1"}, 200),
            ({"x-forwarded-for": "10.0.0.1"}, 403),
            ({"x-forwarded-for": "127.0.0.1, 10.0.0.1"}, 403),
            ({"forwarded": "for=10.0.0.1"}, 403),
        ):
            assert (await http.get("/read", headers=headers)).status_code == status, headers
    async with in_memory(TABLE, keys=KEYS) as http:
        headers = {"x-forwarded-for": "10.0.0.1", "x-functions-key": "reader"}
        assert (await http.get("/read", headers=headers)).status_code == 200


def fill(path: str) -> str:
    """A route's path with something for each parameter."""
    return "/".join("some" if part.startswith("{") else part for part in path.split("/"))


def call(served: Served, route: Route, **options: str) -> httpx.Response:
    headers = {"x-functions-key": options["key"]} if "key" in options else {}
    return served.http.request(route.method, fill(route.path), headers=headers)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_every_route_needs_the_right_key(guarded: Served, route: Route) -> None:
    if route.right is None:
        assert call(guarded, route).status_code == (404 if "{file}" in route.path else 200)  # there is no file `some`
        return
    for refused in (call(guarded, route), call(guarded, route, key=""), call(guarded, route, key="wrong")):
        assert refused.status_code == 401
    if route.right != "read":
        assert call(guarded, route, key="read-key").status_code == 403
    if route.right == "manage":
        assert call(guarded, route, key="signal-key").status_code == 403


def test_keys_come_from_a_file_or_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    file.write_text('{"in-file": ["read"]}')
    assert len(Keys.load(file)._keys) == 1
    assert Keys.load(None, {VARIABLE: '{"k": ["signal", "manage"]}'})
    assert not Keys.load(None, {})
    assert not Keys.load(None, {VARIABLE: " "})
    assert not Keys.load(None, {VARIABLE: "{}"})


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("secret-key", "not JSON"),
        ('["secret-key"]', "not an object"),
        ('{"secret-key": "read"}', "its rights are a list"),
        ('{"secret-key": []}', "its rights are a list"),
        ('{"secret-key": ["reed"]}', "its rights are a list"),
        ('{"secret-key": ["read"], "secret-key": ["manage"]}', "key 2 .* is there twice"),
        ('{"": ["read"]}', "is empty"),
        ('{" secret-key": ["read"]}', "blanks"),
        ('{"secret-k\\u00e9y": ["read"]}', "ASCII"),
        ("{}", "has no keys"),
    ],
)
def test_keys_that_are_wrong_are_refused_and_not_shown(tmp_path: Path, text: str, reason: str) -> None:
    file = tmp_path / "keys.json"
    file.write_text(text)
    with pytest.raises(KeysRefused, match=reason) as refused:
        Keys.load(file)
    assert "secret" not in str(refused.value)
    with pytest.raises(KeysRefused, match="cannot be read"):
        Keys.load(tmp_path / "none.json")


def test_keys_are_never_logged(guarded: Served, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        logging.getLogger("uvicorn").setLevel(logging.DEBUG)
        for path in ("/api/v1/nothing", "/nothing"):
            guarded.http.get(f"{path}?code=manage-key", headers={"x-functions-key": "manage-key"})
        guarded.say(b"GET /?code=manage-key HTTP/1.1\r\nbroken\r\n\r\n")
    ours = [record for record in caplog.records if record.name.startswith(("stead", "uvicorn"))]
    assert not any("manage-key" in f"{record.getMessage()} {record.exc_text}" for record in ours)
    assert "manage-key" not in repr(Keys({"manage-key": ["read"]}))
