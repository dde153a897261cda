"""What tests of instances are given."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.kind_modes import make
from support.left_open import close_all

__all__ = ["make"]


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    """No code of a test outlives it."""
    yield
    close_all()
