"""What is there twice, for code with `await` and without, or for an operation and an orchestrator, is the same twice.

Overloads, parameters, defaults and annotations are compared as they are written. What differs is named, with the reason.
"""

from __future__ import annotations

import inspect
import re
import typing
from collections.abc import Callable
from typing import Any

import pytest

from stead.app._hub.client import Client
from stead.app._sync.changes import SyncChange
from stead.app._sync.client import SyncClient, SyncScheduled
from stead.app._sync.producer import SyncProducer, SyncSourceProducer
from stead.app._sync.query import SyncQuery
from stead.app._sync.schedules import SyncSchedules
from stead.entities._client.changes import Change
from stead.entities._client.query import Query
from stead.entities._client.scheduled import ScheduledSignals
from stead.entities._definition.context import EntityContext, RunningTurn
from stead.entities._definition.signals_later import SignalsLater
from stead.entities._turns.turn import Turn
from stead.orchestrations import InstanceProducer, InstanceSourceProducer, OrchestrationContext, Schedules

# With `await`, without, and what only one of them has.
TWINS: list[tuple[type, type, dict[str, str]]] = [
    (
        Client,
        SyncClient,
        {
            "aclose": "it is `close` there",
            "close": "it is `aclose` there",
            "with_timeout": "in place of the `asyncio.timeout` that one writes around a request",
            "call_within": "for the client without `await`, which has `with_timeout`",
            "unanswered": "for the client without `await`, to say what a call that timed out waits for",
            "page_entities": "for servers that answer page by page, which have an event loop",
            "page_instances": "the same",
            "times_of_instances": "the same",
            "count_statuses": "the same",
            "store": "for tools that show a hub",
            "targets_of": "for parts of workers, which have an event loop",
            "entity_pages": "for tools that show a hub, which have an event loop",
            "entity_targets": "the same",
            "info": "for tools that show a hub, which have an event loop",
            "has_sql": "for servers, which answer others",
            "answer_sql": "the same",
            "begin_changes": "for servers that answer before they give anything, which have an event loop",
            "begin_entity_changes": "the same",
            "entity_position": "the same",
            "keeps_changes": "the same",
            "mark_change_done": "for servers that hand changes on, which have an event loop",
        },
    ),
    (
        InstanceProducer,
        SyncProducer,
        {
            "aclose": "its block ends it",
            "encode_known": "for the producer without `await`",
            "encode_event": "the same",
            "put_encoded": "the same",
        },
    ),
    (
        InstanceSourceProducer,
        SyncSourceProducer,
        {"aclose": "its block ends it", "encode_known": "only plain ones use it", "encode_event": "the same"},
    ),
    (ScheduledSignals, SyncScheduled, {}),
    (Schedules, SyncSchedules, {"create_as": "for the one without `await`, which has gathered the options already"}),
    (Change, SyncChange, dict.fromkeys(("entity_id", "state", "time"), "they are fields there")),
    (Query, SyncQuery, {"page_status": "for servers that answer page by page, which have an event loop"}),
]

# What a type without `await` is called where the other one stands.
WITHOUT_AWAIT = [
    (r"\bAsyncIterator\b", "Iterator"),
    (r"\bInstanceSourceProducer\b", "SyncSourceProducer"),
    (r"\bInstanceProducer\b", "SyncProducer"),
    (r"\bScheduledSignals\b", "SyncScheduled"),
    (r"\bSchedules\b", "SyncSchedules"),
    (r"\bScheduleList\b", "Iterator[ScheduleStatus]"),
    (r"\bCoroutine\[Any, Any, None\]", "None"),
    (r"\bQuery\b", "SyncQuery"),
    (r"\bChange\b", "SyncChange"),
]


def members(kind: type) -> set[str]:
    """The methods and properties of a class that users see."""
    return {
        name
        for name in dir(kind)
        if not name.startswith("_") and (callable(member := getattr(kind, name)) or isinstance(member, property))
    }


def signatures(function: Any) -> list[str]:
    """How a function can be called: its overloads if it has any, without `self`. Of a property, what it gives."""
    if isinstance(function, property):
        function = function.fget
    found = typing.get_overloads(function) or [function]
    return [re.sub(r"^\(self(, /)?(, )?", "(", str(inspect.signature(each))) for each in found]


def without_await(text: str) -> str:
    for pattern, name in WITHOUT_AWAIT:
        text = re.sub(pattern, name, text)
    return text


