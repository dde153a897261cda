"""How users test an orchestration: three days pass at once, and nobody is sent a message.

python -m pytest examples/patterns/test_approval.py
"""

from __future__ import annotations

from datetime import timedelta

import pytest

from examples.patterns.approval import Expense, app, approval, process_approval, request_approval
from stead.app import App
from stead.app.testing import TestHub


@pytest.fixture
def stead_app() -> App:
    """Whose hub `stead_hub` is. (A project with one app says `stead_app = "module:app"` in pytest's settings instead.)"""
    return app


async def test_nobody_answers_for_three_days(stead_hub: TestHub) -> None:
    """Time moves by itself as far as somebody waits for it."""
    instance_id = await stead_hub.client.start_new(approval, Expense(amount=12))
    status = await stead_hub.client.wait_for_completion(instance_id, timeout=80 * 3600)
    assert status.result() == "escalated"
    assert status.last_updated_time - status.created_time >= timedelta(hours=72)


async def test_an_answer_is_processed(stead_hub: TestHub) -> None:
    """A fake runs in the activity's place, with the same types."""
    stead_hub.fake_activity(process_approval).calls(lambda approved: f"approved: {approved}")
    instance_id = await stead_hub.client.start_new(approval, Expense(amount=12))
    await stead_hub.advance(timedelta(hours=30))
    await stead_hub.client.raise_event(instance_id, "ApprovalEvent", True)
    assert (await stead_hub.client.wait_for_completion(instance_id)).result() == "approved: True"


async def test_the_request_is_tried_three_times(stead_hub: TestHub) -> None:
    """What goes wrong in real life can go wrong in a test."""
    stead_hub.fail_activity(request_approval, ConnectionError("no answer"), times=2)
    await stead_hub.client.start_new(approval, Expense(amount=12))
    await stead_hub.advance(timedelta(minutes=1))
    assert [call.attempt for call in stead_hub.calls(request_approval)] == [1, 2, 3]
