"""The state of one activation: transactions, existence, large states, and that what is settled is what is read back."""

from __future__ import annotations

import asyncio
import dataclasses
import enum
import math
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal, cast
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, PrivateAttr, StringConstraints, computed_field, field_validator

from stead.entities import (
    ClassEntityType,
    Entity,
    EntityContext,
    EntityId,
    EntityType,
    FunctionEntityType,
    InvalidInput,
    InvalidState,
    PayloadTooLarge,
    Registry,
    UnknownOperation,
)
from stead.entities._context import Turn
from stead.transport import pack, unpack


class Bench:
    """One activation, and a worker that does nothing but run its operations."""

    def __init__(self, entity: EntityType, packed: bytes | None = None, **options: Any) -> None:
        self.entity = entity
        self.cell = entity.cell(packed, **options)
        self.turn = Turn(EntityId(entity.name, "k"), Registry(), lambda: 0)

    def run(self, operation: str, *args: Any, **kwargs: Any) -> Any:
        self.turn.begin(self.entity.operation(operation), operation, args, kwargs, not self.cell.exists)
        try:
            result = self.cell.invoke(self.turn)
            if isinstance(result, Awaitable):
                result = asyncio.run(_await(cast("Any", result)))
            self.cell.settle()
        except BaseException:
            self.turn.end()
            self.cell.rollback()
            raise
        self.turn.end()
        return result

    @property
    def state(self) -> Any:
        packed = self.cell.packed()
        return None if packed is None else self.entity.read(packed)

    def again(self) -> Bench:
        """The activation as another worker would load it."""
        return Bench(self.entity, self.cell.packed())


async def _await(awaitable: Awaitable[Any]) -> Any:
    return await awaitable


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


@dataclasses.dataclass
class Size:
    width: int = 1
    tags: list[str] = dataclasses.field(default_factory=list[str])


class Part(BaseModel):
    name: str = "p"
    size: Size = Size()


class Plain(Entity):
    """Scalars and containers of scalars."""

    count: int = 0
    ratio: float | None = None
    names: list[str] = []
    rows: list[list[int]] = []
    table: dict[str, float] = {}
    total: Decimal = Decimal(0)
    marks: set[int] = set()
    pair: tuple[int, str] = (0, "")

    def update(self, values: dict[str, Any]) -> int:
        for name, value in values.items():
            setattr(self, name, value)
        return self.count

    def fail_after(self, values: dict[str, Any]) -> None:
        self.update(values)
        self.names.append("lost")
        self.rows.append([1])
        if self.rows:
            self.rows[0].append(99)
        self.table["lost"] = 1.0
        raise RuntimeError("no")

    def look(self) -> int:
        return len(self.names)

    def append(self, name: str) -> None:
        self.names.append(name)

    def grow(self, length: int) -> None:
        self.names = ["x" * 10] * length

    def drop(self, name: str) -> None:
        delattr(self, name)

    def recreate(self, count: int) -> None:
        self.context.delete_state()
        self.count = count

    def delete_and_fail(self) -> None:
        self.context.delete_state()
        raise RuntimeError("no")

    async def later(self, name: str) -> str:
        await asyncio.sleep(0)
        self.names.append(name)
        return self.context.operation_name

    def misspell(self) -> None:
        setattr(self, "cuo" + "nt", 1)


class Rich(Entity):
    """What needs more than msgpack."""

    parts: list[Part] = []
    main: Part | None = None
    colour: Colour | int = Colour.RED
    anything: Any = None
    either: Part | Size | str = ""
    _cache: int = PrivateAttr(default=0)

    def update(self, values: Any) -> None:
        for name, value in VALUES[values].items():
            setattr(self, name, value)

    def fail_after(self, name: str) -> None:
        self.parts[0].size.tags.append(name)
        self.parts.append(Part())
        self._cache += 1
        raise RuntimeError("no")

    def tag(self, name: str) -> None:
        self.parts[0].size.tags.append(name)

    def cached(self) -> int:
        return self._cache


