"""Every value that is accepted is kept as it is: through arguments, results, states and reads; others are refused by name."""

from __future__ import annotations

import dataclasses
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from datetime import datetime, time
from typing import Any, cast

import pytest
from pydantic import BaseModel, PydanticSchemaGenerationError, TypeAdapter, ValidationError

from stead.entities import (
    ClassEntityType,
    Entity,
    EntityContext,
    FunctionEntityType,
    InvalidDefinition,
    InvalidInput,
    InvalidState,
)
from stead.entities._definition.operations import Operation
from stead.transport import pack_exact, unpack
from support.activation_bench import Bench
from support.values_table import TABLE

CASES = [
    pytest.param(annotation, value, default, id=f"{name}-{index}")
    for name, annotation, values in TABLE
    for index, (value, default) in enumerate((value, values[0]) for value in values)
]


def seen(given: object) -> Any:
    """All that code could see of a value, as something that can be compared."""
    kind, value = type(given), cast("Any", given)
    if isinstance(value, BaseModel):
        data = {name: seen(part) for name, part in value.__dict__.items()}
        return kind, data, seen(value.__pydantic_extra__)
    if dataclasses.is_dataclass(value):
        return kind, [seen(getattr(value, field.name)) for field in dataclasses.fields(value)]
    if issubclass(kind, dict):
        factory = value.default_factory if issubclass(kind, defaultdict) else None
        return kind, factory, [(seen(key), seen(part)) for key, part in value.items()]
    if issubclass(kind, (list, tuple, deque)):
        return kind, getattr(value, "maxlen", None), [seen(part) for part in value]
    if issubclass(kind, (set, frozenset)):
        return kind, sorted(map(repr, value))
    if isinstance(value, (datetime, time)):
        return kind, value.isoformat(), repr(value.tzinfo), value.fold
    return kind, repr(value)


def assert_same(arrived: Any, given: Any) -> None:
    """What has arrived is what was given; of times it is enough that they are equal, and of the declared type."""
    if type(arrived) in (datetime, time):
        assert isinstance(given, type(arrived))
        assert (arrived, arrived.utcoffset()) == (given, given.utcoffset())
    else:
        assert seen(arrived) == seen(given)


def make(name: str, namespace: dict[str, Any], **annotations: Any) -> type[Entity]:
    made: type[Entity] = cast("Any", type(Entity))(
        name, (Entity,), {**namespace, "__annotations__": annotations, "__module__": __name__}
    )
    return made


def operation(**annotations: Any) -> Callable[..., Any]:
    """A function with these annotations."""

    def run(self: Entity, value: Any = None) -> Any:
        return value

    run.__annotations__ = annotations
    return run


def validated(annotation: Any, value: Any) -> Any:
    """What the annotation declares that a value is made into."""
    return TypeAdapter(annotation).validate_python(value, by_alias=True, by_name=True)


REFUSED = (InvalidDefinition, InvalidInput, InvalidState, ValidationError, PydanticSchemaGenerationError)


def refused_by(act: Callable[[], object]) -> str | None:
    """What it says if it refuses."""
    try:
        act()
    except REFUSED as refused:
        return str(refused)
    return None


@pytest.mark.parametrize(("annotation", "value", "default"), CASES)
def test_as_an_argument(annotation: Any, value: Any, default: Any) -> None:
    def send() -> tuple[Operation, bytes, Any]:
        take = ClassEntityType(make("Taker", {"take": operation(value=annotation)})).operation("take")
        args, kwargs = take.encode([value], None)
        return take, pack_exact([*args]), kwargs

    refusal = refused_by(send)
    if refusal is not None:
        assert "'value' of Taker.take" in refusal or "cannot be stored" in refusal
        return
    take, packed, kwargs = send()
    assert kwargs is None
    assert_same(take.run(Entity(), unpack(packed), None), validated(annotation, value))


@pytest.mark.parametrize(("annotation", "value", "default"), CASES)
def test_as_a_result(annotation: Any, value: Any, default: Any) -> None:
    def answer() -> tuple[Operation, bytes]:
        give = ClassEntityType(make("Giver", {"give": operation(**{"return": annotation})})).operation("give")
        return give, pack_exact([give.encode_result(value)])

    refusal = refused_by(answer)
    if refusal is not None:
        assert "result of Giver.give" in refusal or "cannot be stored" in refusal
        return
    give, packed = answer()
    assert_same(give.decode_result(unpack(packed)[0]), validated(annotation, value))


@pytest.mark.parametrize("size", ["small", "large"])
@pytest.mark.parametrize(("annotation", "value", "default"), CASES)
def test_as_a_state(annotation: Any, value: Any, default: Any, size: str) -> None:
    def put(self: Any) -> None:
        self.value = value

    def touch(self: Any) -> None:
        self.count += 1

    namespace = {"put": put, "touch": touch, "value": default, "count": 0, "padding": "x" * 5000 * (size == "large")}

    def define() -> ClassEntityType:
        return ClassEntityType(make("Holder", namespace, value=annotation, count=int, padding=str))

    refusal = refused_by(define)
    if refusal is not None:
        assert "value" in refusal or annotation == Iterator[int]  # which pydantic itself refuses
        return
    entity = define()
    bench = Bench(entity)
    before = seen(held(bench))
    refusal = refused_by(lambda: bench.run("put")) or refused_by(bench.cell.packed)
    if refusal is not None:
        assert "value" in refusal
        assert seen(held(bench)) == before
        bench.run("touch")
        assert seen(held(bench.again())) == before
        return
    packed = bench.cell.packed()
    if packed is None:
        assert seen(held(bench)) == before
        return
    for _ in range(2):
        cold = bench.again()
        assert seen(held(bench)) == seen(held(cold)) == seen(cast("Any", entity.read(packed)).value)
        assert cold.cell._form.pack(cold.cell._instance) == packed  # type: ignore[attr-defined]
        bench.run("touch")
        cold.run("touch")
        packed = bench.cell.packed()
        assert packed == cold.cell.packed()
        assert packed is not None
        assert bench.cell.resume()
        assert cold.cell.resume()


def held(bench: Bench) -> Any:
    return cast("Any", bench.cell)._instance.value


@pytest.mark.parametrize(("annotation", "value", "default"), CASES)
def test_as_the_state_of_a_function(annotation: Any, value: Any, default: Any) -> None:
    read: list[Any] = []

    def keep(context: EntityContext) -> None:
        if context.operation_name == "put":
            context.set_state(value)
        elif annotation is not None:
            read.append(context.get_state(annotation))

    bench = Bench(FunctionEntityType("Keeper", keep))
    try:
        bench.run("put")
    except InvalidInput:
        assert not bench.cell.exists
        return
    if not isinstance(value, BaseModel) or annotation is not type(value):
        return  # its function says how it is to be read
    bench.run("get")
    bench.again().run("get")
    assert [seen(state) for state in read] == [seen(value)] * 2
