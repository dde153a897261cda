"""`stead drain`: let a worker give everything back, and see that it has."""

from __future__ import annotations

from typing import Any

from stead.app._app import App
from stead.app._console.faults import FAILED
from stead.app._console.request import Request
from stead.app._console.screen import console, print_json_line
from stead.app._console.words import number_of
from stead.app._hub.client import Client
from stead.entities.extending import is_drained, want_drained, worker_of
from stead.transport import Settings, Store, within

_LOOK_S = 0.1


def drain_command(request: Request, name: str, *, undo: bool) -> int:
    """Exit status 1 if it still holds something when its time is over."""

    async def work(app: App, client: Client) -> int:
        store = client.store
        views = await store.workers()
        worker = worker_of(views, name).worker
        await want_drained(store, worker, drained=not undo)
        others = [view for view in views if view.worker != worker and not is_drained(view.info)]
        left = 0 if undo else await _left(store, worker, app.settings)
        if request.as_json:
            print_json_line({"worker": worker, "drained": not undo, "partitions": left, "others": len(others)})
        else:
            _print(worker, left, len(others), undo=undo)
        return FAILED if left else 0

    return request.run(work)


async def _left(store: Store, worker: str, settings: Settings) -> int:
    """What it still holds, once it holds nothing or its time is over."""
    seconds = (settings.drain_ms + settings.worker_keep_ms + 2 * settings.heartbeat_ms) / 1000
    left = 0
    try:
        async with within(store.clock, seconds):
            while True:
                view = next((view for view in await store.workers() if view.worker == worker), None)
                if view is None:  # it has ended meanwhile
                    return 0
                left = _partitions(view.info)
                if is_drained(view.info) and left == 0:
                    return 0
                await store.clock.sleep(_LOOK_S)
    except TimeoutError:
        return max(1, left)


def _partitions(info: dict[str, Any]) -> int:
    value = info.get("partitions")
    return value if isinstance(value, int) else 0


def _print(worker: str, left: int, others: int, *, undo: bool) -> None:
    screen = console()
    if undo:
        screen.print(f"{worker} works again with its next heartbeat", soft_wrap=True)
    elif left:
        screen.print(
            f"{worker} still holds {number_of(left, 'partition')}; `stead info` shows it", style="red", soft_wrap=True
        )
    else:
        screen.print(f"{worker} holds nothing any more", soft_wrap=True)
    if not (undo or others):
        screen.print("no other worker takes its work: messages wait until one does", style="yellow", soft_wrap=True)
