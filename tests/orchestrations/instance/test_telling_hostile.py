"""Queries, updates and validators that do what they should not: whoever asked is told, and the instance goes on as if nobody had."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from pydantic import BaseModel, field_validator

from stead.entities.extending import Failure, Pending, decode_message, encode_message, message_extras
from stead.orchestrations._definition.questions import OrchestrationQuery, OrchestrationUpdate
from stead.orchestrations._execution.context import OrchestrationContext
from stead.orchestrations._history.messages import ASK, UPDATE
from support.hostile import ERRORS, Loose
from support.kind_bench import CALLER, KindHub
from support.kind_modes import Make

pytestmark = pytest.mark.hazard(113)


@dataclass
class Shared:
    """What `waits` shares: all with which a question could do harm."""

    context: OrchestrationContext
    numbers: list[int] = field(default_factory=list[int])
    changed: asyncio.Event = field(default_factory=asyncio.Event)


async def waits(context: OrchestrationContext) -> list[int]:
    state = context.share(Shared(context))

    async def beside() -> None:
        await state.changed.wait()
        state.numbers.append(await context.call_activity("work"))

    task = asyncio.ensure_future(beside())
    try:
        state.numbers.append(await context.wait_for_external_event("number", int))
    finally:
        state.numbers.append(-1)
    task.cancel()
    return state.numbers


class Picky(BaseModel):
    number: int

    @field_validator("number")
    @classmethod
    def _check(cls, number: int) -> int:
        raise LookupError("nothing there")


async def _later(state: Shared) -> None:
    raise AssertionError("nobody waits for it")


def _wake(state: Shared) -> int:
    state.changed.set()
    return 1


HARM: dict[str, tuple[Callable[[Shared], object], str]] = {
    "asks for an activity": (lambda state: state.context.call_activity("work"), "QueryChangedState"),
    "draws a number": (lambda state: state.context.random.random(), "ContextEnded"),
    "draws an ID": (lambda state: state.context.new_uuid(), "ContextEnded"),
    "shows a status": (lambda state: state.context.set_custom_status("x"), "ContextEnded"),
    "goes on as new": (lambda state: state.context.continue_as_new(), "ContextEnded"),
    "patches": (lambda state: state.context.patched("x"), "ContextEnded"),
    "shares again": (lambda state: state.context.share(3), "ContextEnded"),
    "wakes the code": (lambda state: state.changed.set(), "QueryChangedState"),
    "wakes it and raises": (lambda state: (_wake(state), int("x")), "QueryChangedState"),
    "waits": (_later, "InvalidInput"),
}


@pytest.fixture
def hub(make: Make) -> Iterator[KindHub]:
    hub = make(waits, payload_bytes_max=100_000)
    hub.activities["work"] = lambda: 7
    hub.start("waits")
    hub.run()
    yield hub
    hub.crash()


def define(hub: KindHub, function: Callable[[Shared], object]) -> None:
    """Query `asked` calls this, and so does the validator of update `does`."""

    def asked(state: Shared) -> Any:
        return function(state)

    async def does(context: OrchestrationContext, state: Shared) -> int:
        state.numbers.append(await context.wait_for_external_event("told", int))
        return len(state.numbers)

    code = hub.registry.codes["waits", None]
    code.queries["asked"] = OrchestrationQuery[[], Any](asked, "waits")
    update = code.updates["does"] = OrchestrationUpdate[Any, ..., Any](does, "waits")
    update.validator(asked)


def tell(hub: KindHub, operation: str, name: str, *args: Any) -> Any:
    hub.send("one", operation, name, list(args), reply_to=CALLER)
    hub.run()
    answers = [value for _, value in hub.replies]
    hub.replies.clear()
    (answer,) = answers
    return answer


def goes_on(hub: KindHub) -> None:
    """Nothing has come of what was asked, whether or not the worker goes on with the code that it has."""
    for crashed in (False, True):
        assert hub.status() == "Running", hub.record().failure
        if crashed:
            hub.crash().run()
    hub.send("one", "event", "number", 3)
    hub.run()
    assert (hub.status(), hub.output()) == ("Completed", [3, -1]), hub.record().failure


@pytest.mark.parametrize("what", ERRORS)
def test_whatever_they_raise_is_their_callers(what: str) -> None:
    def raises(state: Shared) -> None:
        error = ERRORS[what]()
        raise error

    hub = KindHub(waits)
    hub.start("waits")
    hub.run()
    define(hub, raises)
    log = list(hub.logs["one"])
    asked, refused = tell(hub, ASK, "asked"), tell(hub, UPDATE, "does")
    assert isinstance(asked, Failure) and asked.kind == "operation"
    assert isinstance(refused, Failure) and refused.kind == "refused"
    assert hub.logs["one"] == log
    goes_on(hub)
    hub.crash()


@pytest.mark.parametrize("what", HARM)
def test_what_would_let_the_code_go_on_as_in_no_replay(hub: KindHub, what: str) -> None:
    harm, error = HARM[what]
    define(hub, harm)
    log = list(hub.logs["one"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        answers = tell(hub, ASK, "asked"), tell(hub, UPDATE, "does")
    assert [answer.type.rpartition(".")[2] for answer in answers] == [error, error]
    assert hub.logs["one"] == log
    goes_on(hub)


def test_one_who_wakes_the_code_in_the_middle_of_its_turn(make: Make) -> None:
    """The commit is full: what the code wants more is wanted again by the replay."""

    async def many(context: OrchestrationContext) -> int:
        state = context.share(Shared(context))
        await context.wait_for_external_event("number", int)
        waiting = [context.call_activity("work") for _ in range(40)]
        await state.changed.wait()
        return len(await asyncio.gather(*waiting))

    async def frees(context: OrchestrationContext, state: Shared) -> None:
        state.changed.set()

    def wakes(state: Shared) -> None:
        state.changed.set()

    hub = make(many, batch_length_max=10)
    hub.activities["work"] = lambda: 7
    code = hub.registry.codes["many", None]
    code.queries["wakes"] = OrchestrationQuery[[], Any](wakes, "many")
    code.updates["frees"] = OrchestrationUpdate[Any, ..., Any](frees, "many")
    hub.start("many")
    hub.send("one", "event", "number", 1)
    hub.send("one", ASK, "wakes", [], reply_to=CALLER)
    hub.run()
    ((_, failure),) = hub.replies
    assert failure.type.endswith("QueryChangedState")
    assert hub.names().count("TaskScheduled") == 40
    hub.send("one", UPDATE, "frees", [])
    hub.run()
    assert (hub.status(), hub.output()) == ("Completed", 40)


@pytest.mark.parametrize("which", ["a value", "in a dictionary", "a key", "in an attribute"])
def test_objects_of_which_nothing_can_be_had(make: Make, which: str) -> None:
    loose: Any = Loose()
    held: Any = {
        "a value": loose,
        "in a dictionary": {"a": loose},
        "a key": {Loose: 1},
        "in an attribute": Shared(loose),
    }
    shared = held[which]

    async def shares(context: OrchestrationContext) -> None:
        context.share(shared)
        await context.wait_for_external_event("number", int)

    def three(state: Any) -> int:
        return 3

    hub = make(shares, check_queries=True)
    hub.registry.codes["shares", None].queries["three"] = OrchestrationQuery[[], int](three, "shares")
    hub.start("shares")
    hub.run()
    assert tell(hub, ASK, "three") == 3
    assert hub.status() == "Running"


def test_a_validator_that_changes_what_is_shared_is_found_in_tests(make: Make) -> None:
    hub = make(waits, check_queries=True)
    hub.start("waits")
    hub.run()
    define(hub, lambda state: state.numbers.append(9))
    refused = tell(hub, UPDATE, "does")
    assert refused.type.endswith("QueryChangedState") and "the validator of the update 'does'" in refused.message
    goes_on(hub)


def test_arguments_that_raise_when_they_are_made(hub: KindHub) -> None:
    def takes(state: Shared, picky: Picky) -> None: ...

    def told(context: OrchestrationContext, state: Shared, picky: Picky) -> None: ...

    code = hub.registry.codes["waits", None]
    code.queries["takes"] = OrchestrationQuery[[], Any](takes, "waits")
    code.updates["told"] = OrchestrationUpdate[Any, ..., Any](told, "waits")
    for operation, name, kind in ((ASK, "takes", "operation"), (UPDATE, "told", "refused")):
        failure = tell(hub, operation, name, {"number": 3})
        assert (failure.kind, failure.type, failure.message) == (kind, "LookupError", "nothing there")
        assert tell(hub, operation, name, {"number": "none"}).kind == "invalid_input"
    assert "UpdateAccepted" not in hub.names()
    goes_on(hub)


def test_what_is_too_large_is_the_callers_and_a_replay_says_the_same(
    hub: KindHub, caplog: pytest.LogCaptureFixture
) -> None:
    def large(context: OrchestrationContext, state: Shared, length: int) -> str:
        return length * "x"

    def long(state: Shared) -> str:
        return 200_000 * "x"

    code = hub.registry.codes["waits", None]
    code.queries["long"] = OrchestrationQuery[[], Any](long, "waits")
    code.updates["large"] = OrchestrationUpdate[Any, ..., Any](large, "waits")
    assert tell(hub, ASK, "long").type == "stead.transport.PayloadTooLarge"
    for length in (200_000, 99_995, 100_000):
        failure = tell(hub, UPDATE, "large", length)
        assert failure.type == "stead.transport.PayloadTooLarge"
        assert "what the update 'large' gives" in failure.message
    assert tell(hub, UPDATE, "large", 90_000) == 90_000 * "x"
    goes_on(hub)
    assert not caplog.records  # that the input of something has changed


def test_what_the_code_does_when_it_is_dropped_is_never_seen(hub: KindHub) -> None:
    define(hub, lambda state: list(state.numbers))
    hub.send("one", "terminate", "enough", True)
    hub.run()
    for _ in range(2):
        assert tell(hub, ASK, "asked") == []
        hub.crash()


def test_a_query_that_wakes_an_instance_for_its_end_is_answered(make: Make) -> None:
    hub = make(waits)
    define(hub, lambda state: list(state.numbers))
    hub.start("waits")
    hub.run()
    code = hub.registry.codes.pop(("waits", None))
    hub.crash()
    hub.send("one", "event", "number", 3)
    hub.run()
    hub.registry.codes["waits", None] = code
    hub.crash()
    assert tell(hub, ASK, "asked") == [3, -1]
    assert hub.status() == "Completed"


def test_the_same_update_twice_is_carried_out_once(hub: KindHub) -> None:
    """As it may come after a fail-over: its message has the same ID."""
    define(hub, lambda state: None)
    envelope = encode_message("one", UPDATE, ["does", []], b"same", message_extras(reply_to=CALLER))
    for _ in range(2):
        hub._enter(envelope)  # pyright: ignore[reportPrivateUsage]
        hub.run()
    hub.send("one", "event", "told", 5)
    hub.run()
    assert [value for _, value in hub.replies] == [1]
    hub.crash().run()
    assert hub.names().count("UpdateAccepted") == hub.names().count("UpdateCompleted") == 1
    hub.send("one", "event", "number", 3)
    hub.run()
    assert (hub.status(), hub.output()) == ("Completed", [5, 3, -1])


@pytest.mark.hazard(20)
@pytest.mark.parametrize(("operation", "name"), [(ASK, "asked"), (UPDATE, "does")])
def test_one_that_ends_its_workers_ends_no_instance(hub: KindHub, operation: str, name: str) -> None:
    """Its caller is told; of what it did in the turns that ended so nothing is known."""
    define(hub, lambda state: None)
    hub.crash().run()
    hub.send("one", operation, name, [], reply_to=CALLER)
    stream_id, envelope = hub.inbox[0]
    pending = Pending(stream_id, envelope, decode_message(envelope), False)
    activation = hub.activation("one")
    hub.kind.poisoned(activation, pending, Failure("poison", "PoisonMessage", "3 workers"), hub.effects)
    hub.effects.consume(activation, pending)
    hub.commit()
    ((_, failure),) = hub.replies
    assert (failure.kind, failure.type) == ("poison", "PoisonMessage")
    hub.replies.clear()
    goes_on(hub)
