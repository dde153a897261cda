"""Which events an orchestrator waits for, as its source says it: names and types, and nothing of what is made while it runs."""

from __future__ import annotations

import asyncio
from enum import Enum
from typing import Any, Literal

import pytest
from pydantic import BaseModel

from stead.orchestrations import OrchestrationContext
from stead.orchestrations._definition.awaited_events import awaited_events

STOP = "Stop"


class Colour(Enum):
    RED = "red"


class Answer(BaseModel):
    approved: bool
    why: str = ""


class Names:
    EVENT = "ofAClass"


async def typed(context: OrchestrationContext) -> None:
    await context.wait_for_external_event("approved", bool)
    await context.wait_for_external_event("answer", Answer)
    await context.wait_for_external_event(name="colour", form=Colour | None)
    await context.wait_for_external_event("size", Literal["s", "m"])
    await context.wait_for_external_event("many", list[int])
    await context.wait_for_external_event("pairs", dict[str, tuple[int, str]])
    await context.wait_for_external_event("nothing", None)


async def untyped(context: OrchestrationContext) -> None:
    await context.wait_for_external_event("plain")
    await context.wait_for_external_event("any", Any)
    await context.wait_for_external_event(STOP)
    await context.wait_for_external_event(Names.EVENT)


async def unknown(context: OrchestrationContext, names: list[str]) -> None:
    name, form = names[0], int
    await context.wait_for_external_event(name, int)
    await context.wait_for_external_event(f"{name}-more", int)
    await context.wait_for_external_event("made", form)
    await context.wait_for_external_event("called", type(names))
    await context.wait_for_external_event("missing", nowhere)  # type: ignore[name-defined]  # pyright: ignore[reportUndefinedVariable]  # noqa: F821
    await context.wait_for_external_event("written", "Answer")


async def twice(context: OrchestrationContext) -> None:
    async def inner() -> None:
        await context.wait_for_external_event("ADD", int)

    await asyncio.gather(context.wait_for_external_event("add", int), inner())
    await context.wait_for_external_event("both", int)
    await context.wait_for_external_event("both", str)


def test_events_have_the_types_that_the_code_names() -> None:
    found = awaited_events(typed)
    assert list(found) == ["approved", "answer", "colour", "size", "many", "pairs", "nothing"], (
        "in the order of the code"
    )
    assert found["approved"] == {"type": "boolean"}
    assert found["answer"]["properties"].keys() == {"approved", "why"}
    assert found["answer"]["required"] == ["approved"]
    assert {"type": "null"} in found["colour"]["anyOf"]
    assert found["size"]["enum"] == ["s", "m"]
    assert found["many"] == {"type": "array", "items": {"type": "integer"}}
    assert found["pairs"]["additionalProperties"]["prefixItems"] == [{"type": "integer"}, {"type": "string"}]
    assert found["nothing"] == {"type": "null"}


def test_without_a_type_anything_is_taken() -> None:
    assert awaited_events(untyped) == {"plain": {}, "any": {}, "Stop": {}, "ofAClass": {}}


def test_what_is_made_while_the_code_runs_is_left_out_or_has_no_type() -> None:
    assert awaited_events(unknown) == {"made": {}, "called": {}, "missing": {}, "written": {}}


def test_each_is_there_once_in_any_case_and_of_two_types_it_has_none() -> None:
    assert awaited_events(twice) == {"ADD": {"type": "integer"}, "both": {}}


def test_types_around_the_function_are_found() -> None:
    class Local(BaseModel):
        n: int

    async def within(context: OrchestrationContext) -> None:
        await context.wait_for_external_event("local", Local)

    assert awaited_events(within)["local"]["properties"].keys() == {"n"}


@pytest.mark.parametrize("function", [len, asyncio.sleep, eval("lambda context: None")])
def test_what_has_no_source_of_its_own_waits_for_nothing(function: Any) -> None:
    assert awaited_events(function) == {}


def test_a_type_whose_making_fails_harms_nobody() -> None:
    class Bad:
        @classmethod
        def __get_pydantic_core_schema__(cls, *args: object) -> object:
            raise RuntimeError("no")

    async def broken(context: OrchestrationContext) -> None:
        await context.wait_for_external_event("a", Bad)
        await context.wait_for_external_event("b", list[Bad])

    assert awaited_events(broken) == {"a": {}, "b": {}}
