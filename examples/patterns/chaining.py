"""Function chaining: one step after the other, and when one fails, what was done is undone in reverse.

python -m examples.patterns.chaining
"""

from __future__ import annotations

import asyncio
from datetime import timedelta

from pydantic import BaseModel

from stead.app import App
from stead.orchestrations import Activity, ActivityFailed, OrchestrationContext, RetryPolicy

app = App("chaining")


class Trip(BaseModel):
    """What somebody wants to book."""

    city: str
    nights: int = 1
    budget: int = 1_000


class Booking(BaseModel):
    """What came of it: the confirmations, or why there are none."""

    booked: bool
    confirmations: list[str] = []
    reason: str = ""


@app.activity
async def reserve_hotel(trip: Trip) -> str:
    """The hotel's confirmation."""
    return f"hotel in {trip.city}, {trip.nights} nights"


@app.activity
async def cancel_hotel(confirmation: str) -> None:
    """Undo `reserve_hotel`; doing it twice does no harm, as with every activity."""


@app.activity
async def reserve_flight(trip: Trip) -> str:
    """The airline's confirmation."""
    return f"flight to {trip.city}"


@app.activity
async def cancel_flight(confirmation: str) -> None:
    """Undo `reserve_flight`."""


@app.activity(retry=RetryPolicy(max_attempts=3, first_interval=timedelta(seconds=1)))
async def charge(trip: Trip) -> str:
    """Take the money; what fails here is tried three times before it counts."""
    price = 300 + 120 * trip.nights
    if price > trip.budget:
        raise ValueError(f"{price} is more than {trip.budget}")
    return f"paid {price}"


@app.orchestration
async def book(context: OrchestrationContext, trip: Trip) -> Booking:
    """All of it or nothing."""
    done: list[str] = []
    undo: list[tuple[Activity[[str], None], str]] = []
    try:
        hotel = await context.call_activity(reserve_hotel, trip)
        done.append(hotel)
        undo.append((cancel_hotel, hotel))
        flight = await context.call_activity(reserve_flight, trip)
        done.append(flight)
        undo.append((cancel_flight, flight))
        done.append(await context.call_activity(charge, trip))
    except ActivityFailed as failure:
        for cancel, confirmation in reversed(undo):
            await context.call_activity(cancel, confirmation)
        return Booking(booked=False, reason=failure.message)
    return Booking(booked=True, confirmations=done)


async def main() -> None:
    """Book a trip, and one that is too expensive."""
    url = "memory://"  # without it: $STEAD_URL, else a server of its own in ./.stead
    async with app.worker(url), app.connect(url) as client:
        for trip in (Trip(city="Lisbon", nights=3), Trip(city="Oslo", nights=2, budget=500)):
            instance_id = await client.start_new(book, trip)
            status = await client.wait_for_completion(instance_id)
            print(trip.city, "-", status.output)


if __name__ == "__main__":
    asyncio.run(main())
