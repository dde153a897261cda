"""Random worlds run for a time, not for a number: a slow machine sees fewer of them, and no limit is ever outrun."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator


def fresh_seeds(seconds: float) -> Iterator[int]:
    """Seeds never seen before while that time lasts, and one at least. The last one printed is the one that failed."""
    ends = time.monotonic() + seconds
    while True:
        seed = random.randrange(1_000_000_000)
        print(f"seed {seed}")
        yield seed
        if time.monotonic() >= ends:
            return
