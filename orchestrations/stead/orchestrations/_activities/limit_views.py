"""At which limits over the hub activities run or wait, for whoever looks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from stead.transport import LimitView, Store, WorkerView

from .routes import Serving

LIMITS_SHOWN_MAX = 100
"""Of each queue."""


def queues_named(names: Mapping[str, Mapping[str, Any]]) -> set[str]:
    """The queues that published activities name."""
    return {str(kind.get("queue") or "") for name, kind in names.items() if name.startswith("activity/")}


async def limits_of_hub(
    store: Store, workers: Iterable[WorkerView], names: Mapping[str, Mapping[str, Any]]
) -> list[LimitView]:
    """The limits of all queues that are known: of each as many as `LIMITS_SHOWN_MAX`, those at which something waits first."""
    served = (Serving.of(worker.info).queues for worker in workers)
    return await store.limits(sorted(queues_named(names).union(*served)), LIMITS_SHOWN_MAX)
