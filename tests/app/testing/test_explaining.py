"""What a test that failed is told: of its instances their last events, and of a failed instance what it raised."""

from __future__ import annotations

import asyncio

import pytest

from stead.app import App
from stead.app._testing.explaining import EVENTS_MAX, HEADING, INSTANCES_MAX, note_histories
from stead.app.testing import TestHub
from stead.orchestrations import InstanceRunning, OrchestrationContext, OrchestrationFailed

app = App("testing-explaining")


@app.activity
async def charge(amount: int) -> int:
    try:
        raise KeyError("wallet")
    except KeyError as error:
        raise ValueError(f"no {amount}") from error


@app.activity
async def echo(value: str) -> str:
    return value


@app.orchestration
async def buy(context: OrchestrationContext, amount: int) -> int:
    return await context.call_activity(charge, amount)


@app.orchestration
async def talk(context: OrchestrationContext, times: int) -> None:
    for _ in range(times):
        await context.call_activity(echo, "x" * 1_000)


@app.orchestration
async def wait(context: OrchestrationContext) -> None:
    await context.wait_for_external_event("Paid")


async def noted(hub: TestHub) -> str:
    """The one note that an error gets."""
    error = AssertionError("no")
    await note_histories(hub.client, error)
    await note_histories(hub.client, error)
    (note,) = error.__notes__
    return note


async def test_what_leaves_the_block_has_the_last_events_as_a_note() -> None:
    with pytest.raises(AssertionError) as caught:
        async with TestHub(app) as hub:
            instance_id = await hub.client.start_new(buy, 12, instance_id="b-1")
            status = await hub.client.wait_for_completion(instance_id)
            assert status.output == 12
    (note,) = caught.value.__notes__
    assert note.startswith(HEADING)
    assert "buy 'b-1' Failed" in note
    assert "TaskScheduled #1  name='charge' args=[12]" in note
    assert "TaskFailed #1  failure=ValueError: no 12" in note


async def test_what_went_wrong_comes_first_then_what_goes_on() -> None:
    async with TestHub(app) as hub:
        for number in range(INSTANCES_MAX):
            await hub.client.start_new(talk, 1, instance_id=f"talk-{number}")
        await hub.client.start_new(wait, instance_id="wait-1")
        await hub.client.start_new(buy, 1, instance_id="buy-1")
        await hub.run_until_idle()
        note = await noted(hub)
    assert note.index("buy-1") < note.index("wait-1") < note.index("talk-")
    assert "it waits for event Paid" in note
    assert note.endswith("… and 2 more")


async def test_it_is_short() -> None:
    async with TestHub(app) as hub:
        await hub.client.wait_for_completion(await hub.client.start_new(talk, 50))
        lines = (await noted(hub)).splitlines()
    assert len(lines) == EVENTS_MAX + 3
    assert f"… {2 + 100 - EVENTS_MAX} events before" in lines[2]
    assert max(len(line) for line in lines) < 200


async def test_without_instances_there_is_no_note_and_neither_has_what_only_ends() -> None:
    async with TestHub(app) as hub:
        error: BaseException = ValueError()
        await note_histories(hub.client, error)
        assert not hasattr(error, "__notes__")
        await hub.client.start_new(wait)
        for error in (asyncio.CancelledError(), KeyboardInterrupt()):
            await note_histories(hub.client, error)
            assert not hasattr(error, "__notes__")


async def test_an_error_stays_what_it_is_if_nothing_can_be_read() -> None:
    with pytest.raises(ValueError, match="mine") as caught:
        async with TestHub(app) as hub:
            await hub.client.aclose()
            raise ValueError("mine")
    assert "they cannot be read: " in caught.value.__notes__[0]


async def test_a_result_or_what_was_raised_instead() -> None:
    async with TestHub(app) as hub:
        status = await hub.client.wait_for_completion(await hub.client.start_new(talk, 1))
        assert status.result() is None
        failed = await hub.client.wait_for_completion(await hub.client.start_new(buy, 5, instance_id="b-1"))
        with pytest.raises(OrchestrationFailed) as caught:
            failed.result()
        error = caught.value
        assert failed.failure is not None and error.details == failed.failure
        assert (error.name, error.instance_id) == ("buy", "b-1")
        assert [note.splitlines()[-1] for note in error.__notes__] == [
            "stead.orchestrations.ActivityFailed: activity 'charge' raised ValueError: no 5",
            "ValueError: no 5",
            "KeyError: 'wallet'",
        ]


async def test_what_is_not_finished_has_no_result_and_what_was_ended_says_why() -> None:
    async with TestHub(app) as hub:
        instance_id = await hub.client.start_new(wait)
        await hub.run_until_idle()
        status = await hub.client.get_status(instance_id)
        assert status is not None
        with pytest.raises(InstanceRunning, match="not finished"):
            status.result()
        await hub.client.terminate(instance_id, "enough")
        ended = await hub.client.wait_for_completion(instance_id)
        with pytest.raises(OrchestrationFailed, match=r"Terminated: enough") as caught:
            ended.result()
        assert caught.value.error_type == "stead.orchestrations.Terminated"
