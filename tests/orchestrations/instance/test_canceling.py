"""Instances that are asked to end: what their code sees and may still do, and what becomes of their children."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from orchestrations.instance.test_children import statuses
from stead.entities import EntityId
from stead.entities._message import envelope
from stead.entities.extending import MESSAGE_VERSION, UnknownEnvelope, decode_message, encode_message
from stead.orchestrations._execution.context import OrchestrationContext
from stead.orchestrations._history.messages import CANCEL, TERMINATE, message_version
from stead.orchestrations._history.record import InstanceRecord
from support.kind_bench import CALLER, KindHub, messages_to
from support.kind_modes import Make
from support.undoing import child, undo, undone


@pytest.fixture(autouse=True)
def _nothing_undone() -> None:
    undone.clear()


async def books(context: OrchestrationContext, how: str = "raises") -> object:
    try:
        return await context.wait_for_external_event("go")
    except asyncio.CancelledError as error:
        await context.create_timer(timedelta(minutes=1))
        await context.call_activity("undo", f"the booking: {error}")
        if how == "returns":
            return "something else"
        if how == "fails":
            raise ValueError("it cannot be undone") from None
        if how == "again":
            context.continue_as_new("raises")
            return None
        raise


def asked(make: Make, *functions: Any, name: str = "books", input: Any = "raises") -> KindHub:
    hub = make(*functions)
    hub.activities["undo"] = undo
    hub.start(name, input)
    hub.run()
    hub.send("one", CANCEL, "enough")
    hub.run()
    return hub


def test_it_is_cancelled_where_it_waits_undoes_things_and_is_canceled(make: Make) -> None:
    hub = asked(make, books)
    assert (hub.status(), hub.record().reason) == ("Running", "enough")
    hub.send("one", "wait", reply_to=CALLER)
    hub.advance(60_000)
    assert (hub.status(), hub.output(), undone) == ("Canceled", "enough", ["the booking: enough"])
    assert hub.names()[-1] == "ExecutionCompleted"
    assert len(hub.replies) == 1
    assert hub.record().failure is None


def test_what_it_does_about_it_is_its_own(make: Make) -> None:
    for how, status, output in [("returns", "Completed", "something else"), ("fails", "Failed", None)]:
        hub = asked(make, books, input=how)
        hub.advance(60_000)
        assert (hub.status(), hub.output()) == (status, output)
    hub = asked(make, books, input="again")
    hub.advance(60_000)
    assert hub.status() == "Running"
    hub.send("one", "event", "go", 7)
    assert hub.run().output() == 7


def test_it_is_not_disturbed_while_it_undoes_things(make: Make) -> None:
    hub = asked(make, books)
    hub.send("one", CANCEL, "hurry up")
    hub.run()
    hub.crash()
    hub.send("one", CANCEL, "will you")
    hub.advance(60_000)
    assert (hub.status(), hub.output(), undone) == ("Canceled", "enough", ["the booking: enough"])


def test_it_can_be_terminated_meanwhile(make: Make) -> None:
    hub = asked(make, books)
    hub.send("one", TERMINATE, "now", True)
    hub.advance(60_000)
    assert (hub.status(), hub.output(), undone) == ("Terminated", "now", [])
    hub.send("one", CANCEL, "enough")
    hub.run()
    assert (hub.status(), hub.output()) == ("Terminated", "now")


@pytest.mark.parametrize("first", [0, 1])
def test_whichever_comes_first_of_an_event_and_the_request(make: Make, first: int) -> None:
    hub = make(books)
    hub.activities["undo"] = undo
    hub.start("books")
    hub.run()
    messages: list[tuple[str, list[object]]] = [("event", ["go", 1]), (CANCEL, ["enough"])]
    for operation, args in (messages[first], messages[1 - first]):
        hub.send("one", operation, *args)
    hub.advance(60_000)
    assert hub.status() == ("Canceled" if first else "Completed")


def test_what_has_not_begun_has_nothing_to_undo(make: Make) -> None:
    hub = make(books)
    hub.activities["undo"] = undo
    hub.start("books", at_ms=hub.now_ms + 60_000)
    hub.start("unheard of", instance_id="two")
    hub.run()
    for instance_id in ("one", "two"):
        hub.send(instance_id, CANCEL, "never mind")
    hub.run()
    assert statuses(hub, "one", "two") == ["Canceled", "Canceled"]
    assert hub.output("two") == "never mind"
    assert not hub.timers and not hub.blocked and not undone
    hub.advance(120_000)
    assert hub.status() == "Canceled"


def test_between_two_executions_the_next_one_is_asked(make: Make) -> None:
    async def turns(context: OrchestrationContext, left: int) -> None:
        if left:
            context.continue_as_new(left - 1)
            return
        await child(context)

    hub = make(turns)
    hub.activities["undo"] = undo
    hub.start("turns", 3)
    hub.run()
    del hub.registry.codes["turns", None]
    hub.crash()
    hub.send("one", CANCEL, "enough")
    hub.run()
    hub.register(turns)
    hub.crash().run()
    assert (hub.status(), undone) == ("Canceled", ["one"])


def test_a_suspended_one_hears_of_it_when_it_goes_on(make: Make) -> None:
    hub = make(books)
    hub.activities["undo"] = undo
    hub.start("books")
    hub.run()
    hub.send("one", "suspend", "lunch")
    hub.send("one", CANCEL, "enough")
    hub.advance(60_000)
    assert (hub.status(), undone) == ("Suspended", [])
    hub.crash()
    hub.send("one", "resume", "back")
    hub.advance(60_000)
    assert (hub.status(), undone) == ("Canceled", ["the booking: enough"])


def test_what_was_asked_of_a_suspended_one_that_continues_as_new_is_asked_of_the_next(make: Make) -> None:
    async def again(context: OrchestrationContext, left: int) -> None:
        try:
            await context.wait_for_external_event("next")
        finally:
            if not left:
                await context.call_activity("undo", context.instance_id)
        context.continue_as_new(left - 1)

    hub = make(again)
    hub.activities["undo"] = undo
    hub.start("again", 1)
    hub.run()
    hub.send("one", "suspend", "")
    hub.send("one", "event", "next", None)
    hub.send("one", CANCEL, "enough")
    hub.send("one", "resume", "")
    hub.run()
    assert (hub.status(), undone) == ("Canceled", ["one"])


def test_in_a_critical_section_the_locks_are_given_back(make: Make) -> None:
    async def section(context: OrchestrationContext) -> None:
        async with context.lock_entities(EntityId("Account", "a")):
            await context.call_entity(EntityId("Account", "a"), "add", 1)

    for granted in (False, True):
        hub = make(section)
        hub.start("section")
        hub.run()
        if granted:
            hub.answer(messages_to(hub, "@account@a")[0])
            hub.run()
        hub.send("one", CANCEL, "enough")
        hub.run()
        assert hub.status() == "Canceled"
        assert [message.operation for message in messages_to(hub, "@account@a")][-1] == "!release"


def test_an_activity_that_runs_is_told_to_end(make: Make) -> None:
    async def works(context: OrchestrationContext) -> None:
        await context.call_activity("undo", "work")

    hub = make(works)
    hub.activities["undo"], hub.run_tasks = undo, False
    hub.start("works")
    hub.run()
    assert len(hub.tasks) == 1
    hub.send("one", CANCEL, "enough")
    hub.run()
    assert (hub.status(), hub.tasks) == ("Canceled", {})


def test_who_shields_what_it_waits_for_is_canceled_all_the_same(make: Make) -> None:
    async def shields(context: OrchestrationContext) -> None:
        wait = context.wait_for_external_event("go")
        try:
            await asyncio.shield(wait)
        except asyncio.CancelledError:
            await wait
            raise

    hub = asked(make, shields, name="shields", input=None)
    assert hub.status() == "Running"
    hub.send("one", "event", "go", 1)
    assert hub.run().status() == "Canceled"


def test_a_task_that_only_was_cancelled_by_the_code_is_a_failure(make: Make) -> None:
    async def gives_up(context: OrchestrationContext) -> None:
        wait = context.wait_for_external_event("go")
        wait.cancel()
        await wait

    hub = make(gives_up)
    hub.start("gives_up")
    assert hub.run().status() == "Failed"


def test_a_failed_one_that_is_rewound_is_asked_still(make: Make) -> None:
    broken = [True]

    def fragile(what: str) -> str:
        if broken:
            raise RuntimeError("broken")
        return undo(what)

    hub = make(books)
    hub.activities["undo"] = fragile
    hub.start("books")
    hub.run()
    hub.send("one", CANCEL, "enough")
    hub.advance(60_000)
    assert hub.status() == "Failed"
    broken.clear()
    hub.send("one", "rewind", "")
    hub.advance(60_000)
    assert (hub.status(), undone) == ("Canceled", ["the booking: enough"])


# -- workers of before -------------------------------------------------------------------------------------------------


@pytest.mark.hazard(26)
def test_a_worker_of_before_keeps_the_request_for_one_that_knows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would be a dead letter there, as an operation that there is not."""
    message = encode_message("one", CANCEL, ["enough"], b"id", None, message_version(CANCEL))
    assert decode_message(message).operation == CANCEL
    monkeypatch.setattr(envelope, "MESSAGE_VERSION_NEWER", MESSAGE_VERSION)
    monkeypatch.setattr(envelope, "MESSAGE_VERSION_SHARDS", MESSAGE_VERSION)
    with pytest.raises(UnknownEnvelope):
        decode_message(message)


def test_a_record_of_one_that_is_canceled_is_that_of_one_that_has_ended(make: Make) -> None:
    record: InstanceRecord = asked(make, child, name="child", input=None).record()
    assert record.finished and record.finished_ms is not None
