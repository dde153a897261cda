"""What type checkers know of queries and updates: checked by mypy and pyright (strict), never run.

Each `type: ignore` stands where both checkers have to report an error: an unused one is an error itself.
"""

# pyright: reportUnnecessaryTypeIgnoreComment=true

from __future__ import annotations

from datetime import timedelta
from typing import Any, assert_type

from pydantic import BaseModel

from stead.app import App, SyncClient
from stead.orchestrations import (
    OrchestrationClient,
    OrchestrationContext,
    OrchestrationQuery,
    OrchestrationUpdate,
)

app = App("typed-questions")


class Trip(BaseModel):
    seat: str = ""


@app.orchestration
async def trip(context: OrchestrationContext, hotel: str) -> int:
    state = context.share(Trip())
    assert_type(state, Trip)
    await context.create_timer(timedelta(days=1))
    return 1


@trip.query
def where(state: Trip, detailed: bool = False) -> str:
    return state.seat


@trip.update
async def change_seat(context: OrchestrationContext, state: Trip, seat: str) -> bool:
    await context.create_timer(timedelta(days=1))
    state.seat = seat
    return True


@change_seat.validator
def _check(state: Trip, seat: str) -> None:
    if not seat:
        raise ValueError("which?")


@trip.update
def count(context: OrchestrationContext, state: Trip, *, by: int = 1) -> int:
    return by


@change_seat.validator  # type: ignore[arg-type]
def _other(state: Trip, seat: int) -> None: ...


async def talk(client: OrchestrationClient, sync: SyncClient) -> None:
    assert_type(await client.ask(where, "x", detailed=True), str)
    assert_type(await client.ask(where, "x"), str)
    assert_type(await client.ask("where", "x", 1), Any)
    assert_type(await client.update(change_seat, "x", "12A"), bool)
    assert_type(await client.update(count, "x", by=2), int)
    assert_type(await client.update("count", "x"), Any)
    assert_type(sync.ask(where, "x", True), str)
    assert_type(sync.update(change_seat, "x", "12A"), bool)
    await client.ask(where, "x", detailed="very")  # type: ignore[call-overload]
    await client.ask(where)  # type: ignore[call-overload]
    await client.update(change_seat, "x")  # type: ignore[call-overload]
    await client.update(change_seat, "x", 12)  # type: ignore[call-overload]
    await client.update(where, "x")  # type: ignore[call-overload]
    await client.ask(change_seat, "x", "12A")  # type: ignore[call-overload]
    await client.cancel("x", "reason")


def definitions() -> None:
    assert_type(where, OrchestrationQuery[[bool], str])  # type: ignore[assert-type]
    told: OrchestrationUpdate[Trip, [str], bool] = change_seat
    assert_type(where(Trip(), detailed=True), str)
    assert_type(told.name, str)
