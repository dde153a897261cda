"""A model that is accepted in one place is accepted in all, and means the same there: arguments, results, inputs, outputs,
events, states, whoever wrote it and however (as a model, by its fields' names, by their aliases).
"""

# A type is a variable here.
# pyright: basic
# pyright: reportInvalidTypeForm=false

from __future__ import annotations

import re
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any, Literal, cast

import pydantic
import pytest
from pydantic import AliasPath, BaseModel, ConfigDict, Field, RootModel, TypeAdapter, computed_field, model_serializer
from pydantic.alias_generators import to_camel

from stead.app import App, Settings
from stead.app.testing import TestHub
from stead.entities import Entity, EntityContext, EntityId, InvalidInput
from stead.orchestrations import InstanceId, OrchestrationContext


class Aliased(BaseModel):
    user_id: int = Field(alias="userId")


class Camel(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", serialize_by_alias=True)

    first_name: str = "a"
    last_name: str = "b"


class OneWay(BaseModel):
    read: int = Field(0, validation_alias="in")
    written: int = Field(0, serialization_alias="out")
    deep: int = Field(0, validation_alias=AliasPath("nested", 0))


class Computed(BaseModel):
    model_config = ConfigDict(extra="forbid")

    width: int = Field(2, alias="w")

    @computed_field
    def area(self) -> int:
        return self.width**2


class Root(RootModel[list[Computed]]):
    pass


class Nested(BaseModel):
    model_config = ConfigDict(extra="forbid")

    inner: Computed = Field(default_factory=lambda: Computed(w=2), alias="innerOne")
    more: list[Aliased] = []
    by_key: dict[str, Camel] = {}


class Cat(BaseModel):
    kind: Literal["cat"] = Field("cat", alias="petKind")
    lives: int = Field(9, alias="nLives")


class Dog(BaseModel):
    kind: Literal["dog"] = Field("dog", alias="petKind")


Pet = Annotated[Cat | Dog, Field(discriminator="kind")]


@pydantic.dataclasses.dataclass(config=ConfigDict(extra="forbid"))
class Point:
    x: Annotated[int, Field(alias="xPos")]

    @computed_field
    def double(self) -> int:
        return self.x * 2


@dataclass
class Plain:
    model: Computed
    pet: Aliased


VALUES: dict[str, tuple[Any, Any]] = {
    "aliases": (Aliased, Aliased(userId=7)),
    "alias generator": (Camel, Camel.model_validate({"firstName": "x"})),
    "aliases one way": (OneWay, OneWay.model_validate({"in": 1, "written": 2, "nested": [3]})),
    "computed and forbid": (Computed, Computed(w=3)),
    "root model": (Root, Root([Computed(w=1), Computed(w=2)])),
    "nested": (Nested, Nested(innerOne=Computed(w=1), more=[Aliased(userId=1)], by_key={"a": Camel()})),
    "list": (list[Computed], [Computed(w=1)]),
    "dict": (dict[str, Nested], {"a": Nested()}),
    "optional": (Computed | None, Computed(w=5)),
    "union": (Pet, Cat.model_validate({"nLives": 3})),
    "pydantic dataclass": (Point, Point(xPos=2)),  # type: ignore[call-arg]
    "dataclass": (Plain, Plain(Computed(w=1), Aliased(userId=2))),
}


def app_of(form: Any) -> App:
    """An app whose every door takes and gives values of a type."""
    app = App("doors", settings=Settings(determinism="off"))

    @app.entity
    class Box(Entity):
        kept: form | None = None

        def put(self, value: form) -> form:
            self.kept = value
            return value

    @app.entity_function("Function")
    def function(context: EntityContext) -> Any:
        context.set_state(context.get_input(form))
        return context.get_state(form)

    @app.activity
    def pass_on(value: form) -> form:
        return value

    @app.orchestration
    async def child(context: OrchestrationContext, value: form) -> form:
        return value

    @app.orchestration
    async def listen(context: OrchestrationContext) -> form:
        return await context.wait_for_external_event("value", form)

    @app.orchestration
    async def flow(context: OrchestrationContext, value: form) -> form:
        seen = [value]
        seen.append(await context.call_activity("pass_on", value))
        seen.append(await context.call_activity(pass_on, seen[-1]))
        seen.append(await context.call_sub_orchestrator("child", seen[-1]))
        seen.append(await context.call_sub_orchestrator(child, seen[-1]))
        seen.append(await context.call_entity(EntityId("Box", "b"), "put", seen[-1]))
        seen.append(await context.call_entity(Box.put, "c", seen[-1]))
        plain = await context.call_entity(EntityId("Function", "f"), "put", seen[-1])
        seen.append(TypeAdapter(form).validate_python(plain, by_alias=True, by_name=True))
        context.send_event("other", "value", seen[-1])
        context.set_custom_status(seen[-1])
        seen += [await context.wait_for_external_event("value", form) for _ in range(3)]
        assert all(each == value and type(each) is type(value) for each in seen), seen
        return seen[-1]

    return app


@pytest.mark.parametrize("case", VALUES)
@pytest.mark.parametrize("written", ["as it is", "by name", "by alias"])
async def test_a_value_goes_through_every_door(case: str, written: str) -> None:
    form, value = VALUES[case]
    adapter: TypeAdapter[Any] = TypeAdapter(form)
    by_alias = adapter.dump_python(value, by_alias=True, round_trip=True, exclude_computed_fields=True)
    if case == "aliases one way":
        by_alias = {"in": 1, "written": 2, "nested": [3]}
    by_name = adapter.dump_python(value, by_alias=False, round_trip=True, exclude_computed_fields=True)
    given = {"as it is": value, "by name": by_name, "by alias": by_alias}[written]
    async with TestHub(app_of(form), replay_every_turn=True) as hub:
        client = hub.client
        await client.start_new("listen", instance_id="other")
        instance: InstanceId[Any] = InstanceId(await client.start_new("flow", given))
        for data in (given, by_name, value):
            await client.raise_event(instance, "value", data)
        status = await client.wait_for_completion(instance)
        assert status.failure is None
        assert status.output == value and type(status.output) is type(value)
        assert adapter.validate_python(status.custom_status, by_alias=True, by_name=True) == value
        other: InstanceId[Any] = InstanceId("other")
        assert (await client.wait_for_completion(other)).output == value
        assert await client.call_entity(EntityId("Box", "d"), "put", given) == value
        kept = await client.read_entity(EntityId("Box", "d"))
        assert adapter.validate_python(kept["kept"], by_alias=True, by_name=True) == value


async def test_an_event_that_is_not_of_the_type_says_what_is_wrong() -> None:
    async with TestHub(app_of(Computed)) as hub:
        instance = await hub.client.start_new("listen")
        await hub.client.raise_event(instance, "value", {"width": "wide"})
        failure = (await hub.client.wait_for_completion(instance)).failure
        assert failure is not None and failure.error_type.endswith("InvalidInput")
        assert "event 'value'" in failure.message and "width" in failure.message


class Crossed(BaseModel):
    """The alias of one field is the name of another."""

    a: int = Field(default=0, alias="b")
    b: int = Field(default=0, alias="a")


class Gone(BaseModel):
    """Its serializer leaves out what its validators want."""

    n: int

    @model_serializer
    def nothing(self) -> dict[str, int]:
        return {}


DOORS: dict[str, Callable[[OrchestrationContext, Any], object]] = {
    "event": lambda context, value: context.send_event("other", "value", value),
    "activity": lambda context, value: context.call_activity("elsewhere", value),
    "activity by keyword": lambda context, value: context.call_activity("elsewhere", value=[value]),
    "child": lambda context, value: context.call_sub_orchestrator("elsewhere", value),
    "start": lambda context, value: context.start_new("elsewhere", {"inner": value}),
}


@pytest.mark.parametrize("value", [Crossed(b=1, a=2), Gone(n=1)], ids=lambda value: type(value).__name__)
async def test_what_its_own_class_would_read_as_another_is_refused_at_every_door_without_a_type(value: Any) -> None:
    app = App("untyped", settings=Settings(determinism="off"))

    @app.orchestration
    async def flow(context: OrchestrationContext, door: str) -> str:
        try:
            DOORS[door](context, value)
        except InvalidInput as error:
            return str(error)
        return "taken"

    @app.orchestration
    async def waits(context: OrchestrationContext) -> Any:
        return await context.wait_for_external_event("value")

    async with TestHub(app) as hub:
        client = hub.client
        for door in DOORS:
            status = await client.wait_for_completion(await client.start_new(flow, door))
            assert "by its own class" in str(status.output), (door, status)
        instance = await client.start_new(waits)
        tries: list[Callable[[], Awaitable[Any]]] = [
            lambda: client.raise_event(instance, "value", [value]),
            lambda: client.update("change", instance, value),
            lambda: client.ask("look", instance, value=value),
            lambda: client.schedules.create("often", every=timedelta(days=1)).start_new("elsewhere", value),
        ]
        for attempt in tries:
            with pytest.raises(InvalidInput, match="by its own class"):
                await attempt()


class Near(BaseModel):
    n: int = 0


class Twin(BaseModel):
    n: int = 0


class Nearer(Near):
    m: int = 1


class Hiding(BaseModel):
    n: int = Field(default=0, exclude=True)


@pytest.mark.parametrize(
    ("form", "value"),
    [
        (Near | Twin, Twin(n=1)),
        (list[Near], [Nearer()]),
        (Hiding, Hiding(n=1)),
        (deque[int], deque([1], maxlen=2)),
        (re.Pattern[str], re.compile("x", re.IGNORECASE)),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_what_would_arrive_as_another_is_refused_where_it_is_given(form: Any, value: Any) -> None:
    app = App("lossy", settings=Settings(determinism="off"))

    @app.activity
    async def use(value: form) -> form:
        return value

    @app.orchestration
    async def child(context: OrchestrationContext, value: form) -> form:
        return value

    @app.orchestration
    async def flow(context: OrchestrationContext) -> int:
        refused = 0
        for call in (context.call_activity, context.call_sub_orchestrator, context.start_new):
            try:
                await cast("Any", call)(use if call == context.call_activity else child, value)
            except InvalidInput as error:
                refused += "would arrive as" in str(error)
        return refused

    async with TestHub(app) as hub:
        with pytest.raises(InvalidInput, match="would arrive as"):
            await hub.client.start_new(child, value)
        status = await hub.client.wait_for_completion(await hub.client.start_new(flow))
        assert status.output == 3, status


async def test_what_arrives_as_plain_data_is_taken() -> None:
    """Where the type allows that as well: nothing of it is lost."""
    app = App("plain", settings=Settings(determinism="off"))

    @app.orchestration
    async def child(context: OrchestrationContext, value: Any) -> Any:
        return value

    @app.orchestration
    async def either(context: OrchestrationContext, value: dict[str, Any] | Near) -> Any:
        return value

    async with TestHub(app) as hub:
        client = hub.client
        for code in (child, either):
            for value in (Near(n=2), {"inner": [Near(n=2)]}):
                status = await client.wait_for_completion(await client.start_new(cast("Any", code), value))
                assert status.output in ({"n": 2}, {"inner": [{"n": 2}]}), status
