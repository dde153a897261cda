"""The OpenAPI document, the page, and requests made from the document at random: none may be answered unexpectedly."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import checks as known_checks
from schemathesis.generation import GenerationMode

from stead.gateway import ROUTES, HttpSettings
from support.gateway_tools import Served, serve
from support.guards import HANGS_S
from support.v1_gateway import make_v1_app
from support.valkey_server import ValkeyServer

known_checks.load_all_checks()

# How many requests of a mode are made for each route.
EXAMPLES = 3

CHECKED = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
]
ENDLESS = ("/api/v1/entities/{name}/{key}/events", "/api/v1/hub/events")


@schemathesis.serializer("application/x-ndjson")
def as_line(context: schemathesis.SerializationContext, value: Any) -> bytes:
    return json.dumps(value).encode() + b"\n"


@pytest.fixture(scope="module")
def served(module_server: ValkeyServer) -> Iterator[Served]:
    with serve(make_v1_app(), module_server.url, settings=HttpSettings(wait_ms_max=50)) as running:
        yield running


@pytest.fixture(scope="module")
def document(served: Served) -> dict[str, Any]:
    found: dict[str, Any] = served.http.get("/openapi.json").json()
    return found


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for verb, operation in item.items():
            yield verb, path, operation


def test_the_document_is_openapi(document: dict[str, Any], served: Served) -> None:
    assert document["openapi"].startswith("3.1")
    assert document["servers"] == [{"url": served.url}]
    assert set(document["components"]["securitySchemes"]) == {"functionsKey", "bearer", "code"}


def test_every_route_is_in_it(document: dict[str, Any]) -> None:
    described = {(verb.upper(), path) for verb, path, _ in operations(document)}
    assert described == {(route.method, route.path) for route in ROUTES}


def test_operations_have_names_of_their_own_and_describe_their_paths(document: dict[str, Any]) -> None:
    names = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(names) == len(set(names))
    for verb, path, operation in operations(document):
        found = {one["name"] for one in operation.get("parameters", ()) if one["in"] == "path"}
        assert found == set(re.findall(r"\{(\w+)\}", path)), (verb, path)
        if path.startswith("/api/v1"):
            assert operation["security"], path
            assert operation["summary"] and operation["tags"]
            assert all("description" in one for one in operation.get("parameters", ())), path


def test_this_servers_own_routes_come_first_and_aliases_last(document: dict[str, Any]) -> None:
    """The page shows tags in their order, and in each the routes in theirs."""
    tags = [tag["name"] for tag in document["tags"]]
    assert tags[:3] == ["Entities", "Signals", "Instances"]
    assert tags[-1] == "Other addresses of the same"
    foreign = [name.startswith("Durable Functions") for name in tags[:-1]]
    assert foreign == sorted(foreign)
    assert next(iter(document["paths"])).startswith("/api/v1/")
    order = [
        tags.index(operation["tags"][0]) for _, path, operation in operations(document) if path.startswith("/api/v1")
    ]
    assert max(order) < foreign.index(True)
    for verb, path, operation in operations(document):
        alias = path.startswith("/admin/") or (
            path.endswith("orchestrators/{name}/{instance_id}") and "webhooks" not in path
        )
        assert operation.get("deprecated", False) is alias is (operation["tags"] == tags[-1:]), (verb, path)


def test_every_reference_leads_somewhere_and_every_schema_is_one(document: dict[str, Any]) -> None:
    for reference in set(re.findall(r"'\$ref': '#/([^']+)'", str(document))):
        found: Any = document
        for step in reference.split("/"):
            found = found[step]
    for schema in document["components"]["schemas"].values():
        jsonschema_rs.meta.validate({"$schema": "https://json-schema.org/draft/2020-12/schema"} | schema)


def test_the_page_reaches_no_other_host(served: Served) -> None:
    answer = served.http.get("/docs")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert not re.findall(
        r"(?:https?:)?//[a-z0-9.-]+\.[a-z]", re.sub(r"^\s*//.*$", "", answer.text, flags=re.MULTILINE)
    )
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'") and "unsafe" not in policy and "connect-src 'self'" in policy


def with_known_names(document: dict[str, Any]) -> dict[str, Any]:
    """The document, with names that the hub knows: nearly all others are answered by 404."""
    known = copy.deepcopy(document)
    for path in ENDLESS:
        del known["paths"][path]
    del known["paths"]["/docs"], known["paths"]["/openapi.json"]
    for path, item in known["paths"].items():
        for operation in item.values():
            for parameter in operation.get("parameters", ()):
                name = parameter["name"]
                if parameter["in"] == "path" and name in {"name", "operation"}:
                    entities, orchestrations = ["Station", "log", "Anything"], ["hello", "approval"]
                    parameter["schema"]["enum"] = (
                        ["record", "mean", "add", "fail", "delete"]
                        if name == "operation"
                        else (entities if "/entities" in path else orchestrations)
                    )
                elif parameter["in"] == "path" and name == "key":
                    parameter["schema"]["maxLength"] = 20
    return known


@pytest.fixture(scope="module")
def schema(document: dict[str, Any]) -> Any:
    return schemathesis.openapi.from_dict(with_known_names(document))


# One test a route: how long all of them take grows with the interface, and this takes its time.
ASKED = sorted((route.method, route.path) for route in ROUTES if route.path not in {*ENDLESS, "/docs", "/openapi.json"})


@pytest.mark.slow
@pytest.mark.parametrize(("verb", "path"), ASKED)
def test_nothing_is_answered_unexpectedly(verb: str, path: str, schema: Any, served: Served) -> None:
    operation = schema[path][verb]
    if operation.definition.raw.get("deprecated"):
        return  # another way to a route that is asked in any case
    ask(operation, GenerationMode.POSITIVE, served.url)
    if path.startswith("/api/v1"):  # what the others refuse has tests of its own
        ask(operation, GenerationMode.NEGATIVE, served.url)
    if path.endswith("/drain"):  # names come from earlier answers, too: it may have been this hub's own worker
        for worker in served.http.get("/api/v1/hub").json()["workers"]:
            assert served.http.post(f"/api/v1/workers/{worker['worker']}/resume").is_success


def ask(operation: Any, mode: GenerationMode, url: str) -> None:
    """Make some requests to a route, and look at the answers."""
    # A bulk request whose lines are wrong is right, and says in its answer what is wrong with them.
    lines = operation.path == "/api/v1/signals" and mode is GenerationMode.NEGATIVE
    registry: Any = vars(known_checks)["CHECKS"]  # its own types are partial
    checks = [registry.get_one(name) for name in (CHECKED[:-1] if lines else CHECKED)]

    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def one(case: Any) -> None:
        case.call_and_validate(base_url=url, checks=checks, timeout=HANGS_S)

    one()
