"""An orchestrator asks for much at one go: within a limit, since its code runs in one piece."""

from __future__ import annotations

import asyncio

import pytest

from stead.orchestrations._execution.context import OrchestrationContext
from support.kind_modes import Make


def greet(name: str) -> str:
    return f"hello {name}"


@pytest.mark.hazard(17)
@pytest.mark.parametrize("caught", [True, False])
def test_what_an_orchestrator_may_ask_for_at_one_go_has_a_limit(make: Make, caught: bool) -> None:
    async def wide(context: OrchestrationContext, width: int) -> int:
        try:
            await asyncio.gather(*(context.call_activity("greet", str(number)) for number in range(width)))
            return len(await asyncio.gather(*(context.call_activity("greet", str(number)) for number in range(width))))
        except BaseException:
            if caught:
                return -1
            raise

    hub = make(wide, turn_calls_max=20)
    hub.activities["greet"] = greet
    hub.start("wide", 20)
    hub.run()
    assert hub.record().output == 20
    hub.start("wide", 21, instance_id="wider")
    hub.run()
    failure = hub.record("wider").failure
    assert failure is not None and failure["type"].endswith("TooManyCalls")
    assert "STEAD_TURN_CALLS_MAX" in failure["message"]
    assert "TaskScheduled" not in hub.names("wider")  # nothing of it was begun


@pytest.mark.hazard(17)
def test_what_was_logged_of_a_turn_does_not_count_when_it_goes_on(make: Make) -> None:
    async def wide(context: OrchestrationContext) -> int:
        return len(await asyncio.gather(*(context.call_activity("greet", str(number)) for number in range(30))))

    hub = make(wide, turn_calls_max=30, batch_length_max=10)
    hub.activities["greet"] = greet
    hub.start("wide")
    hub.run()
    assert hub.record().output == 30
