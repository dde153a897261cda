"""Every scenario runs plainly, replayed at every turn, with every limit so small that it is met, and with a worker that dies
at moments drawn from seeds.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from stead.app import App
from stead.app.testing import TestHub

MODES = ("plain", "replay", "small", *(pytest.param(f"kills {seed}", marks=pytest.mark.slow) for seed in (1, 2)))

SMALL = {"activations_max": 2, "batch_length_max": 4, "mailbox_length_max": 3, "read_length_max": 5}


@pytest.fixture(params=MODES)
def make_hub(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Callable[[App], TestHub]:
    """Makes a hub of the mode."""
    mode, _, seed = str(request.param).partition(" ")

    def make(app: App) -> TestHub:
        if mode == "small":
            monkeypatch.setattr(app, "settings", app.settings.model_copy(update=SMALL))
        return TestHub(app, mode == "replay", kill_seed=int(seed) if seed else None)

    return make
