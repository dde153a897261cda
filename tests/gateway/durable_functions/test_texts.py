"""The Durable Functions surface: texts that hold JSON, and empty ones, as its clients send them.

A text is what it is where a text is declared, and otherwise what it holds: in inputs, in the data of events, in arguments.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import date
from enum import Enum
from typing import Any

import pytest
from pydantic_core import to_jsonable_python

from stead.app import App
from stead.entities import Entity, EntityContext
from stead.orchestrations import OrchestrationContext
from stead.transport import Settings
from support.df_gateway import BASE, Gateway
from support.gateway_tools import serve
from support.v1_gateway import eventually, work
from support.valkey_server import ValkeyServer

PYTHON = {"user-agent": "Python/3.12 aiohttp/3.14.5", "content-type": "application/json"}
JAVASCRIPT = {"user-agent": "axios/1.21.1", "content-type": "application/json"}
ANY = {"content-type": "application/json"}
_names = itertools.count()


@dataclass
class Order:
    item: str
    count: int = 1


class Colour(Enum):
    RED = "red"


FORMS: dict[str, Any] = {
    "order": Order,
    "number": int,
    "items": list[str],
    "table": dict[str, int],
    "day": date,
    "colour": Colour,
    "flag": bool,
    "text": str,
    "text_or_order": str | Order,
    "maybe": Order | None,
    "anything": Any,
    "anything_or_none": Any | None,
}


def make_app() -> App:
    app = App(f"texts{next(_names)}", settings=Settings(partitions=4, slot_groups=2))
    for name, form in FORMS.items():
        _define(app, name, form)

    @app.orchestration
    async def greet(context: OrchestrationContext, name: str = "World") -> str:
        return f"Hello {name}!"

    @app.orchestration
    async def required(context: OrchestrationContext, name: str) -> str:
        return f"Hello {name}!"

    @app.orchestration
    async def count(context: OrchestrationContext, number: int = 7) -> int:
        return number

    @app.orchestration
    async def nothing(context: OrchestrationContext) -> str:
        return "done"

    @app.orchestration
    async def twice_continued(context: OrchestrationContext, rounds: int) -> Any:
        if rounds:
            await context.wait_for_external_event("go", Any)
            context.continue_as_new(rounds - 1)
            return None
        return [await context.wait_for_external_event("form", form) for form in (Order, str, Any)]

    @app.entity_function("Free")
    def free(context: EntityContext) -> None:
        context.set_state(list(context.args))

    return app


def _define(app: App, name: str, form: Any) -> None:
    """An orchestration, one that waits for an event, and an operation, all of one type."""

    async def takes(context: OrchestrationContext, value: Any) -> Any:
        return [type(value).__name__, value]

    async def waits(context: OrchestrationContext) -> Any:
        value = await context.wait_for_external_event("form", form)
        return [type(value).__name__, value]

    takes.__annotations__["value"] = form
    app.orchestration(name=f"takes_{name}")(takes)
    app.orchestration(name=f"waits_{name}")(waits)

    def keep(self: Any, value: Any) -> None:
        self.kept = [type(value).__name__, to_jsonable_python(value)]

    keep.__annotations__["value"] = form
    kept: Any = None
    app.entity(
        type(
            f"Keeps_{name}",
            (Entity,),
            {"__annotations__": {"kept": Any}, "kept": kept, "keep": keep, "__module__": __name__},
        )
    )


@pytest.fixture(scope="module")
def df(module_server: ValkeyServer) -> Iterator[Gateway]:
    app = make_app()
    with serve(app, module_server.url) as served:
        yield Gateway(app, served.url, served.http)


def post(df: Gateway, path: str, body: str, headers: dict[str, str]) -> int:
    return df.http.post(f"{BASE}/{path}", content=body, headers=headers).status_code


def by_input(df: Gateway, name: str, body: str, headers: dict[str, str]) -> Any:
    answer = df.http.post(f"{BASE}/orchestrators/takes_{name}", content=body, headers=headers)
    return df.ended(answer.json()["id"])["output"] if answer.status_code == 202 else answer.status_code


def by_event(df: Gateway, name: str, body: str, headers: dict[str, str]) -> Any:
    instance_id = df.start(f"waits_{name}")
    assert post(df, f"instances/{instance_id}/raiseEvent/form", body, headers) == 202
    status = df.ended(instance_id)
    return status["output"] if status["runtimeStatus"] == "Completed" else 400


def by_signal(df: Gateway, name: str, body: str, headers: dict[str, str]) -> Any:
    path = f"entities/keeps_{name}/{next(_names)}"
    status = post(df, f"{path}?op=keep", body, headers)
    if status != 202:
        return status
    deadline = itertools.count()
    while (answer := df.http.get(f"{BASE}/{path}")).status_code == 404:
        assert next(deadline) < 10_000, path
    return answer.json()["kept"]


DOORS = {"input": by_input, "event": by_event, "signal": by_signal}
ORDER = json.dumps({"item": "tea", "count": 2})

# A type, the text that is sent (as a JSON string), and what arrives.
MEANT = [
    ("order", ORDER, ["Order", {"item": "tea", "count": 2}]),
    ("maybe", ORDER, ["Order", {"item": "tea", "count": 2}]),
    ("maybe", "null", ["NoneType", None]),
    ("number", "5", ["int", 5]),
    ("items", '["a", "b"]', ["list", ["a", "b"]]),
    ("table", '{"a": 1}', ["dict", {"a": 1}]),
    ("day", '"2030-01-31"', ["date", "2030-01-31"]),
    ("day", "2030-01-31", ["date", "2030-01-31"]),
    ("colour", '"red"', ["Colour", "red"]),
    ("colour", "red", ["Colour", "red"]),
    ("flag", "true", ["bool", True]),
    ("text", "5", ["str", "5"]),
    ("text", ORDER, ["str", ORDER]),
    ("text", "plain", ["str", "plain"]),
    ("text", '"quoted"', ["str", '"quoted"']),
    ("text_or_order", ORDER, ["str", ORDER]),
    ("anything", ORDER, ["dict", {"item": "tea", "count": 2}]),
    ("anything", "5", ["int", 5]),
    ("anything", "not JSON", ["str", "not JSON"]),
    ("anything_or_none", "[1]", ["list", [1]]),
    ("order", '{"item": 5}', 400),
    ("number", "five", 400),
]


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(("name", "text", "arrives"), MEANT)
def test_a_text_is_what_is_declared(df: Gateway, door: str, name: str, text: str, arrives: Any) -> None:
    assert DOORS[door](df, name, json.dumps(text), ANY) == arrives


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(
    ("name", "value", "arrives"),
    [
        ("text", "plain", ["str", "plain"]),
        ("text", "5", ["str", "5"]),
        ("text", "", ["str", ""]),
        ("anything", "5", ["str", "5"]),
        ("anything", 5, ["int", 5]),
        ("anything", {"a": [None]}, ["dict", {"a": [None]}]),
        ("text_or_order", asdict(Order("tea")), ["Order", {"item": "tea", "count": 1}]),
        ("order", asdict(Order("tea")), ["Order", {"item": "tea", "count": 1}]),
    ],
)
def test_what_the_python_client_sends_is_what_it_was_given(
    df: Gateway, door: str, name: str, value: Any, arrives: Any
) -> None:
    assert DOORS[door](df, name, json.dumps(json.dumps(value)), PYTHON) == arrives


def test_an_empty_text_of_the_javascript_client_is_no_input(df: Gateway) -> None:
    """It sends one where it is given none, so that nothing else can be told from it."""

    def run(name: str, headers: dict[str, str]) -> Any:
        answer = df.http.post(f"{BASE}/orchestrators/{name}?timeout=150", content='""', headers=headers)
        return answer.json() if answer.status_code == 200 else answer.status_code

    for headers in (JAVASCRIPT, ANY):
        assert run("nothing", headers) == "done"
        assert run("count", headers) == 7
        assert run("required", headers) == "Hello !"
    assert run("greet", JAVASCRIPT) == "Hello World!"
    assert run("greet", ANY) == "Hello !"
    assert run("takes_order", JAVASCRIPT) == 400
    assert run("takes_maybe", JAVASCRIPT) == ["NoneType", None]


@pytest.mark.parametrize("headers", [PYTHON, JAVASCRIPT, ANY], ids=["python", "javascript", "any"])
def test_what_takes_no_input_starts_with_one_that_says_nothing(df: Gateway, headers: dict[str, str]) -> None:
    """As in Durable Functions, where nobody looks at it. What says something is refused: it would be lost."""
    twice = headers is PYTHON

    def run(name: str, value: Any) -> Any:
        body = json.dumps(json.dumps(value) if twice else value)
        answer = df.http.post(f"{BASE}/orchestrators/{name}?timeout=150", content=body, headers=headers)
        return answer.json() if answer.status_code == 200 else (answer.status_code, answer.text)

    nothing: list[Any] = ["", None, 0, 0.0, False, [], {}]
    something: list[Any] = [5, "text", True, [0], {"a": None}]
    for value in nothing:
        assert run("nothing", value) == "done"
    for value in something:
        status, text = run("nothing", value)
        assert status == 400
        assert "it takes none" in text
    assert run("count", "") == 7
    assert run("count", 0) == 0
    assert run("greet", "") == ("Hello World!" if headers is JAVASCRIPT else "Hello !")
    assert run("required", "") == "Hello !"
    for value in nothing:
        assert run("takes_order", value)[0] == 400


def test_an_event_without_data(df: Gateway) -> None:
    """The JavaScript client sends an empty body where it is given no data."""
    instance_id = df.start("waits_anything")
    path = f"instances/{instance_id}/raiseEvent/form"
    assert post(df, path, "", ANY) == 400
    assert post(df, path, "", JAVASCRIPT) == 202
    assert df.ended(instance_id)["output"] == ["NoneType", None]


def test_an_entity_that_takes_whatever_it_is_sent(df: Gateway) -> None:
    for body, headers, kept in (
        (json.dumps('{"a": 1}'), ANY, [{"a": 1}]),
        (json.dumps("5"), PYTHON, [5]),
        ("5", {"content-type": "text/plain"}, ["5"]),
        ("", JAVASCRIPT, []),
    ):
        path = f"free/{next(_names)}"
        assert post(df, f"entities/{path}?op=any", body, headers) == 202
        df.state(path, kept)


def test_a_text_with_json_for_what_is_typed_is_read_however_it_says_that_it_is_sent(df: Gateway) -> None:
    assert by_signal(df, "order", ORDER, {"content-type": "text/plain"}) == ["Order", {"item": "tea", "count": 2}]
    assert by_signal(df, "text", ORDER, {"content-type": "text/plain"}) == ["str", ORDER]


def test_texts_in_events_last_over_continue_as_new_and_replays(df: Gateway) -> None:
    instance_id = df.start("twice_continued", 2)
    path = f"instances/{instance_id}/raiseEvent"
    for _ in range(3):
        assert post(df, f"{path}/form", json.dumps(ORDER), ANY) == 202
    for _ in range(2):
        assert post(df, f"{path}/go", "null", ANY) == 202
    found = {"item": "tea", "count": 2}
    assert df.ended(instance_id)["output"] == [found, ORDER, found]
    shown = df.http.get(f"{BASE}/instances/{instance_id}?showHistory=true").json()["historyEvents"]
    raised = [event for event in shown if event["EventType"] == "EventRaised"]
    assert [event["Input"] for event in raised] == [ORDER] * 3
    assert all(set(event) == {"EventType", "Name", "Input", "Timestamp"} for event in raised)


def test_other_doors_leave_texts_alone(df: Gateway) -> None:
    """What is not of Durable Functions is what it says: its clients know types."""
    answer = df.http.post("/api/v1/entities/keeps_anything/v1/keep?wait=true", json={"args": ["5"]})
    assert answer.status_code == 200, answer.text
    assert df.http.get(f"{BASE}/entities/keeps_anything/v1").json()["kept"] == ["str", "5"]
    assert df.http.post("/api/v1/entities/keeps_order/v1/keep", json={"args": [ORDER]}).status_code == 400


def test_a_gateway_that_does_not_know_the_code_reads_what_the_python_client_means(module_server: ValkeyServer) -> None:
    """What others mean by a text it cannot know: it passes that on as it is."""
    app = make_app()
    with serve(App(app.name, settings=app.settings), module_server.url, worker=False) as served:
        df, order = Gateway(app, served.url, served.http), json.dumps(json.dumps(asdict(Order("tea"))))
        with work(app, module_server.url):
            eventually(lambda: by_input(df, "order", order, PYTHON) == ["Order", {"item": "tea", "count": 1}] or None)
            assert by_input(df, "text", json.dumps(json.dumps("5")), PYTHON) == ["str", "5"]
            assert by_input(df, "text", json.dumps("5"), ANY) == ["str", "5"]
            assert by_signal(df, "order", order, PYTHON) == ["Order", {"item": "tea", "count": 1}]
            assert by_signal(df, "text", json.dumps(ORDER), ANY) == ["str", ORDER]
            assert by_event(df, "order", json.dumps(ORDER), ANY) == ["Order", {"item": "tea", "count": 2}]
