"""What an orchestrator hands on is what it was at the call: whatever the code does with its objects later, however the
value looks when it comes back, and in whatever order a process goes through a set.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from stead.app import App
from stead.app.testing import TestHub
from stead.entities import Entity, EntityContext, EntityId, InvalidInput, PayloadTooLarge
from stead.orchestrations import NonRetriable, OrchestrationContext, RetryPolicy, RuntimeStatus

MakeHub = Callable[[App], TestHub]

app = App("arguments")

attempts: list[Any] = []


@app.activity
def echo(value: Any) -> Any:
    return value


@app.activity
def fail_twice(value: Any) -> Any:
    attempts.append(list(value))
    if len(attempts) < 3:
        raise LookupError
    return value


@app.orchestration
async def child(context: OrchestrationContext, value: Any) -> Any:
    return value


@app.orchestration
async def listener(context: OrchestrationContext) -> list[Any]:
    return [await context.wait_for_external_event("page") for _ in range(3)]


@app.entity
class Book(Entity):
    pages: list[Any] = []

    def add(self, page: Any) -> Any:
        self.pages.append(page)
        return page


@app.entity_function("shelf")
def shelf(context: EntityContext) -> Any:
    value: dict[str, Any] = {"n": 1}
    if context.operation_name == "fill":
        for n in range(3):
            value["n"] = n
            context.signal_entity(EntityId("Book", "shelf"), "add", value)
            context.signal_entity(Book.add, "typed", value)
            context.start_new("child", value, instance_id=f"shelf-{n}")
        context.set_state(value)
        value["n"] = 99
    return context.get_state(Any)


@app.orchestration
async def one_dictionary(context: OrchestrationContext, listener_id: str) -> Any:
    """The usual loop with one dictionary that is changed from call to call."""
    payload: dict[str, Any] = {}
    tasks: list[Any] = []
    started: list[str] = []
    for n in range(3):
        payload["n"] = n
        tasks += [
            context.call_activity(echo, payload),
            context.call_activity("echo", payload),
            context.call_sub_orchestrator(child, payload),
            context.call_sub_orchestrator("child", payload),
            context.call_entity(Book.add, "called", payload),
            context.call_entity(EntityId("Book", "by name"), "add", page=payload),
        ]
        context.signal_entity(Book.add, "signalled", payload)
        context.after(timedelta(seconds=n)).signal_entity(Book.add, "later", payload)
        context.send_event(listener_id, "page", payload)
        started.append(context.start_new(child, payload, instance_id=f"{context.instance_id}-{n}"))
        context.set_custom_status(payload)
    payload["n"] = "changed"
    return [(await task)["n"] for task in tasks]


async def test_a_dictionary_that_is_changed_from_call_to_call(make_hub: MakeHub) -> None:
    async with make_hub(app) as hub:
        client = hub.client
        listening = await client.start_new(listener)
        running = await client.start_new(one_dictionary, listening, instance_id="loop")
        status = await client.wait_for_completion(running)
        assert status.output == [0] * 6 + [1] * 6 + [2] * 6
        assert status.custom_status == {"n": 2}
        await hub.advance(timedelta(seconds=5))
        wanted = [{"n": 0}, {"n": 1}, {"n": 2}]
        for key in ("called", "by name", "signalled", "later"):
            book = await client.read_entity(Book, key)
            assert book is not None and book.pages == wanted, key
        assert (await client.wait_for_completion(listening)).output == wanted
        for n in range(3):
            assert (await client.wait_for_completion(f"loop-{n}")).output == {"n": n}


async def test_an_entity_that_changes_what_it_sends(make_hub: MakeHub) -> None:
    async with make_hub(app) as hub:
        client = hub.client
        assert await client.call_entity(EntityId("shelf", "one"), "fill") == {"n": 2}
        await hub.run_until_idle()
        for key in ("shelf", "typed"):
            book = await client.read_entity(Book, key)
            assert book is not None and book.pages == [{"n": 0}, {"n": 1}, {"n": 2}]
        for n in range(3):
            assert (await client.wait_for_completion(f"shelf-{n}")).output == {"n": n}


@app.orchestration
async def continues(context: OrchestrationContext, given: Any) -> Any:
    if len(given) > 1:
        return given
    given["more"] = 1
    context.continue_as_new(given)
    given["later"] = 2
    return None


@app.orchestration
async def retries(context: OrchestrationContext) -> Any:
    payload = [1]
    policy = RetryPolicy(3, timedelta(seconds=1))
    task = context.call_activity(fail_twice.with_options(retry=policy), payload)
    payload.append(2)
    return [await task, payload]


async def test_the_next_execution_and_each_attempt_get_what_was_given(make_hub: MakeHub) -> None:
    attempts.clear()
    async with make_hub(app) as hub:
        client = hub.client
        assert (await client.wait_for_completion(await client.start_new(continues, {"a": 0}))).output == {
            "a": 0,
            "more": 1,
        }
        assert (await client.wait_for_completion(await client.start_new(retries))).output == [[1], [1, 2]]
    assert {tuple(attempt) for attempt in attempts} == {(1,)}


# -- what cannot be stored ---------------------------------------------------------------------------------------------


class Strange:
    """Of no type that can be stored."""


BAD: dict[str, Callable[[OrchestrationContext, Any], Any]] = {
    "activity": lambda context, bad: context.call_activity(echo, bad),
    "activity by name": lambda context, bad: context.call_activity("nobody's", bad),
    "named argument": lambda context, bad: context.call_activity("nobody's", value=[bad]),
    "sub-orchestration": lambda context, bad: context.call_sub_orchestrator(child, bad),
    "sub-orchestration by name": lambda context, bad: context.call_sub_orchestrator("nobody's", bad),
    "start": lambda context, bad: context.start_new(child, bad),
    "start by name": lambda context, bad: context.start_new("nobody's", bad),
    "call": lambda context, bad: context.call_entity(Book.add, "x", bad),
    "call by name": lambda context, bad: context.call_entity(EntityId("elsewhere", "x"), "add", bad),
    "signal": lambda context, bad: context.signal_entity(Book.add, "x", bad),
    "signal by name": lambda context, bad: context.signal_entity(EntityId("elsewhere", "x"), "add", bad),
    "later signal": lambda context, bad: context.after(timedelta(1)).signal_entity(Book.add, "x", bad),
    "event": lambda context, bad: context.send_event("other", "page", bad),
    "custom status": lambda context, bad: context.set_custom_status(bad),
    "continue_as_new": lambda context, bad: context.continue_as_new(bad),
    "http body": lambda context, bad: context.call_http("POST", "http://a.example", body=bad),
}


@app.orchestration
async def tries_all(context: OrchestrationContext, what: str) -> list[str]:
    bad: Any = {"strange": Strange(), "surrogate": "\ud800", "large": "x" * 200_000}[what]
    refused: list[str] = []
    for name, call in BAD.items():
        try:
            call(context, bad)
        except InvalidInput as error:
            refused.append(f"{name}, too large" if isinstance(error, PayloadTooLarge) else name)
    async with context.lock_entities(EntityId("Book", "locked")):
        for _ in range(2):  # the refused call is not one that is under way
            with pytest.raises(InvalidInput):
                context.call_entity(Book.add, "locked", bad)
        assert await context.call_entity(Book.add, "locked", "fine") == "fine"
    assert await context.call_activity(echo, 1) == 1
    return refused


@pytest.mark.parametrize("what", ["strange", "surrogate", "large"])
async def test_what_cannot_be_stored_is_refused_where_it_is_given(
    make_hub: MakeHub, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "settings", app.settings.model_copy(update={"payload_bytes_max": 100_000}))
    async with make_hub(app) as hub:
        client = hub.client
        status = await client.wait_for_completion(await client.start_new(tries_all, what))
        large = what == "large"
        wanted = [f"{name}, too large" if large and name != "custom status" else name for name in BAD]
        assert status.output == wanted, status.failure


@app.orchestration
async def gives_it_on(context: OrchestrationContext) -> None:
    context.call_activity(echo, Strange())  # the user's line


async def test_an_instance_that_fails_by_it_names_the_line_and_the_call(make_hub: MakeHub) -> None:
    async with make_hub(app) as hub:
        status = await hub.client.wait_for_completion(await hub.client.start_new(gives_it_on))
        assert status.failure is not None
        assert "the activity 'echo'" in status.failure.message and "Strange" in status.failure.message
        assert "# the user's line" in status.failure.traceback


# -- order -------------------------------------------------------------------------------------------------------------

order: list[Any] = []


@app.activity
def greet(name: str, greeting: str = "hello") -> str:
    return f"{greeting} {name}"


@app.orchestration
async def from_a_set(context: OrchestrationContext, way: str) -> list[str]:
    """`order` stands for the order of a set, which is another one in the next process."""
    wait = context.create_timer(timedelta(seconds=5))
    tasks: list[Any] = []
    for name in order:
        match way:
            case "activity":
                tasks.append(context.call_activity(greet, name))
            case "named argument":
                tasks.append(context.call_activity("greet", "x", greeting=name))
            case "queue":
                tasks.append(context.call_activity(greet.with_options(queue=name), "x"))
            case "sub-orchestration":
                tasks.append(context.call_sub_orchestrator(child, {"name": name}))
            case "child's ID":
                tasks.append(context.call_sub_orchestrator(child.with_options(instance_id=f"c-{name}"), "x"))
            case "call":
                tasks.append(context.call_entity(Book.add, "greeted", name))
            case "signal":
                context.signal_entity(Book.add, "greeted", name)
            case "event":
                context.send_event("nobody", "page", name)
            case "start":
                context.start_new(child, name)
            case "timer":
                context.create_timer(timedelta(hours=len(name)))
            case _:
                raise NonRetriable(way)
    await wait
    return [str(await task) for task in tasks]


WAYS = {
    "activity": "'greet'",
    "named argument": "'greet'",
    "queue": "'greet'",
    "sub-orchestration": "'child'",
    "child's ID": "'child'",
    "call": "'add'",
    "signal": "'add'",
    "event": "'page'",
    "start": "'child'",
    "timer": "a timer",
}


@pytest.mark.parametrize("way", WAYS)
async def test_an_input_that_is_another_calls_is_nondeterminism(way: str) -> None:
    order[:] = ["amy", "bo", "carla"]
    async with TestHub(app, replay_every_turn=True) as hub:
        instance = await hub.client.start_new(from_a_set, way)
        await hub.run_until_idle()
        order[:] = ["amy", "carla", "bo"]
        await hub.advance(timedelta(seconds=6))
        status = await hub.client.get_status(instance)
        assert status is not None and status.runtime_status is RuntimeStatus.FAILED
        assert status.failure is not None and status.failure.error_type.endswith("NonDeterminismError")
        message = status.failure.message
        assert "number 3" in message and "number 4" in message and WAYS[way] in message
        assert way == "timer" or ("bo" in message and "carla" in message)


async def test_an_input_that_is_nobodys_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    order[:] = ["amy", "bo", "carla"]
    async with TestHub(app, replay_every_turn=True) as hub:
        instance = await hub.client.start_new(from_a_set, "activity")
        await hub.run_until_idle()
        order[:] = ["amy", "bo", "dora"]
        await hub.advance(timedelta(seconds=6))
        status = await hub.client.wait_for_completion(instance)
        assert status.output == ["hello amy", "hello bo", "hello carla"]
    assert "another input" in caplog.text
