"""`stead ask` and `stead update`, with a worker running."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from support.user_folder import Outcome, Stead, WorkerThread

EXPENSES = """
from pydantic import BaseModel

from stead.app import App, Settings
from stead.orchestrations import OrchestrationContext

app = App("asked", settings=Settings(partitions=4, slot_groups=2, heartbeat_ms=200, lease_ms=2_000))


class Expense(BaseModel):
    amount: int


@app.orchestration
async def approval(context: OrchestrationContext, expense: Expense) -> None:
    context.share(expense)
    await context.wait_for_external_event("never")


@approval.query
def amount(state: Expense, times: int = 1) -> int:
    return times * state.amount


@approval.update
def add(context: OrchestrationContext, state: Expense, amount: int) -> int:
    state.amount += amount
    return state.amount
"""


@pytest.fixture
def stead(stead: Stead) -> Stead:
    """The command line in a folder whose app has an orchestration that is asked things."""
    (stead.folder / f"{stead.module}.py").write_text(EXPENSES)
    return stead


@pytest.fixture(autouse=True)
def worker(stead: Stead) -> Iterator[WorkerThread]:
    thread = WorkerThread(stead.app, stead.url)
    yield thread
    thread.end()


def test_many_at_once(stead: Stead) -> None:
    ids = [stead("start", "approval", '{"amount": 1}').out.strip() for _ in range(2)]
    dry = stead("manage", "cancel", "--name", "approval", "--dry-run", "--json")
    assert json.loads(dry.out) == {
        "action": "cancel",
        "dry_run": True,
        "matched": 2,
        "done": 2,
        "passed_over": 0,
        "failed": {},
    }
    assert stead("manage", "terminate").status == 2  # all of them?
    done = stead("manage", "terminate", "--prefix", ids[0], "--reason", "enough")
    assert done.status == 0
    assert done.err == "terminate: done to 1 instance of 1 that match, 0 passed over, 0 failed\n"
    assert stead("wait", ids[0]).err.endswith("is Terminated: enough\n")
    for action in ("raise_event", "raise-event"):  # as it is called in Python, and as the command for one is
        raised = stead("manage", action, "--event", "never", "--prefix", ids[1], "--dry-run")
        assert raised.err == "raise_event: would be done to 1 instance of 1 that match, 0 passed over, 0 failed\n"
    assert stead("manage", "raise-event", "--event", "never", "--prefix", ids[1]).status == 0
    assert stead("wait", ids[1]).status == 0


def refused(done: Outcome, said: str) -> None:
    assert (done.status, done.out) == (1, "")
    assert said in done.err and done.err.count("\n") == 1, done.err


def test_one_is_asked_and_told_things(stead: Stead) -> None:
    instance_id = stead("start", "approval", '{"amount": 1}').out.strip()
    assert stead("update", instance_id, "add", "4").out == "5\n"
    assert stead("ask", instance_id, "amount").out == "5\n"
    assert json.loads(stead("ask", instance_id, "amount", "--kw", "times=2", "--json").out) == {
        "instance_id": instance_id,
        "ask": "amount",
        "result": 10,
    }
    refused(stead("ask", instance_id, "nosuch"), "has no query 'nosuch'; it has amount")
    refused(stead("update", instance_id, "add", "much"), "amount")
    refused(stead("ask", "nosuch", "amount"), "does not exist")