@pytest.mark.parametrize(("waiting", "blocking", "apart"), TWINS, ids=lambda twin: getattr(twin, "__name__", ""))
def test_the_client_without_await_has_the_methods_of_the_other(
    waiting: type, blocking: type, apart: dict[str, str]
) -> None:
    assert members(waiting) ^ members(blocking) == set(apart)
    common = members(waiting) & members(blocking)
    assert common
    for name in common:
        theirs = [without_await(text) for text in signatures(getattr(waiting, name))]
        assert signatures(getattr(blocking, name)) == theirs, name


@pytest.mark.parametrize(("waiting", "blocking", "apart"), TWINS, ids=lambda twin: getattr(twin, "__name__", ""))
def test_what_does_not_wait_is_no_coroutine(waiting: type, blocking: type, apart: dict[str, str]) -> None:
    assert not [name for name in members(blocking) if inspect.iscoroutinefunction(getattr(blocking, name))]


# -- starting, calling, signalling -------------------------------------------------------------------------------------


def start_forms(kind: Any) -> list[str]:
    """How a start is written: positional-only or not, and with `reuse` or without, is for each to say."""
    texts = signatures(kind.start_new)
    return [
        re.sub(r", reuse: [^=]+ = '\w+'|, /", "", text).replace("input: 'Any' = None", "input: 'Any' = Ellipsis")
        for text in texts
    ]


def test_an_instance_is_started_alike_by_clients_and_orchestrators() -> None:
    assert signatures(SyncClient.start_new) == signatures(Client.start_new)
    assert start_forms(OrchestrationContext) == start_forms(Client)


def test_an_operation_starts_an_instance_as_an_orchestrator_does() -> None:
    theirs = inspect.signature(OrchestrationContext.start_new).parameters
    ours = inspect.signature(EntityContext.start_new).parameters
    assert list(ours) == list(theirs)
    options = [name for name, parameter in ours.items() if parameter.kind is parameter.KEYWORD_ONLY]
    assert options == ["instance_id", "at", "version", "tags"]
    assert [(ours[name].default, ours[name].annotation) for name in options] == [
        (theirs[name].default, theirs[name].annotation) for name in options
    ]


def test_an_orchestration_is_named_alike_wherever_one_is_started_or_called() -> None:
    def named(function: Callable[..., Any]) -> list[tuple[str, str]]:
        found = [inspect.signature(each).parameters for each in typing.get_overloads(function)]
        return [(parameters["orchestration"].annotation, parameters["input"].annotation) for parameters in found]

    forms = [
        named(each)
        for each in (
            Client.start_new,
            SyncClient.start_new,
            OrchestrationContext.start_new,
            OrchestrationContext.call_sub_orchestrator,
        )
    ]
    assert forms == [forms[0]] * len(forms)
    assert len(forms[0]) == 3


def test_an_event_is_raised_alike_by_clients_and_producers() -> None:
    places = (Client.raise_event, SyncClient.raise_event, InstanceProducer.raise_event, SyncProducer.raise_event)
    assert len({text for place in places for text in signatures(place)}) == 1


def test_an_entity_is_named_alike_wherever_one_is_signalled_or_called() -> None:
    def named(function: Callable[..., Any]) -> set[str]:
        return {re.sub(r" -> .*", "", text) for text in signatures(function)}

    places: list[Any] = [
        Client.signal_entity,
        SyncClient.signal_entity,
        ScheduledSignals.signal_entity,
        SyncScheduled.signal_entity,
        InstanceProducer.signal,
        SyncProducer.signal,
        EntityContext.signal_entity,
        SignalsLater.signal_entity,
        OrchestrationContext.signal_entity,
    ]
    forms = {f"{place.__module__}.{place.__qualname__}": named(place) for place in places}
    wanted = named(Client.signal_entity)
    assert {place: form for place, form in forms.items() if form != wanted} == {}
    assert named(SyncClient.call_entity) == named(Client.call_entity) >= {text for text in wanted if "EntityId" in text}


# -- a turn, as the context knows it -----------------------------------------------------------------------------------


def test_a_turn_is_what_its_context_takes_it_for() -> None:
    methods = {name for name in members(RunningTurn) if inspect.isfunction(getattr(RunningTurn, name))}
    assert methods >= {"send", "start", "now_ms", "open_context"}
    for name in methods:
        assert signatures(getattr(Turn, name)) == signatures(getattr(RunningTurn, name)), name


def test_what_a_context_hands_on_to_its_turn_is_handed_on_whole() -> None:
    assert signatures(EntityContext.send) == signatures(Turn.send)
    given = list(inspect.signature(EntityContext.start_new).parameters)
    assert given == list(inspect.signature(Turn.start).parameters)
