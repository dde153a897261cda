"""Queries and updates: what clients ask and tell running instances, over crashes and replays."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from stead.app import App
from stead.app.testing import TestHub
from stead.entities import Entity, InvalidDefinition, InvalidInput
from stead.orchestrations import (
    InstanceFinished,
    NothingShared,
    OrchestrationContext,
    QueryChangedState,
    QueryFailed,
    RuntimeStatus,
    UnknownInstance,
    UnknownQuestion,
    UpdateFailed,
    UpdateRefused,
)

MakeHub = Callable[[App], TestHub]

app = App("questions")


@dataclass
class Trip:
    """What `trip` shares."""

    hotel: str
    seats: list[str] = field(default_factory=list[str])
    paid: bool = False
    changed: asyncio.Event = field(default_factory=asyncio.Event)


@app.entity
class Ledger(Entity):
    """What was written down, in its order."""

    lines: list[str] = []

    def write(self, line: str) -> int:
        self.lines = [*self.lines, line]
        return len(self.lines)


@app.activity
async def slow(text: str) -> str:
    await asyncio.sleep(0.01)  # real time
    return text.upper()


@app.activity
def breaks() -> None:
    raise ValueError("no such seat")


@app.orchestration
async def trip(context: OrchestrationContext, hotel: str = "Grand") -> list[str]:
    state = context.share(Trip(hotel))
    state.paid = await context.wait_for_external_event("paid", bool)
    return state.seats


@trip.query
def where(state: Trip, loud: bool = False) -> str:
    return state.hotel.upper() if loud else state.hotel


@trip.query
def seats(state: Trip) -> list[str]:
    return state.seats


@trip.query
def greedy(state: Trip) -> int:
    state.seats.append("mine")
    return len(state.seats)


@trip.query
def broken(state: Trip) -> int:
    raise KeyError("seats")


@trip.update
async def take_seat(context: OrchestrationContext, state: Trip, seat: str, *, late: bool = False) -> int:
    if late:
        await context.create_timer(timedelta(seconds=5))
    state.seats.append(await context.call_activity(slow, seat))
    return await context.call_entity(Ledger.write, "l", seat)


@take_seat.validator
def _check_seat(state: Trip, seat: str, *, late: bool = False) -> None:
    if seat.upper() in state.seats:
        raise ValueError(f"{seat} is taken")


@trip.update
def rename(context: OrchestrationContext, state: Trip, hotel: str) -> str:
    before, state.hotel = state.hotel, hotel
    return before


@trip.update
async def fails(context: OrchestrationContext, state: Trip) -> None:
    await context.call_activity(breaks)


@trip.update
async def never(context: OrchestrationContext, state: Trip) -> None:
    await context.wait_for_external_event("never")


@app.orchestration
async def waits_to_be_told(context: OrchestrationContext, left: int) -> int:
    state = context.share(Trip(str(left)))
    await state.changed.wait()
    if left > 1:
        context.continue_as_new(left - 1)
    return left


@waits_to_be_told.update
async def tell(context: OrchestrationContext, state: Trip, pause: float) -> str:
    state.changed.set()
    await asyncio.sleep(pause)
    return state.hotel


@app.orchestration
async def silent(context: OrchestrationContext) -> None:
    await context.wait_for_external_event("never")


@silent.query
def nothing(state: object) -> None:
    """Nobody is given anything."""


async def test_it_answers_from_what_its_code_shares(make_hub: MakeHub) -> None:
    async with make_hub(app) as hub:
        instance_id = await hub.client.start_new(trip)
        assert await hub.client.ask(where, instance_id) == "Grand"
        assert await hub.client.ask(where, instance_id, loud=True) == "GRAND"
        assert await hub.client.ask("WHERE", instance_id, True) == "GRAND"
        assert await hub.client.update(rename, instance_id, "Ritz") == "Grand"
        assert await hub.client.ask(where, instance_id) == "Ritz"
        before = await hub.client.read_history(instance_id)
        await hub.client.suspend(instance_id)
        await hub.run_until_idle()
        assert await hub.client.ask(where, instance_id) == "Ritz"
        await hub.client.resume(instance_id)
        await hub.client.raise_event(instance_id, "paid", True)
        assert (await hub.client.wait_for_completion(instance_id)).result() == []
        await hub.restart_worker()
        assert await hub.client.ask(where, instance_id) == "Ritz"
        history = await hub.client.read_history(instance_id)
        assert history[: len(before)] == before
        assert len(history) == len(before) + 4  # suspended, resumed, the event, the end: of the questions nothing
        await hub.client.restart(instance_id, new_instance_id=False)
        assert await hub.client.ask(where, instance_id) == "Grand"


async def test_a_query_leaves_nothing_behind(make_hub: MakeHub) -> None:
    async with make_hub(app) as hub:
        instance_id = await hub.client.start_new(trip)
        await hub.run_until_idle()
        before = await hub.client.read_history(instance_id)
        status = await hub.client.get_status(instance_id)
        await hub.restart_worker()
        for _ in range(3):
            await hub.client.ask(seats, instance_id)
        assert await hub.client.read_history(instance_id) == before
        assert await hub.client.get_status(instance_id) == status


async def test_one_that_changes_what_is_shared_is_found(make_hub: MakeHub) -> None:
    async with make_hub(app) as hub:
        instance_id = await hub.client.start_new(trip)
        with pytest.raises(QueryFailed, match="greedy") as caught:
            await hub.client.ask(greedy, instance_id)
        assert caught.value.error_type == f"stead.orchestrations.{QueryChangedState.__name__}"
        assert await hub.client.ask(seats, instance_id) == []
        await hub.client.raise_event(instance_id, "paid", True)
        await hub.client.wait_for_completion(instance_id)
        with pytest.raises(QueryFailed, match="greedy"):
            await hub.client.ask(greedy, instance_id)
        assert await hub.client.ask(seats, instance_id) == []


async def test_what_is_wrong_is_said_to_whoever_asks(make_hub: MakeHub) -> None:
    async with make_hub(app) as hub:
        instance_id = await hub.client.start_new(trip)
        with pytest.raises(QueryFailed, match="broken") as caught:
            await hub.client.ask(broken, instance_id)
        assert (caught.value.error_type, caught.value.instance_id) == ("KeyError", instance_id)
        assert "in broken" in caught.value.traceback
        with pytest.raises(UnknownQuestion, match="no query 'nosuch'; it has broken, greedy, seats, where"):
            await hub.client.ask("nosuch", instance_id)
        with pytest.raises(UnknownQuestion, match="no update 'where'"):
            await hub.client.update("where", instance_id)
        with pytest.raises(InvalidInput, match="loud"):
            await hub.client.ask("where", instance_id, "very")
        with pytest.raises(InvalidInput, match="seat"):
            await hub.client.update("take_seat", instance_id)
        for act in (hub.client.ask(where, "nobody"), hub.client.update(rename, "nobody", "x")):
            with pytest.raises(UnknownInstance):
                await act
        with pytest.raises(NothingShared):
            await hub.client.ask(nothing, await hub.client.start_new(silent))
        later = await hub.client.start_new(trip, at=hub.now + timedelta(hours=1))
        await hub.run_until_idle()
        with pytest.raises(NothingShared):
            await hub.client.ask(where, later)
        with pytest.raises(InvalidInput, match=r"\.query gave"):
            await hub.client.ask(rename, instance_id)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]


async def test_an_update_is_a_part_of_the_orchestration(make_hub: MakeHub) -> None:
    async with make_hub(app) as hub:
        instance_id = await hub.client.start_new(trip)
        assert await hub.client.update(take_seat, instance_id, "12a") == 1
        assert await hub.client.update(take_seat, instance_id, "12b", late=True) == 2
        assert await hub.client.ask(seats, instance_id) == ["12A", "12B"]
        with pytest.raises(UpdateRefused, match="12a is taken") as caught:
            await hub.client.update(take_seat, instance_id, "12a")
        assert caught.value.error_type == "ValueError"
        with pytest.raises(UpdateFailed, match="ActivityFailed") as failed:
            await hub.client.update(fails, instance_id)
        assert not isinstance(failed.value, UpdateRefused)
        assert failed.value.cause is not None and failed.value.cause.error_type == "ValueError"
        await hub.restart_worker()
        assert await hub.client.ask(seats, instance_id) == ["12A", "12B"]
        names = [type(event).__name__ for event in await hub.client.read_history(instance_id)]
        assert (names.count("UpdateAccepted"), names.count("UpdateCompleted")) == (3, 3)  # nothing of what was refused
        ledger = await hub.client.read_entity(Ledger, "l")
        assert ledger is not None and ledger.lines == ["12a", "12b"]
        await hub.client.raise_event(instance_id, "paid", True)
        assert (await hub.client.wait_for_completion(instance_id)).result() == ["12A", "12B"]
        with pytest.raises(InstanceFinished):
            await hub.client.update(take_seat, instance_id, "1a")


async def test_it_comes_in_its_order_among_events(make_hub: MakeHub) -> None:
    async with make_hub(app) as hub:
        instance_id = await hub.client.start_new(trip)
        await hub.run_until_idle()
        updating = asyncio.ensure_future(hub.client.update(rename, instance_id, "Ritz"))
        assert await updating == "Grand"
        await hub.client.raise_event(instance_id, "paid", True)
        with pytest.raises(InstanceFinished):
            await hub.client.update(rename, instance_id, "Plaza")
        assert await hub.client.ask(where, instance_id) == "Ritz"


async def test_one_that_ends_fails_what_it_was_told(make_hub: MakeHub) -> None:
    for end in ("paid", "terminate", "cancel"):
        async with make_hub(app) as hub:
            instance_id = await hub.client.start_new(trip)
            updating = asyncio.ensure_future(hub.client.update(never, instance_id))
            await asyncio.sleep(0)
            await hub.run_until_idle()
            if end == "paid":
                await hub.client.raise_event(instance_id, "paid", True)
            elif end == "cancel":
                await hub.client.cancel(instance_id)
            else:
                await hub.client.terminate(instance_id)
            with pytest.raises(InstanceFinished):
                await updating


async def test_one_that_continues_as_new_waits_for_what_it_was_told(make_hub: MakeHub) -> None:
    """What comes while it waits is for the next execution; and what the last one is told at its end comes too late."""
    async with make_hub(app) as hub:
        instance_id = await hub.client.start_new(waits_to_be_told, 3)
        told: list[asyncio.Future[str]] = []
        for pause in (20.0, 5.0):
            await hub.run_until_idle()
            told.append(asyncio.ensure_future(hub.client.update(tell, instance_id, pause)))
            await asyncio.sleep(0)
        await hub.run_until_idle()
        assert not any(one.done() for one in told)
        assert [await one for one in told] == ["3", "2"]
        with pytest.raises(InstanceFinished):
            await hub.client.update(tell, instance_id, 1.0)
        assert (await hub.client.wait_for_completion(instance_id)).result() == 1


async def test_an_update_may_be_all_that_is_waited_for(make_hub: MakeHub) -> None:
    async with make_hub(app) as hub:
        instance_id = await hub.client.start_new(waits_to_be_told, 1)
        await hub.run_until_idle()
        status = await hub.client.get_status(instance_id)
        assert status is not None and status.runtime_status is RuntimeStatus.RUNNING
        assert await hub.client.update(tell, instance_id, 0.0) == "1"
        assert (await hub.client.wait_for_completion(instance_id)).result() == 1


# -- definitions -------------------------------------------------------------------------------------------------------


def test_what_cannot_be_one_is_refused_at_its_definition() -> None:
    async def waits(state: Trip) -> None: ...

    def without() -> None: ...

    def only_context(context: OrchestrationContext) -> None: ...

    def again(state: Trip) -> None: ...

    again.__name__ = "Where"

    with pytest.raises(InvalidDefinition, match="it waits for nothing"):
        trip.query(waits)
    with pytest.raises(InvalidDefinition, match="what the orchestration shares first"):
        trip.query(without)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    with pytest.raises(InvalidDefinition, match="the context and what the orchestration shares first"):
        trip.update(only_context)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]
    with pytest.raises(InvalidDefinition, match="case does not count"):
        trip.query(again)
    with pytest.raises(InvalidDefinition, match="has one already"):
        take_seat.validator(_check_seat)


def test_an_update_that_would_not_replay_is_found_at_its_definition() -> None:
    strict = App("questions", settings=app.settings.model_copy(update={"determinism": "error"}))

    @strict.orchestration
    async def strictly(context: OrchestrationContext) -> None:
        context.share([])

    with pytest.raises(TypeError, match="random"):

        @strictly.update
        def draws(context: OrchestrationContext, state: list[Any]) -> float:
            import random

            return random.random()


async def test_sharing_comes_first_and_once(make_hub: MakeHub) -> None:
    clumsy = App("clumsy")

    @clumsy.orchestration
    async def late(context: OrchestrationContext, twice: bool) -> str:
        if twice:
            context.share(Trip(""))
        else:
            await asyncio.sleep(1)
        try:
            context.share(Trip(""))
        except InvalidInput as error:
            return error.reason
        return ""

    async with make_hub(clumsy) as hub:
        for twice, said in [(True, "has shared one already"), (False, "before the first await")]:
            instance_id = await hub.client.start_new(late, twice)
            assert said in (await hub.client.wait_for_completion(instance_id)).result()
