"""What goes wrong, as answers of both surfaces; and which route a request belongs to."""

from __future__ import annotations

import logging

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount

from stead.entities import CallTimeout, EntityId, OperationFailed, SteadError, UnknownEntity, UnknownOperation
from stead.gateway import HttpSettings, Hub, asgi
from stead.gateway._http.errors import HttpError
from stead.gateway._http.json_values import json_response
from stead.gateway._http.routes import Handler, Route, RouteTree, path_segments
from stead.orchestrations import (
    InstanceExists,
    InstanceFinished,
    InstanceRunning,
    UnknownInstance,
    UnknownOrchestration,
)
from stead.transport import BacklogFull, InvalidInput, PayloadTooLarge, StoreUnavailable
from support.gateway_app import make_app
from support.gateway_tools import in_memory

ERRORS: list[tuple[Exception, int]] = [
    (InvalidInput("entity key", "too long"), 400),
    (UnknownEntity("Nobody"), 404),
    (UnknownOperation("nothing", "Station"), 404),
    (UnknownOrchestration("nobody"), 404),
    (UnknownInstance("a"), 404),
    (InstanceExists("a"), 409),
    (InstanceRunning("a"), 409),
    (InstanceFinished("a"), 410),
    (PayloadTooLarge("input", 2, 1), 413),
    (OperationFailed(EntityId("a", "b"), "op", "ValueError", "no", "Traceback: secret"), 422),
    (BacklogFull(1, "full"), 429),
    (CallTimeout("a call", 1), 504),
    (StoreUnavailable("away"), 503),
    (HttpError(418, "teapot"), 418),
]


def failing(error: Exception) -> list[Route]:
    async def fail(request: Request, hub: Hub) -> Response:
        raise error

    return [Route("GET", "/df", fail, "read"), Route("GET", "/api/v1/x", fail, "read")]


@pytest.mark.parametrize(("error", "status"), ERRORS, ids=lambda value: type(value).__name__)
async def test_each_error_has_its_status_on_both_surfaces(error: Exception, status: int) -> None:
    async with in_memory(failing(error)) as http:
        plain = await http.get("/df")
        assert plain.status_code == status
        assert list(plain.json()) == (["Message", "ExceptionMessage"] if status == 400 else ["Message"])
        assert len(set(plain.json().values())) == 1
        assert plain.headers["content-type"] == "application/json; charset=utf-8"
        problem = await http.get("/api/v1/x")
        assert problem.status_code == status
        assert problem.headers["content-type"] == "application/problem+json"
        assert list(problem.json())[:4] == ["type", "title", "status", "detail"]
        assert problem.json()["status"] == status
        assert problem.json()["detail"] == plain.json()["Message"]
        for answer in (plain, problem):
            assert ("retry-after" in answer.headers) == (status in {429, 503})
            assert "secret" not in answer.text
            assert "Traceback" not in answer.text


async def test_problem_details_have_the_errors_own_fields() -> None:
    async with in_memory(failing(ERRORS[9][0])) as http:
        body = (await http.get("/api/v1/x")).json()
        assert body["type"] == "urn:stead-error:operation-failed"
        assert body["title"] == "Operation failed"
        assert (body["entity_id"], body["operation"], body["error_type"], body["message"]) == (
            "@a@b",
            "op",
            "ValueError",
            "no",
        )


