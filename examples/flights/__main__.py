"""Stream the flights through two workers, kill one half-way, and check every total; then once more, by the time at which
they left, into windows and quantiles: `python -m examples.flights`.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from stead.app import Client

from . import check, departures, screen
from .data import Flight, flights
from .entities import Airport, Carrier, Route, app
from .workers import Process, Workers

LATEST_S = 900.0
"""By then everything must be recorded."""

console = Console()


async def main() -> bool:
    """The whole demonstration; gives whether every total is right."""
    began = time.monotonic()
    todo = list(flights())
    with tempfile.TemporaryDirectory(prefix="stead-flights-", ignore_cleanup_errors=True) as folder:
        url = f"embedded://{folder}/hub"
        async with app.connect(url) as client:  # this starts the server; the workers attach to it
            with Workers(url, Path(folder)) as workers:
                async with asyncio.timeout(LATEST_S):
                    await stream(client, workers, todo)
                    again = time.monotonic()
                    await stream_departures(client, workers, todo)
                airports = {entity_id.key: airport async for entity_id, airport in client.list_entities(Airport)}
                routes = {entity_id.key: route async for entity_id, route in client.list_entities(Route)}
                carriers = {entity_id.key: carrier async for entity_id, carrier in client.list_entities(Carrier)}
    ended = time.monotonic()
    console.print(screen.worst_routes(routes))
    expected_routes, expected_carriers = check.count(flights())
    wrong = check.differences(expected_routes, routes) + check.differences(expected_carriers, carriers)
    console.print(screen.verdict(routes, carriers, wrong, len(todo), again - began))
    console.print(screen.airports(airports))
    wrong_departures = departures.differences(todo, airports)
    console.print(screen.verdict_of_departures(airports, wrong_departures, ended - again))
    return not wrong and not wrong_departures


async def stream(client: Client, workers: Workers, todo: list[Flight]) -> None:
    """Send every flight to its route and its carrier, and wait until they have recorded all of them."""
    victim = workers.start()
    second = workers.start()
    console.print(f"{len(todo):,} flights for two workers, the processes {victim.pid} and {second.pid}")
    columns = (TextColumn("{task.description:9}"), BarColumn(None), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        sent = progress.add_task("sent", total=len(todo))
        recorded = progress.add_task("recorded", total=len(todo))
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(watch(client, workers, progress, recorded, len(todo)))
            async with client.producer() as producer:
                for number, flight in enumerate(todo, start=1):
                    await producer.signal(Route.record, flight.route, flight.delay)
                    await producer.signal(Carrier.record, flight.carrier, flight.delay)
                    if number == len(todo) // 2:
                        replace(workers, victim)
                    if number % 1_000 == 0 or number == len(todo):
                        progress.update(sent, completed=number)


async def stream_departures(client: Client, workers: Workers, todo: list[Flight]) -> None:
    """Send every departure to its airport: three entities get all of them, and take what waits at once."""
    left = [flight for flight in todo if flight.departure is not None]
    console.print(f"{len(left):,} departures for three airports: days and quantiles")
    columns = (TextColumn("{task.description:9}"), BarColumn(None), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        recorded = progress.add_task("recorded", total=len(left))
        async with asyncio.TaskGroup() as tasks, client.producer() as producer:
            tasks.create_task(watch_departures(client, workers, progress, recorded, len(left)))
            for flight in left:
                assert flight.departure is not None
                await producer.signal(Airport.left, flight.origin, (flight.departure, flight.departure_delay))


async def watch_departures(client: Client, workers: Workers, progress: Progress, task: TaskID, total: int) -> None:
    """Show how many departures are recorded, until all of them are."""
    recorded = 0
    while recorded < total:
        await asyncio.sleep(0.25)
        workers.check()
        recorded = sum([airport.delays.count async for _, airport in client.list_entities(Airport)])
        progress.update(task, completed=recorded)


def replace(workers: Workers, victim: Process) -> None:
    """Kill a worker and start another."""
    workers.kill(victim)
    successor = workers.start()
    console.print(f"[bold red]SIGKILL[/bold red] to worker {victim.pid} half-way; {successor.pid} is started instead")


async def watch(client: Client, workers: Workers, progress: Progress, task: TaskID, total: int) -> None:
    """Show how many flights are recorded, until all of them are."""
    recorded = 0
    while recorded < total:
        await asyncio.sleep(0.25)
        workers.check()
        by_route = sum([route.flights async for _, route in client.list_entities(Route)])
        by_carrier = sum([carrier.flights async for _, carrier in client.list_entities(Carrier)])
        recorded = min(by_route, by_carrier)
        progress.update(task, completed=recorded)


if __name__ == "__main__":
    sys.exit(0 if asyncio.run(main()) else 1)
