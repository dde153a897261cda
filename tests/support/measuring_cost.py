"""What it costs a worker to measure itself: the same work by turns with measuring and without, in processor time; and the function
calls that are measuring's.

    python tests/support/measuring_cost.py [TURNS]

Without measuring, what counts, times, remembers and publishes does nothing (patched, here alone). `signals-hot`: 20,000 signals that
wait for one entity; `hello`: 200 instances of five activities in sequence, which wait too. A worker in this process works them off, on
a real server, whose own time is not counted. On a machine that does other things, the least of each tells most: what others do only adds.
"""

from __future__ import annotations

import asyncio
import cProfile
import pstats
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from statistics import median, quantiles
from typing import Any, cast
from unittest.mock import patch

from stead.app import App, Settings
from stead.entities import Entity, EntityId
from stead.entities._measures.hottest import Hottest
from stead.entities._measures.meter import Meter
from stead.entities._measures.recent import RecentRuns
from stead.entities._turns.known import BRIEF_S, Known
from stead.entities._worker.measuring import Measuring
from stead.orchestrations import OrchestrationContext, RuntimeStatus

SIGNALS, INSTANCES = 20_000, 200
MEASURING = (
    "/_measures/",
    "/_turns/known.py",
    "/_worker/measuring.py",
)  # whose functions are calls for the sake of measuring


class Counter(Entity):
    total: int = 0

    def add(self, amount: int) -> None:
        self.total += amount


async def say_hello(city: str) -> str:
    return f"Hello {city}!"


async def hello(context: OrchestrationContext) -> list[str]:
    return [await context.call_activity("say_hello", city) for city in ("Tokyo", "Seattle", "London", "Rome", "Oslo")]


def make_app(name: str) -> App:
    app = App(name, settings=Settings(partitions=1, slot_groups=1))
    app.entity(Counter)
    app.activity(say_hello)
    app.orchestration(hello)
    return app


@contextmanager
def without_measuring() -> Generator[None]:
    """Nothing is counted, timed, remembered or published."""

    def nothing(*_: Any, **__: Any) -> None:
        pass

    async def nothing_later(*_: Any, **__: Any) -> None:
        pass

    def always_brief(*_: Any) -> float:
        return BRIEF_S

    def nothing_now(_: Any) -> dict[str, Any]:
        return {}

    patches: list[tuple[type, str, Any]] = [
        *((Known, name, nothing) for name in ("ran_before", "ran_apart")),
        (Known, "brief_s", always_brief),
        *((Meter, name, nothing) for name in ("add", "add_run")),
        (Hottest, "note", nothing),
        (RecentRuns, "watch", nothing),
        (Measuring, "publish", nothing_later),
        (Measuring, "fold", nothing_later),
        (Measuring, "now", nothing_now),
    ]
    entered = [patch.object(of, name, instead) for of, name, instead in patches]
    for each in entered:
        each.start()
    try:
        yield
    finally:
        for each in entered:
            each.stop()


async def work_off(url: str, kind: str, number: int, *, profiled: bool = False) -> tuple[float, int, int]:
    """Microseconds of this process's time for an operation, and the function calls that are measuring's, and all, if they are counted."""
    app = make_app(f"{kind}-{number}")
    async with app.connect(url) as client:
        if kind == "hello":
            for place in range(INSTANCES):
                await client.start_new("hello", instance_id=f"i{place}")
        else:
            async with client.producer() as producer:
                for _ in range(SIGNALS):
                    await producer.signal(EntityId("Counter", "hot"), "add", 1)
        profile = cProfile.Profile()
        began = time.process_time()
        if profiled:
            profile.enable()
        async with app.worker(url):
            await until_done(client, kind)
        profile.disable()
        spent = time.process_time() - began
    rows = _rows(profile) if profiled else []
    own = sum(row[1] for place, row in rows if any(part in place[0] for part in MEASURING))
    every = sum(row[1] for _, row in rows)
    return spent * 1_000_000 / (INSTANCES if kind == "hello" else SIGNALS), own, every


def _rows(profile: cProfile.Profile) -> list[tuple[tuple[str, int, str], tuple[int, int, float, float, object]]]:
    return list(cast("Any", pstats.Stats(profile)).stats.items())


async def until_done(client: Any, kind: str) -> None:
    """Looks seldom, and at little."""
    left = [f"i{place}" for place in range(INSTANCES if kind == "hello" else 0)]
    while left:
        status = await client.get_status(left[-1], show_input=False)
        if status.runtime_status is RuntimeStatus.COMPLETED:
            left.pop()
        else:
            await asyncio.sleep(0.05)
    while kind != "hello" and (await client.read_entity(Counter, "hot") or Counter()).total < SIGNALS:
        await asyncio.sleep(0.05)


def main(turns: int) -> None:
    from support.valkey_server import ValkeyServer

    with tempfile.TemporaryDirectory(prefix="st") as folder:
        server = ValkeyServer(Path(folder))
        server.start()
        for kind in ("signals-hot", "hello"):
            figures: dict[bool, list[float]] = {True: [], False: []}
            calls: dict[bool, list[int]] = {}
            number = 0
            for turn in range(turns + 1):
                for measured in (True, False) if turn % 2 else (False, True):
                    number += 1
                    profiled = turn == turns
                    if measured:
                        spent, *count = asyncio.run(work_off(server.url, kind, number, profiled=profiled))
                    else:
                        with without_measuring():
                            spent, *count = asyncio.run(work_off(server.url, kind, number, profiled=profiled))
                    if profiled:
                        calls[measured] = count
                    else:
                        figures[measured].append(spent)
            ratios = [one / other for one, other in zip(figures[True], figures[False], strict=True)]
            own, every = calls[True]
            print(
                f"{kind}: {median(figures[True]):.1f} µs measured, {median(figures[False]):.1f} µs not: "
                f"{median(ratios) - 1:+.1%} (median of {turns} turns; quartiles {quantiles(ratios)[0] - 1:+.1%}, "
                f"{quantiles(ratios)[2] - 1:+.1%}; the least of each: {min(figures[True]) / min(figures[False]) - 1:+.1%}); {own:,} of {every:,} function calls are measuring's ({own / every:.1%})",
                flush=True,
            )
        server.kill()


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 15)
