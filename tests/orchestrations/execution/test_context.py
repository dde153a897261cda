"""What an orchestrator sees: identity, IDs, random numbers, logs, statuses, starts, signals, HTTP."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

import pytest

from stead.entities import ClassEntityType, Entity, EntityId, OperationFailed, Registry
from stead.orchestrations._definition.activity import make_activity
from stead.orchestrations._definition.orchestration import make_orchestration
from stead.orchestrations._definition.retry import RetryPolicy
from stead.orchestrations._execution.call_http import HttpResponse, headers_for
from stead.orchestrations._execution.context import OrchestrationContext
from stead.orchestrations._history.event_table import fields_of
from stead.orchestrations._history.events import Patched
from stead.transport import InvalidInput
from support.instance_driver import (
    START_MS,
    Driver,
    PlainCode,
    Running,
    begin,
    done,
    failed,
    failure_of,
    make_types,
    only,
    raised,
    result_of,
    scheduled,
    started,
)


async def double(n: int) -> int:
    return 2 * n


async def child(context: OrchestrationContext, name: str = "nobody") -> str:
    return name


DOUBLE: Any = make_activity(double)
CHILD: Any = make_orchestration(child)
NAMES = ["nothing", "number", "function", "of the other sort", "entity"]


async def test_what_it_is() -> None:
    async def flow(context: OrchestrationContext) -> list[Any]:
        return [
            context.instance_id,
            context.parent_instance_id,
            context.name,
            context.version,
            context.tags,
            context.is_locked,
        ]

    execution = begin(flow, parent=["boss", "e", 1], version="1.2", tags={"a": "b"})
    assert result_of(execution) == ["one", "boss", "flow", "1.2", {"a": "b"}, False]


@pytest.mark.parametrize("wrong", [None, 3, double, DOUBLE, EntityId("Account", "a")], ids=NAMES)
async def test_what_is_no_orchestration_is_refused_by_name(wrong: Any) -> None:
    async def flow(context: OrchestrationContext) -> None:
        with pytest.raises(InvalidInput, match="is not an orchestration"):
            await context.call_sub_orchestrator(wrong)
        with pytest.raises(InvalidInput, match="is not an orchestration"):
            context.start_new(wrong)

    assert result_of(begin(flow)) is None


@pytest.mark.parametrize("wrong", [None, 3, double, CHILD, EntityId("Account", "a")], ids=NAMES)
async def test_what_is_no_activity_is_refused_by_name(wrong: Any) -> None:
    async def flow(context: OrchestrationContext) -> None:
        with pytest.raises(InvalidInput, match="is not an activity"):
            await context.call_activity(wrong)

    assert result_of(begin(flow)) is None


async def test_random_things_are_the_same_in_a_replay_and_others_after_a_new_start() -> None:
    async def flow(context: OrchestrationContext) -> list[Any]:
        first = [context.new_uuid(), context.random.random()]
        await context.call_activity("x")
        return [*first, context.new_uuid(), context.random.random()]

    first, second = Driver(flow), Driver(flow, replay_every_turn=True)
    assert first.run() == second.run() is not None
    other = begin(flow, execution_id="another")
    other.feed(done(only(other)))
    drawn: list[Any] = [*result_of(other), *first.outcome.result]  # type: ignore[union-attr]
    assert len(set(drawn)) == 8


async def test_the_log_is_silent_in_a_replay(caplog: pytest.LogCaptureFixture) -> None:
    async def flow(context: OrchestrationContext) -> list[bool]:
        replaying = [context.is_replaying]
        context.logger.warning("first %s", 1)
        await context.call_activity("x")
        replaying.append(context.is_replaying)
        context.logger.warning("second")
        await context.call_activity("y")
        return [*replaying, context.is_replaying]

    caplog.set_level(logging.INFO)
    driver = Driver(flow, replay_every_turn=True)
    assert driver.run().result == [True, True, False]  # type: ignore[union-attr]
    assert [record.getMessage() for record in caplog.records] == ["one: first 1", "one: second"]


async def test_typed_calls() -> None:
    async def flow(context: OrchestrationContext) -> list[Any]:
        with pytest.raises(InvalidInput):
            context.call_activity(DOUBLE, "many")
        options = DOUBLE.with_options(queue="gpu", tags={"t": "1"})
        return [
            await context.call_activity(options, 4),
            await context.call_activity("double", 5),
            await context.call_sub_orchestrator(CHILD),
            await context.call_sub_orchestrator("child", "me"),
        ]

    execution = begin(flow, types=make_types(double=DOUBLE, child=CHILD))
    (call,) = scheduled(execution)
    assert fields_of(call) == ("double", [4], None, "gpu", {"t": "1"}, 1)
    execution.feed(done(call, 8))
    (call,) = scheduled(execution)
    assert fields_of(call) == ("double", [5], None, "", None, 1)
    execution.feed(done(call, 10))
    for given in (None, "me"):
        (call,) = scheduled(execution)
        assert (call.name, call.version) == ("child", None)
        assert call.input in (given, "nobody")
        execution.feed(done(call, "out"))
    assert result_of(execution) == [8, 10, "out", "out"]


async def test_a_result_of_another_type_is_an_error() -> None:
    async def flow(context: OrchestrationContext) -> None:
        await context.call_activity(DOUBLE, 1)

    execution = begin(flow)
    execution.feed(done(only(execution), "many"))
    assert failure_of(execution).error_type.endswith("InvalidInput")


async def test_instance_ids_of_children() -> None:
    async def flow(context: OrchestrationContext) -> list[str]:
        with pytest.raises(InvalidInput, match="own"):
            context.start_new(CHILD.with_options(instance_id="one"))
        first = context.start_new(CHILD, "a")
        second = context.start_new("child", instance_id="mine", at=context.now + timedelta(hours=1), version="2")
        await context.call_sub_orchestrator("child")
        return [first, second]

    execution = begin(flow)
    first, second, called = scheduled(execution)
    assert fields_of(first) == ("child", None, "one:01234567:0001", "a", None, None)
    assert fields_of(second) == ("child", "2", "mine", None, START_MS + 3_600_000, None)
    assert fields_of(called) == ("child", None, "one:01234567:0003", None, None, 1)
    execution.feed(done(called))
    assert result_of(execution) == ["one:01234567:0001", "mine"]


async def test_what_is_sent_is_a_copy() -> None:
    async def flow(context: OrchestrationContext) -> None:
        data = {"n": 1}
        context.send_event("other", "e", data)
        context.call_activity("x", data)
        context.set_custom_status(data)
        data["n"] = 2
        await context.call_activity("x", data)

    execution = begin(flow)
    sent, first, second = scheduled(execution)
    assert fields_of(sent) == ("other", "e", {"n": 1})
    assert first.args == [{"n": 1}]
    assert second.args == [{"n": 2}]
    assert execution.custom_status == {"n": 1}
    execution.close()


async def test_a_custom_status_that_cannot_be_stored_is_named() -> None:
    async def flow(context: OrchestrationContext) -> None:
        context.set_custom_status({"at": object()})

    assert failure_of(begin(flow)).message.startswith("custom status: it cannot be stored")


async def test_a_large_custom_status_is_refused() -> None:
    async def flow(context: OrchestrationContext) -> None:
        context.set_custom_status("x" * 20_000)

    assert "20,003" in failure_of(begin(flow)).message


class Counter(Entity):
    n: int = 0

    def add(self, by: int) -> int:
        self.n += by
        return self.n


async def test_entities_are_called_and_signalled() -> None:
    registry = Registry()
    registry.add(ClassEntityType(Counter))

    async def flow(context: OrchestrationContext) -> list[Any]:
        context.signal_entity(Counter.add, "a", 1)
        context.after(timedelta(seconds=2)).signal_entity(EntityId("Other", "b"), "go", x=1)
        context.at(context.now).signal_entity(Counter.add, "c", 3)
        got: list[Any] = [await context.call_entity(Counter.add, "a", 4)]
        try:
            await context.call_entity(EntityId("Counter", "a"), "add", 5)
        except OperationFailed as error:
            got.append(str(error))
        return got

    execution = begin(flow, types=make_types(registry))
    *signals, call = scheduled(execution)
    assert [fields_of(event) for event in signals] == [
        ("@counter@a", "add", [1], None, None, None),
        ("@other@b", "go", [], {"x": 1}, None, 2_000),
        ("@counter@c", "add", [3], None, START_MS, None),
    ]
    assert fields_of(call) == ("@counter@a", "add", [4], None, None)
    execution.feed(done(call, 5))
    execution.feed(failed(only(execution), ValueError("no")))
    assert result_of(execution) == [5, "operation 'add' of @counter@a raised ValueError: no"]


async def test_a_timer_of_the_past_fires_at_once() -> None:
    async def flow(context: OrchestrationContext) -> None:
        await context.create_timer(context.now - timedelta(days=1))
        await context.create_timer(timedelta(seconds=-5))

    execution = begin(flow)
    (timer,) = scheduled(execution)
    assert fields_of(timer) == (START_MS - 86_400_000, "")
    execution.feed(done(timer))
    (timer,) = scheduled(execution)
    assert fields_of(timer) == (START_MS + 1, "")
    execution.feed(done(timer))
    assert result_of(execution) is None


async def test_patched_is_true_from_the_first_time_on() -> None:
    async def before(context: OrchestrationContext) -> str:
        await context.call_activity("a")
        return str(await context.call_activity("old"))

    async def after(context: OrchestrationContext) -> str:
        first = context.patched("fees")
        await context.call_activity("a")
        second = context.patched("fees")
        return str(await context.call_activity("new" if second else "old")) + str(first)

    fresh = Driver(after, replay_every_turn=True)
    assert fresh.run().result == "newTrue"  # type: ignore[union-attr]
    assert [event.name for event in fresh.wanted if isinstance(event, Patched)] == ["fees"]
    old = begin(before)
    (call,) = scheduled(old)
    old.close()
    replayed = Running(PlainCode(after), [started(), call])
    replayed.feed(done(call))
    (call,) = scheduled(replayed)
    assert call.name == "old"
    replayed.feed(done(call, "old"))
    assert result_of(replayed) == "oldFalse"


# -- HTTP --------------------------------------------------------------------------------------------------------------


def answered(status: int, body: str = "", **headers: str) -> dict[str, Any]:
    return {
        "status": status,
        "headers": {name.replace("_", "-"): value for name, value in headers.items()},
        "body": body,
    }


async def test_http_asks_again_after_a_202() -> None:
    async def flow(context: OrchestrationContext) -> list[Any]:
        response = await context.call_http("post", "https://a.example/jobs", headers={"Authorization": "k"}, body="{}")
        assert isinstance(response, HttpResponse)
        return [response.status, response.json()]

    execution = begin(flow)
    (call,) = scheduled(execution)
    assert (call.name, call.args) == (
        "stead.http",
        ["POST", "https://a.example/jobs", {"Authorization": "k"}, "{}", None],
    )
    execution.feed(done(call, answered(202, Location="/jobs/7", Retry_After="5")))
    (timer,) = scheduled(execution)
    assert fields_of(timer) == (START_MS + 1 + 5_000, "poll of stead.http")
    execution.feed(done(timer))
    (call,) = scheduled(execution)
    assert call.args == ["GET", "https://a.example/jobs/7", {"Authorization": "k"}, None, None]
    execution.feed(done(call, answered(202, Location="https://b.example/x")))
    (timer,) = scheduled(execution)
    execution.feed(done(timer))
    (call,) = scheduled(execution)
    assert call.args == ["GET", "https://b.example/x", None, None, None]
    execution.feed(done(call, answered(200, '{"n": 1}')))
    assert result_of(execution) == [200, {"n": 1}]


async def test_http_can_be_cancelled_and_told_not_to_ask_again() -> None:
    async def flow(context: OrchestrationContext) -> int:
        context.call_http("GET", "http://a.example").cancel()
        with pytest.raises(InvalidInput):
            context.call_http("GET", "ftp://a.example")
        response = await context.call_http("GET", "http://a.example", poll=False, retry=RetryPolicy(2))
        return response.status

    execution = begin(flow)
    (call,) = scheduled(execution)
    execution.feed(failed(call, OSError("unreachable")))
    (timer,) = scheduled(execution)
    assert timer.purpose == "retry of stead.http"
    execution.feed(done(timer))
    execution.feed(done(only(execution), answered(202, location="/x")))
    assert result_of(execution) == 202


def test_credentials_stay_with_their_origin() -> None:
    headers = {"Authorization": "1", "COOKIE": "2", "x-functions-key": "3", "Accept": "4", "Content-Type": "5"}
    assert headers_for("http://a/x", "http://A:80/y", headers) == {
        "Authorization": "1",
        "COOKIE": "2",
        "x-functions-key": "3",
        "Accept": "4",
    }
    for target in ("https://a/y", "http://a:81/y", "http://b/y"):
        assert headers_for("http://a/x", target, headers) == {"Accept": "4"}


async def test_the_input_of_an_event_name_is_checked() -> None:
    async def flow(context: OrchestrationContext) -> None:
        for name in ("", "x" * 300, "a\nb"):
            with pytest.raises(InvalidInput):
                context.wait_for_external_event(name)
        await context.wait_for_external_event("fine")

    execution = begin(flow)
    execution.feed(raised("FINE"))
    assert result_of(execution) is None
