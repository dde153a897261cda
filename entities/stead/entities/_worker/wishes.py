"""What people want of workers, who look for it with each heartbeat: that one is drained, or works again; that what an entity does is
told (`_measures/recent`).

A wish is said for a time (`WISH_KEEP_MS`), within which every worker that lives has seen it, and is remembered by the worker
itself: whoever starts anew works.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stead.transport import InvalidInput, Store, WorkerView

WISH_KEEP_MS = 3_600_000
DRAINED = "drained"
"""What a drained worker says in place of what waits for others. (One of an earlier version cannot read it, and does what is right:
it gives such a worker no partitions.)"""
WATCH_KEEP_MS = 60_000
"""So long an entity counts as looked at after somebody has looked."""
_DRAIN = "drain/"
_WATCH = "watch/"
_YES, _NO = b"yes", b"no"


async def want_drained(store: Store, worker: str, *, drained: bool) -> None:
    """Let a worker give everything back and take nothing new, or work again. It does so with its next heartbeat."""
    await store.wish(_DRAIN + worker, _YES if drained else _NO, WISH_KEEP_MS)


async def want_watched(store: Store, target: str) -> None:
    """Let whoever runs an entity tell what it does, with its next heartbeats. Of those that are wanted so, the last ones are told of."""
    await store.wish(_WATCH + target, b"%d" % store.clock.now_ms(), WATCH_KEEP_MS)


def watched_now(wishes: Mapping[str, bytes]) -> list[str]:
    """The targets that somebody looks at, who has looked last first."""
    found = [
        (int(since), name.removeprefix(_WATCH))
        for name, since in wishes.items()
        if name.startswith(_WATCH) and since.isdigit() and len(since) < 20
    ]
    return [target for _, target in sorted(found, reverse=True)]


def drained_now(wishes: Mapping[str, bytes], worker: str, before: bool) -> bool:
    """Whether a worker is to be drained: as it was before, if nobody says otherwise."""
    wish = wishes.get(_DRAIN + worker)
    return wish == _YES if wish in (_YES, _NO) else before


def is_drained(info: Mapping[str, Any]) -> bool:
    """Whether a worker says so with its heartbeat."""
    return info.get("waiting") == DRAINED


def worker_of(views: list[WorkerView], name: str) -> WorkerView:
    """The living worker of a name, or of a part of it that no other has. Raises `InvalidInput`."""
    found = [view for view in views if view.worker == name] or [view for view in views if name and name in view.worker]
    if len(found) == 1:
        return found[0]
    alive = ", ".join(view.worker for view in found or views) or "none"
    said = "several have it in their names" if found else "no worker of that name lives"
    raise InvalidInput(f"worker {name[:200]!r}", f"{said}: {alive}")
