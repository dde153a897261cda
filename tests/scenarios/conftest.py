"""Every scenario runs plainly, replayed at every turn, and with a worker that dies at moments drawn from seeds."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from stead.app import App
from stead.app.testing import TestHub

MODES = ("plain", "replay", "kills 1", "kills 2")


@pytest.fixture(params=MODES)
def make_hub(request: pytest.FixtureRequest) -> Callable[[App], TestHub]:
    """Makes a hub of the mode."""
    mode, _, seed = str(request.param).partition(" ")
    return lambda app: TestHub(app, mode == "replay", kill_seed=int(seed) if seed else None)