VALUES: dict[str, dict[str, Any]] = {}
PLAIN = ClassEntityType(Plain)
RICH = ClassEntityType(Rich)


def put(bench: Bench, **values: Any) -> None:
    """Set fields to values as they are, which arguments would have converted."""
    VALUES["now"] = values
    bench.run("update", "now")


def put_plain(bench: Bench, **values: Any) -> None:
    bench.run("update", values)


# -- existence -----------------------------------------------------------------------------------------------------------


def test_reading_a_fresh_entity_creates_nothing() -> None:
    bench = Bench(PLAIN)
    assert bench.run("look") == 0
    assert (bench.cell.exists, bench.cell.changed, bench.cell.packed()) == (False, False, None)


def test_a_change_creates_and_a_falsy_state_is_state() -> None:
    bench = Bench(PLAIN)
    bench.run("update", {"count": 1})
    assert (bench.cell.exists, bench.cell.changed) == (True, True)
    assert bench.cell.record() == bench.cell.packed()
    assert not bench.cell.changed
    bench.run("look")
    assert not bench.cell.changed, "a read does not write"
    bench.run("update", {"count": 0})
    assert bench.cell.changed
    assert bench.state == Plain(), "back to the fresh values is not deleted"


def test_setting_what_is_there_creates_nothing() -> None:
    bench = Bench(PLAIN)
    bench.run("update", {"count": 0})
    assert not bench.cell.exists


def test_delete_and_recreate() -> None:
    bench = Bench(PLAIN, PLAIN.cell(None).packed())
    bench.run("update", {"count": 5})
    bench.cell.record()
    bench.run("delete")
    assert (bench.cell.exists, bench.cell.changed, bench.cell.record()) == (False, True, None)
    assert bench.run("update", {}) == 0
    assert not bench.cell.exists
    bench.run("update", {"count": 5})
    assert bench.state == Plain(count=5)
    bench.run("recreate", 7)
    assert bench.state == Plain(count=7)
    bench.run("recreate", 0)
    assert not bench.cell.exists


def test_deleting_what_does_not_exist_stays_nothing() -> None:
    bench = Bench(PLAIN)
    bench.run("delete")
    assert bench.cell.packed() is None


def test_a_failed_deletion_is_undone() -> None:
    bench = Bench(PLAIN)
    bench.run("update", {"count": 5})
    with pytest.raises(RuntimeError):
        bench.run("delete_and_fail")
    assert bench.state == Plain(count=5)
    bench.run("look")
    assert bench.state == Plain(count=5)


def test_is_new_follows_existence() -> None:
    seen: list[bool] = []

    class Watching(Entity):
        """Says whether it is new."""

        count: int = 0

        def add(self) -> None:
            seen.append(self.context.is_new)
            self.count += 1

    bench = Bench(ClassEntityType(Watching))
    for operation in ("add", "add", "delete", "add"):
        bench.run(operation)
    assert seen == [True, False, True]


# -- transactions --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [0, 1000])
@pytest.mark.parametrize("eager", [False, True])
def test_a_failed_operation_changes_nothing(length: int, eager: bool) -> None:
    bench = Bench(PLAIN, None, eager=eager)
    bench.run("update", {"rows": [[1], [2]], "table": {"a": 1.0}, "names": ["x"] * length, "marks": {1}})
    before = bench.state
    with pytest.raises(RuntimeError):
        bench.run("fail_after", {"count": 7, "marks": {2}})
    bench.run("look")
    assert bench.state == before
    bench.run("append", "y")
    assert bench.state.names == ["x"] * length + ["y"]
    assert bench.state.rows == [[1], [2]]


def test_nested_models_are_rolled_back() -> None:
    bench = Bench(RICH)
    put(bench, parts=[Part(size=Size(2, ["a"]))])
    before = bench.state
    for _ in range(2):
        with pytest.raises(RuntimeError):
            bench.run("fail_after", "lost")
    assert bench.run("cached") == 0, "private attributes are made anew"
    assert bench.state == before
    bench.run("tag", "b")
    assert bench.state.parts[0].size.tags == ["a", "b"]


