"""A task hub for users' tests: in memory, on virtual time, with a worker and a client. No server, no waiting.

    async def test_escalates_after_72_hours() -> None:
        async with TestHub(app) as hub:
            instance_id = await hub.client.start_new(approval, Expense(amount=12))
            await hub.advance(timedelta(hours=73))
            assert (await hub.client.wait_for_completion(instance_id)).output == "escalated"

Orchestrations, activities and entities run as they do on a real server: the same worker, the same client, the same
steps of the store, on dictionaries. Only the time is another: it stands still until `advance` moves it.
"""

from __future__ import annotations

from stead.app._testing.fakes import FakeActivity, ObservedCall
from stead.app._testing.hub import TestHub

__all__ = ["FakeActivity", "ObservedCall", "TestHub"]