async def test_what_nobody_foresaw_is_logged_under_an_id_and_not_shown(caplog: pytest.LogCaptureFixture) -> None:
    for error in (RuntimeError("secret"), SteadError("secret")):
        async with in_memory(failing(error)) as http:
            caplog.clear()
            problem = await http.get("/api/v1/x?code=hidden")
            assert problem.status_code == 500
            assert "secret" not in problem.text
            (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
            assert problem.json()["error_id"] in record.getMessage()
            assert "hidden" not in record.getMessage()
            assert "secret" in str(record.exc_info)
            assert "secret" not in (await http.get("/df")).text


def named(name: str) -> Handler:
    async def handler(request: Request, hub: Hub) -> Response:
        return json_response({name: request.path_params})

    return handler


def table(*routes: str) -> list[Route]:
    parts = [route.partition(" ") for route in routes]
    return [Route(method, path, named(path), None) for method, _, path in parts]


async def test_unknown_routes_and_wrong_verbs_are_404() -> None:
    async with in_memory(table("GET /instances/{id}", "POST /api/v1/x")) as http:
        assert (await http.get("/instances/a")).status_code == 200
        assert (await http.head("/instances/a")).status_code == 200
        assert (await http.get("/instances/a/")).status_code == 200
        for method, path in (
            ("GET", "/"),
            ("GET", "/instances"),
            ("GET", "/instances/"),
            ("GET", "/instances/a/b"),
            ("GET", "/instances//"),
            ("PUT", "/instances/a"),
            ("OPTIONS", "/instances/a"),
            ("GET", "/api/v1/x"),
        ):
            answer = await http.request(method, path)
            assert answer.status_code == 404, (method, path)
            assert ("Message" in answer.json()) == (path != "/api/v1/x")


def test_literal_segments_win_and_case_matters_below_api_v1_only() -> None:
    routes = RouteTree(table("GET /e/{name}/{key}", "GET /e/all/{key}", "GET /e/{name}/x/y", "GET /api/v1/Things"))

    def found(path: str) -> str | None:
        match = routes.find("GET", path.strip("/").split("/"))
        return match and match.route.path

    assert found("/e/a/b") == "/e/{name}/{key}"
    assert found("/e/all/b") == "/e/all/{key}"
    assert found("/E/ALL/b") == "/e/all/{key}"
    assert found("/e/all/x/y") == "/e/{name}/x/y"
    assert found("/api/v1/Things") == "/api/v1/Things"
    assert found("/api/v1/things") is None
    with pytest.raises(ValueError, match="twice"):
        RouteTree(table("GET /a", "GET /a"))


def test_an_escaped_slash_belongs_to_its_segment() -> None:
    def segments(raw: str, root: str = "") -> list[str]:
        path = httpx.URL("http://x" + raw).path
        return path_segments({"path": path, "raw_path": raw.encode(), "root_path": root})

    assert segments("/a/b%2Fc/d") == ["a", "b/c", "d"]
    assert segments("/mount/a/b%2Fc", "/mount") == ["a", "b/c"]
    assert segments("/mo%20unt/a/b%2Fc", "/mo unt") == ["a", "b/c"]
    assert segments("/a/%C3%A9%20%25/") == ["a", "é %"]
    assert segments("/mounted", "/mount") == ["mounted"]
    assert segments("/") == []
    assert path_segments({"path": "/a/b/c", "root_path": "/a"}) == ["b", "c"]
    with pytest.raises(HttpError, match="UTF-8"):
        path_segments({"path": "/a/\ufffd", "raw_path": b"/a/%FF"})


async def test_it_can_be_mounted_in_another_application() -> None:
    gateway = asgi(make_app(), "memory://", settings=HttpSettings())
    outer = Starlette(routes=[Mount("/hub", gateway)])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(outer), base_url="http://outer") as http:
        said = "there is no route for GET /hub/nothing; /hub/docs shows all"
        assert (await http.get("/hub/nothing")).json() == {"Message": said}
        assert (await http.get("/hub/docs")).status_code == 200
        problem = await http.get("/hub/api/v1/nothing")
        assert problem.headers["content-type"] == "application/problem+json"
    await gateway.aclose()


async def test_the_lifespan_opens_and_closes_the_hub() -> None:
    gateway = asgi(make_app(), "memory://")
    messages = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])
    sent: list[str] = []

    async def receive() -> dict[str, str]:
        return next(messages)

    async def send(message: dict[str, str]) -> None:
        sent.append(message["type"])
        assert (gateway._hub is not None) == (len(sent) == 1)

    await gateway({"type": "lifespan"}, receive, send)  # type: ignore[arg-type]
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