def test_an_async_operation_is_a_transaction_too() -> None:
    bench = Bench(PLAIN)
    assert bench.run("later", "x") == "later"
    assert bench.state == Plain(names=["x"])


# -- what an operation may leave -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [0, 1000])
@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"count": "1"}, "count: .*valid integer"),
        ({"count": True}, "count: .*valid integer"),
        ({"count": None}, "count"),
        ({"names": ["a", 1]}, r"names\.1"),
        ({"names": ("a",)}, "names"),
        ({"rows": [[1.5]]}, r"rows\.0\.0"),
        ({"table": {"a": "b"}}, r"table\.a"),
        ({"total": 1}, "total"),
        ({"pair": (1, 2)}, "pair"),
        ({"marks": [1]}, "marks"),
    ],
)
def test_a_value_that_the_annotation_does_not_allow_fails_and_rolls_back(
    length: int, values: dict[str, Any], message: str
) -> None:
    bench = Bench(PLAIN)
    bench.run("update", {"names": ["n"] * length})
    before = bench.state
    with pytest.raises(InvalidState, match=message):
        bench.run("update", values)
    bench.run("look")
    assert bench.state == before
    bench.run("append", "fine")
    assert bench.state.names == ["n"] * length + ["fine"]


@pytest.mark.parametrize("length", [0, 1000])
def test_a_deleted_or_misspelt_field_fails(length: int) -> None:
    bench = Bench(PLAIN)
    bench.run("update", {"names": ["n"] * length})
    with pytest.raises(InvalidState, match="deleted field 'count'"):
        bench.run("drop", "count")
    with pytest.raises(InvalidState, match="no field 'cuont'"):
        bench.run("misspell")
    bench.run("update", {"count": 3})
    assert bench.state.count == 3


def test_constraints_hold() -> None:
    class Tank(Entity):
        """Cannot hold less than nothing."""

        level: Annotated[int, Field(ge=0)] = 0
        label: Annotated[str, StringConstraints(to_upper=True)] = "A"

        def draw(self, amount: int) -> None:
            self.level -= amount

        def rename(self, label: str) -> None:
            self.label = label

    bench = Bench(ClassEntityType(Tank))
    with pytest.raises(InvalidState, match=r"level: .*greater than or equal to 0"):
        bench.run("draw", 1)
    bench.run("draw", -1)
    bench.run("rename", "b")
    assert bench.state.label == "B", "a type that changes values has the last word"
    assert bench.again().state == bench.state


def test_validators_have_the_last_word() -> None:
    class Sorted(Entity):
        """Keeps its numbers in order."""

        numbers: list[int] = []

        @field_validator("numbers")
        @classmethod
        def in_order(cls, numbers: list[int]) -> list[int]:
            if 13 in numbers:
                raise ValueError("not thirteen")
            return sorted(numbers)

        @computed_field  # type: ignore[prop-decorator]
        @property
        def length(self) -> int:
            return len(self.numbers)

        def add(self, number: int) -> list[int]:
            self.numbers.append(number)
            return self.numbers

    bench = Bench(ClassEntityType(Sorted))
    for number in (3, 1, 2):
        bench.run("add", number)
    with pytest.raises(InvalidState, match="not thirteen"):
        bench.run("add", 13)
    assert bench.run("add", 0) == [1, 2, 3, 0]
    assert bench.state.numbers == [0, 1, 2, 3]


def test_what_would_be_read_back_as_something_else_fails() -> None:
    class More(Part):
        extra: int = 1

    bench = Bench(RICH)
    with pytest.raises(InvalidState, match=r"field 'main'.* would be read back as"):
        put(bench, main=More())
    with pytest.raises(InvalidState, match="field 'anything'"):
        put(bench, anything=Colour.RED)
    with pytest.raises((InvalidState, InvalidInput)):
        put(bench, anything=object())
    assert not bench.cell.exists
    put(bench, anything=[math.nan, (1, {"a": math.nan})])
    assert bench.cell.exists


