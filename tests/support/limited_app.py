"""Activities with limits over the hub that keep a book: a line when one begins, and one before it has ended."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

from stead.app import App
from stead.orchestrations import OrchestrationContext, activity_context

app = App("limited")

AT_ONCE = 2
LASTING = 2


def note(book: str, mark: str, shop: str) -> None:
    """One write at the end of a file: lines of several processes do not mix."""
    of = activity_context()
    line = f"{mark} {shop} {of.instance_id}/{of.task_id}\n"
    file = os.open(book, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(file, line.encode())
    finally:
        os.close(file)


@app.activity(concurrency=AT_ONCE, key=lambda shop: shop)
async def charge(shop: str, book: str) -> str:
    note(book, "+", shop)
    await asyncio.sleep(0.02)
    note(book, "-", shop)
    return shop


@app.activity(rate="100/min")
async def fetch(number: int, book: str) -> int:
    """The first run of `LASTING` goes on until its worker is killed."""
    first = number == LASTING and f" {number} " not in (Path(book).read_text() if Path(book).exists() else "")
    with Path(book).open("a") as file:
        file.write(f"{time.time()} {number} {os.getpid()}\n")
    while first:
        await asyncio.sleep(1)
    return number


@app.orchestration
async def fetching(context: OrchestrationContext, given: tuple[list[int], str]) -> list[int]:
    numbers, book = given
    return await asyncio.gather(*(context.call_activity(fetch, number, book) for number in numbers))


@app.orchestration
async def shopping(context: OrchestrationContext, book: str) -> int:
    paid = await asyncio.gather(*(context.call_activity(charge, f"shop {number % 2}", book) for number in range(6)))
    return len(paid)


def most_at_once(book: Path) -> dict[str, int]:
    """For each shop how many had begun and not ended at once, at most. One whose worker was killed runs until another one has run it."""
    running: dict[str, set[str]] = {}
    most: dict[str, int] = {}
    for line in book.read_text().splitlines():
        mark, shop, of = line[0], line[2:8], line[9:]
        those = running.setdefault(shop, set())
        (those.add if mark == "+" else those.discard)(of)
        most[shop] = max(most.get(shop, 0), len(those))
    return most
