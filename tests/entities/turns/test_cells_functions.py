"""The state of function entities: set at once, given as a copy."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from stead.entities import (
    EntityContext,
    FunctionEntityType,
    InvalidInput,
    InvalidState,
    PayloadTooLarge,
    UnknownOperation,
)
from stead.entities._message.errors import ArgumentRefused
from stead.transport import pack
from support.activation_bench import Bench

# -- function entities ---------------------------------------------------------------------------------------------------


def put_first(context: EntityContext) -> None:
    context.set_state(context.args[0])


def counter(context: EntityContext) -> Any:
    value = context.get_state(int, default=0)
    match context.operation_name:
        case "add":
            context.set_state(value + context.get_input(int))
        case "reset":
            context.set_state(0)
        case "get":
            return value
        case "raise":
            context.set_state(99)
            raise RuntimeError("no")
        case "put":
            context.set_state(context.args[0])
        case "many":
            return context.args, context.kwargs
        case "raw":
            return context.get_state(Any)
        case "input":
            return context.get_input(list[int] | None)
        case other:
            raise UnknownOperation(other)
    return None


async def async_counter(context: EntityContext) -> Any:
    await asyncio.sleep(0)
    return counter(context)


@pytest.mark.parametrize("function", [counter, async_counter])
def test_a_function_entity(function: Callable[[EntityContext], Any]) -> None:
    bench = Bench(FunctionEntityType("Counter", function))
    assert bench.run("get") == 0
    assert not bench.cell.exists
    bench.run("reset")
    assert bench.cell.exists, "0 is state"
    bench.cell.record()
    bench.run("add", "5")
    assert (bench.run("get"), bench.state, bench.cell.changed) == (5, 5, True)
    with pytest.raises(RuntimeError):
        bench.run("raise")
    assert bench.run("get") == 5
    with pytest.raises(UnknownOperation, match="'nonsense'"):
        bench.run("nonsense")
    bench.run("delete")
    assert not bench.cell.exists, "`delete` exists unless the function knows it"
    assert bench.again().run("get") == 0


@pytest.mark.parametrize("value", [0, "", [], {}, False, 0.0, b""])
def test_a_falsy_state_of_a_function_entity_is_state(value: Any) -> None:
    entity = FunctionEntityType("Any", put_first)
    bench = Bench(entity)
    bench.run("put", value)
    assert bench.cell.exists
    assert bench.state == value
    bench.run("put", None)
    assert not bench.cell.exists


def test_input_of_a_function_entity() -> None:
    bench = Bench(FunctionEntityType("Counter", counter))
    assert bench.run("many", 1, 2, a=3) == ((1, 2), {"a": 3})
    assert bench.run("input") is None
    assert bench.run("input", ["1"]) == [1]
    for args in ((), ("x",), (1, 2)):
        with pytest.raises(InvalidInput, match=r"the input of counter\.add") as caught:
            bench.run("add", *args)
        assert type(caught.value) is ArgumentRefused


def test_a_state_that_is_not_what_was_asked_for() -> None:
    bench = Bench(FunctionEntityType("Counter", counter), pack("text"))
    with pytest.raises(InvalidState, match="not what get_state was asked for"):
        bench.run("get")


def test_a_function_entity_keeps_a_copy() -> None:
    shared = [1]

    def keeper(context: EntityContext) -> Any:
        if context.operation_name == "set":
            context.set_state(shared)
            shared.append(2)
            return None
        state = context.get_state(list[int], default=[])
        state.append(3)
        return context.get_state(list[int])

    bench = Bench(FunctionEntityType("Keeper", keeper))
    bench.run("set")
    assert bench.run("get") == [1]


def test_a_function_entitys_state_has_a_limit() -> None:
    entity = FunctionEntityType("Any", put_first)
    bench = Bench(entity, None, state_bytes_max=100)
    with pytest.raises(PayloadTooLarge):
        bench.run("put", "x" * 200)
    assert not bench.cell.exists