def test_a_state_above_the_limit_fails_and_rolls_back() -> None:
    for eager in (True, False):
        bench = Bench(PLAIN, None, eager=eager, state_bytes_max=20_000)
        bench.run("update", {"names": ["a"]})
        with pytest.raises(PayloadTooLarge, match="the state of Plain"):
            bench.run("grow", 3000)
        assert bench.state == Plain(names=["a"])


# -- large states --------------------------------------------------------------------------------------------------------


def test_a_large_state_is_packed_when_it_is_asked_for() -> None:
    bench = Bench(PLAIN)
    bench.run("grow", 1000)
    bench.cell.record()
    for number in range(5):
        bench.run("append", str(number))
    assert bench.cell.changed
    assert bench.state.names[-5:] == list("01234")
    bench.cell.record()
    bench.run("look")
    assert not bench.cell.changed
    bench.run("grow", 1)
    assert bench.state.names == ["x" * 10]
    bench.cell.record()
    with pytest.raises(RuntimeError):
        bench.run("fail_after", {"count": 1})
    bench.run("look")
    assert (bench.state.count, bench.state.names, bench.cell.changed) == (0, ["x" * 10], False)


def test_a_large_state_that_outgrew_the_limit_is_found_at_the_commit() -> None:
    bench = Bench(PLAIN, None, state_bytes_max=20_000)
    bench.run("grow", 1000)
    bench.run("grow", 3000)
    with pytest.raises(PayloadTooLarge):
        bench.cell.packed()


def test_a_large_state_can_be_deleted_and_recreated() -> None:
    bench = Bench(PLAIN)
    bench.run("grow", 1000)
    bench.cell.record()
    bench.run("delete")
    assert bench.cell.record() is None
    bench.run("append", "x")
    assert bench.state == Plain(names=["x"])
    bench.run("grow", 1000)
    bench.run("recreate", 3)
    assert bench.state == Plain(count=3)


# -- what is settled is what is read back --------------------------------------------------------------------------------

_names = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=10), max_size=5)
_plain_values = st.fixed_dictionaries(
    {},
    optional={
        "count": st.integers(),
        "ratio": st.none() | st.floats(allow_nan=False),
        "names": _names | _names.map(lambda names: names * 500),
        "rows": st.lists(st.lists(st.integers(), max_size=3), max_size=3),
        "table": st.dictionaries(st.text("abc", max_size=3), st.floats(allow_nan=False), max_size=3),
        "total": st.decimals(allow_nan=False, allow_infinity=False),
        "marks": st.sets(st.integers(), max_size=3),
        "pair": st.tuples(st.integers(), st.text("ab", max_size=2)),
    },
)


@given(
    st.lists(st.tuples(_plain_values, st.sampled_from(["update", "fail_after", "delete"])), max_size=6), st.booleans()
)
def test_plain_states_follow_a_model(steps: list[tuple[dict[str, Any], str]], eager: bool) -> None:
    bench = Bench(PLAIN, None, eager=eager)
    model = Plain()
    for values, operation in steps:
        if operation == "fail_after":
            with pytest.raises(RuntimeError):
                bench.run(operation, values)
        elif operation == "delete":
            bench.run(operation)
            model = Plain()
        else:
            bench.run(operation, values)
            model = Plain(**{**dict(model), **values})
        assert (bench.state or Plain()) == model
        assert (bench.again().state or Plain()) == model


class Everything(Entity):
    """A field of each kind that pydantic and msgpack do not agree on."""

    at: datetime | None = None
    day: date | datetime | None = None
    clock: time | None = None
    span: timedelta = timedelta(0)
    amount: Decimal | float | int = 0
    key: UUID | str | None = None
    raw: bytes = b""
    text: str | bytes = ""
    flags: frozenset[str] = frozenset()
    points: dict[tuple[int, int], str] = {}
    mixed: list[int | bool | float | str | None] = []
    colour: Colour = Colour.RED
    colours: dict[Colour, int] = {}
    mode: Literal["a", 1, True] = "a"
    nested: list[dict[str, list[Part]]] = []
    shape: Part | Size | None = None
    free: Any = None

    def set(self, name: str) -> None:
        for field, value in VALUES[name].items():
            setattr(self, field, value)


