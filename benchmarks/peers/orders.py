"""The transfers that every peer makes. Nothing but the standard library: this is also read inside their environments."""

from __future__ import annotations

import random


def orders(accounts: int, count: int) -> list[tuple[str, str, int]]:
    """Transfers, the same for every peer: from, to, amount."""
    chance = random.Random(7)
    names = [f"account-{number}" for number in range(accounts)]
    drawn = [(chance.sample(names, 2), chance.randint(1, 50)) for _ in range(count)]
    return [(source, destination, amount) for (source, destination), amount in drawn]
