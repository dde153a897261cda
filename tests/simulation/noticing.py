"""Whether a seeded world notices a rule that is broken in it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any


def breaks_an_invariant(world: Coroutine[Any, Any, object]) -> bool:
    """Run a world: whether one of its invariants does not hold."""
    try:
        asyncio.run(world)
    except AssertionError as error:
        return "invariant" in str(error)
    return False
