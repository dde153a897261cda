"""A child that failed for good is not tried again by its parent's policy, however deep what failed lies."""

from __future__ import annotations

from typing import Any, cast

import pytest

from stead.orchestrations import NonRetriable, OrchestrationContext, RetryPolicy
from stead.orchestrations._definition.orchestration import Orchestration
from support.kind_bench import KindHub


async def parent(context: OrchestrationContext) -> None:
    definition = cast("Any", Orchestration(child))
    await context.call_sub_orchestrator(definition.with_options(retry=RetryPolicy(max_attempts=2)))


async def child(context: OrchestrationContext) -> None:
    await context.call_sub_orchestrator("grandchild")


async def grandchild(context: OrchestrationContext) -> None:
    await context.call_activity("pay")


@pytest.mark.parametrize(("error", "runs"), [(NonRetriable("stolen"), 1), (OSError("busy"), 2)])
def test_a_parents_policy_sees_that_its_child_failed_for_good(error: Exception, runs: int) -> None:
    ran: list[str] = []

    def pay() -> None:
        ran.append("pay")
        raise error

    hub = KindHub(parent, child, grandchild)
    hub.activities["pay"] = pay
    hub.start("parent")
    hub.advance(60_000)
    assert hub.status() == "Failed"
    assert len(ran) == runs
