"""The ways in which an instance may be run that must make no difference: `make`, a fixture that is each of them."""

from __future__ import annotations

from collections.abc import Callable
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
def make(request: pytest.FixtureRequest) -> Make:
    """Makes a hub of one instance's functions."""
    return lambda *functions, **others: KindHub(*functions, **{**request.param, **others})
