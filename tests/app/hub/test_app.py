"""`App`: a hub's name, the definitions of a program, and clients and workers made from them."""

from __future__ import annotations

import pytest

from stead.app import App, Client, Settings
from stead.entities import Entity, EntityContext, EntityId, InvalidDefinition, InvalidInput, UnknownEntity

pytestmark = pytest.mark.anyio


class AnyCounter(Entity):
    value: int = 0

    def add(self, amount: int) -> int:
        self.value += amount
        return self.value


def app_with_counter(name: str = "app-tests") -> App:
    app = App(name, settings=Settings(partitions=4, slot_groups=2))

    @app.entity
    class Counter(AnyCounter):  # pyright: ignore[reportUnusedClass] - found by its name
        pass

    return app


@pytest.mark.parametrize("name", ["abc", "Weather-2", "a" * 45])
def test_a_hub_name_is_letters_digits_and_dashes(name: str) -> None:
    assert App(name).name == name


@pytest.mark.parametrize("name", ["", "ab", "1ab", "-ab", "a_b", "wéather", "a" * 46, "a b c", "abc\n"])
def test_other_hub_names_are_refused(name: str) -> None:
    with pytest.raises(InvalidInput, match="3 to 45 characters"):
        App(name)


def test_settings_come_from_the_environment_unless_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEAD_PARTITIONS", "7")
    assert App("weather").settings.partitions == 7
    assert App("weather", settings=Settings(partitions=9)).settings.partitions == 9


def test_a_wrong_setting_of_the_environment_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEAD_PARTITIONS", "many")
    with pytest.raises(InvalidInput, match="STEAD_PARTITIONS is 'many', and must be a whole number"):
        App("weather")


def test_entities_are_registered_by_their_class_names_or_given_ones() -> None:
    app = App("weather")

    @app.entity
    class Plain(Entity):
        pass

    @app.entity()
    class Called(Entity):
        pass

    @app.entity(name="Given")
    class Renamed(Entity):
        pass

    @app.entity_function("Function")
    def function(context: EntityContext) -> None:
        context.delete_state()

    assert app.registry.names() == ["Called", "Function", "Given", "Plain"]
    assert str(EntityId(Renamed, "k")) == "@given@k"
    assert {Plain.__name__, Called.__name__, function.__name__} == {"Plain", "Called", "function"}


def test_two_names_that_differ_by_case_only_are_refused() -> None:
    app = App("weather")

    def function(context: EntityContext) -> None:
        context.delete_state()

    app.entity_function("station")(function)
    with pytest.raises(InvalidDefinition, match="STATION"):
        app.entity_function("STATION")(function)


async def test_a_client_is_a_context_manager_or_awaited(server_url: str) -> None:
    app = app_with_counter()
    async with app.connect(server_url) as client:
        assert isinstance(client, Client)
        assert await client.read_entity(EntityId("Counter", "a")) is None
    kept = await app.connect(server_url)
    try:
        with pytest.raises(UnknownEntity):
            await kept.read_entity(AnyCounter, "a")  # the class is not registered, only its subclass
    finally:
        await kept.aclose()


async def test_a_worker_runs_beside_a_block(server_url: str) -> None:
    app = app_with_counter()
    async with app.worker(server_url) as worker, app.connect(server_url) as client:
        assert len(worker.partitions) == 4
        assert await client.call_entity(EntityId("Counter", "a"), "add", 3) == 3
    async with app.connect(server_url) as client:
        assert await client.read_entity(EntityId("counter", "a")) == {"value": 3}
        assert await client.store.workers() == []


async def test_two_apps_of_one_name_are_one_hub(server_url: str) -> None:
    async with app_with_counter().worker(server_url), app_with_counter().connect(server_url) as client:
        assert await client.call_entity(EntityId("Counter", "a"), "add", 1) == 1
    async with app_with_counter("other-hub").connect(server_url) as client:
        assert await client.read_entity(EntityId("Counter", "a")) is None


async def test_run_ends_when_it_is_told_to_even_before_it_began(server_url: str) -> None:
    run = app_with_counter().worker(server_url, name="early")
    run.stop()
    await run.run()
