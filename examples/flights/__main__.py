"""Stream the flights through two workers, kill one half-way, and check every total: `python -m examples.flights`."""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from stead.app import Client

from . import check, screen
from .data import Flight, flights
from .entities import Carrier, Route, app
from .workers import Process, Workers

LATEST_S = 120.0
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
                routes = {entity_id.key: route async for entity_id, route in client.list_entities(Route)}
                carriers = {entity_id.key: carrier async for entity_id, carrier in client.list_entities(Carrier)}
    seconds = time.monotonic() - began
    console.print(screen.worst_routes(routes))
    expected_routes, expected_carriers = check.count(flights())
    wrong = check.differences(expected_routes, routes) + check.differences(expected_carriers, carriers)
    console.print(screen.verdict(routes, carriers, wrong, len(todo), seconds))
    return not wrong


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
