"""What type checkers know of `TestHub` and `status.result`: checked by mypy and pyright (strict), never run.

Each `type: ignore` stands where both checkers have to report an error: an unused one is an error itself.
"""

# pyright: reportUnnecessaryTypeIgnoreComment=true

from __future__ import annotations

from typing import Any, assert_type

from stead.app import App
from stead.app.testing import FakeActivity, ObservedCall, TestHub
from stead.orchestrations import OrchestrationContext, OrchestrationStatus

app = App("typed-testing")


@app.activity
async def charge(amount: int, *, currency: str = "NOK") -> int:
    return amount


@app.activity
def square(number: int, /) -> float:
    return number * number


@app.orchestration
async def buy(context: OrchestrationContext, amount: int) -> int:
    return await context.call_activity(charge, amount)


async def with_currency(amount: int, *, currency: str = "NOK") -> int:
    return amount


async def of_text(amount: str, *, currency: str = "NOK") -> int:
    return 1


def to_text(number: int, /) -> str:
    return str(number)


def fakes(hub: TestHub) -> None:
    hub.fake_activity(charge).returns(3)
    hub.fake_activity(charge).returns("three")  # type: ignore[arg-type]
    hub.fake_activity(charge).returns(None)  # type: ignore[arg-type]
    hub.fake_activity(charge).calls(with_currency)
    hub.fake_activity(charge).calls(charge)
    hub.fake_activity(charge).calls(of_text)  # type: ignore[arg-type]
    hub.fake_activity(square).returns(3)
    hub.fake_activity(square).returns("nine")  # type: ignore[arg-type]
    hub.fake_activity(square).calls(lambda number: number / 2)
    hub.fake_activity(square).calls(to_text)  # type: ignore[arg-type]
    assert_type(hub.fake_activity(square), FakeActivity[[int], float])
    assert_type(hub.fake_activity("charge"), FakeActivity[..., Any])
    hub.fake_activity("charge").returns("whatever")
    hub.fake_activity(buy)  # type: ignore[call-overload]
    assert_type(hub.calls(charge), list[ObservedCall])
    hub.calls(buy)  # type: ignore[arg-type]


async def results(hub: TestHub, status: OrchestrationStatus[Any]) -> None:
    instance_id = await hub.client.start_new(buy, 3)
    assert_type((await hub.client.wait_for_completion(instance_id)).result(), int)
    assert_type(status.result(), Any)
