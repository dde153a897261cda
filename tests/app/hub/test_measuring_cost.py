"""What a worker measures costs it next to nothing: of its function calls one in fifty at most is measuring's."""

from __future__ import annotations

import asyncio

import pytest

from support import measuring_cost

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("kind", ["signals-hot", "hello"])
def test_few_of_a_worker_s_calls_are_measuring_s(kind: str, server_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measuring_cost, "SIGNALS", 4_000)
    monkeypatch.setattr(measuring_cost, "INSTANCES", 60)
    _, own, every = asyncio.run(measuring_cost.work_off(server_url, kind, 0, profiled=True))
    assert 0 < own <= 0.02 * every, f"{own:,} of {every:,}"


def test_nothing_is_measured_where_measuring_is_left_out(server_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that what the script compares with is what it says."""
    monkeypatch.setattr(measuring_cost, "SIGNALS", 100)
    with measuring_cost.without_measuring():
        _, own, every = asyncio.run(measuring_cost.work_off(server_url, "signals-hot", 1, profiled=True))
    assert own <= 100 < every, "only what asks for a meter that does nothing"
