"""The ways in which an instance may be run that must make no difference: `make`, a fixture that is each of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from support.kind_bench import KindHub

Make = Callable[..., KindHub]

MODES: dict[str, dict[str, Any]] = {
    "batched": {"batched": True},
    "single": {"batched": False},
    "forgetful": {"batched": False, "forgetful": True},
    "replay": {"batched": True, "replay_every_turn": True},
}


@pytest.fixture(params=list(MODES.values()), ids=list(MODES))
def make(request: pytest.FixtureRequest) -> Iterator[Make]:
    """Makes a hub of one instance's functions, whose code is dropped at the end, and not left to the garbage collector."""
    hubs: list[KindHub] = []

    def made(*functions: Any, **others: Any) -> KindHub:
        hubs.append(KindHub(*functions, **{**request.param, **others}))
        return hubs[-1]

    yield made
    for hub in hubs:
        hub.close()