EVERYTHING = ClassEntityType(Everything)
_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
_aware = st.datetimes(timezones=st.just(UTC))
_sizes = st.builds(Size, st.integers(), st.lists(_text, max_size=2))
_parts = st.builds(Part, name=_text, size=_sizes)
_free = st.recursive(
    st.none() | st.booleans() | st.integers() | _text | st.binary(max_size=3) | _aware | st.uuids(),
    lambda inner: st.lists(inner, max_size=2) | st.tuples(inner) | st.dictionaries(_text, inner, max_size=2),
    max_leaves=4,
)
_everything = st.fixed_dictionaries(
    {},
    optional={
        "at": _aware | st.datetimes(),
        "day": st.dates() | _aware,
        "clock": st.times(),
        "span": st.timedeltas(),
        "amount": st.decimals(allow_nan=False, allow_infinity=False) | st.floats(allow_nan=False) | st.integers(),
        "key": st.uuids() | _text | st.uuids().map(str),
        "raw": st.binary(max_size=4),
        "text": _text | st.binary(max_size=4),
        "flags": st.frozensets(_text, max_size=3),
        "points": st.dictionaries(st.tuples(st.integers(), st.integers()), _text, max_size=2),
        "mixed": st.lists(st.integers() | st.booleans() | st.floats(allow_nan=False) | _text | st.none(), max_size=4),
        "colour": st.sampled_from(Colour),
        "colours": st.dictionaries(st.sampled_from(Colour), st.integers(), max_size=2),
        "nested": st.lists(st.dictionaries(_text, st.lists(_parts, max_size=1), max_size=1), max_size=2),
        "shape": st.none() | _parts | _sizes,
        "free": _free,
    },
)


@given(_everything)
def test_any_settled_state_is_read_back_equal(values: dict[str, Any]) -> None:
    bench = Bench(EVERYTHING)
    VALUES["now"] = values
    bench.run("set", "now")
    state = bench.state
    if state is None:
        assert values.items() <= dict(Everything()).items()
        return
    for name, value in values.items():
        assert getattr(state, name) == value, name
        assert type(getattr(state, name)) is type(value), name
    again = bench.again()
    again.run("set", "now")
    assert not again.cell.changed


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
        with pytest.raises(InvalidInput, match=r"the input of Counter\.add") as caught:
            bench.run("add", *args)
        assert vars(caught.value)["at_the_door"]


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


def test_a_class_entity_has_fields_for_state() -> None:
    class Mixed(Entity):
        """Takes itself for a function."""

        def wrong(self, which: str) -> None:
            if which == "get":
                self.context.get_state(int)
            elif which == "set":
                self.context.set_state(1)
            else:
                self.context.get_input(int)

    bench = Bench(ClassEntityType(Mixed))
    for which in ("get", "set", "input"):
        with pytest.raises(InvalidInput, match="entity functions"):
            bench.run("wrong", which)


def test_defaults_made_by_a_factory_are_no_change() -> None:
    class Dated(Entity):
        """Its fresh state differs every time."""

        key: UUID = Field(default_factory=uuid4)
        names: list[str] = Field(default_factory=list)

        def look(self) -> UUID:
            return self.key

        def add(self) -> None:
            self.names.append("x")

    bench = Bench(ClassEntityType(Dated))
    bench.run("look")
    assert not bench.cell.exists
    bench.run("add")
    key = bench.run("look")
    assert bench.again().run("look") == key
    bench.run("delete")
    assert not bench.cell.exists


def test_stored_bytes_are_plain_msgpack() -> None:
    bench = Bench(PLAIN)
    bench.run("append", "x")
    assert unpack(bench.cell.packed() or b"")["names"] == ["x"]
