"""What is large in tests of large payloads."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from stead.transport import LARGE_BYTES
from stead.transport._contract.codec import let_buffers_go
from stead.transport._contract.roping import Apart


@pytest.fixture(autouse=True)
def apart(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """That goes by the hubs of the test, and not by those that other tests have had in this process."""
    monkeypatch.setattr(Apart, "least", LARGE_BYTES)
    monkeypatch.setattr(Apart, "above", None)
    yield
    monkeypatch.undo()
    let_buffers_go()
