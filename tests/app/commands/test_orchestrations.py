"""The commands for orchestrations, with a worker running, as people and as machines read them."""

from __future__ import annotations

import asyncio
import io
import json
import re
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from stead.entities import InvalidInput
from stead.orchestrations import NonDeterminismWarning
from support.user_folder import Outcome, Stead, WorkerThread, eventually

EXPENSES = """
import asyncio
from datetime import timedelta

from pydantic import BaseModel

from stead.app import App, Settings
from stead.orchestrations import OrchestrationContext

app = App("expenses", settings=Settings(partitions=4, slot_groups=2, heartbeat_ms=200, lease_ms=2_000))


class Expense(BaseModel):
    amount: int


@app.activity
async def book(amount: int) -> int:
    if amount > 1_000:
        raise ValueError("too\\n much")
    return amount


@app.orchestration
async def approval(context: OrchestrationContext, expense: Expense) -> str:
    context.set_custom_status({"waits for": "Approval"})
    if await context.wait_for_external_event("Approval", bool):
        return f"approved {await context.call_activity(book, expense.amount)}"
    return "refused"


@app.orchestration(version="1.5")
async def say(context: OrchestrationContext, text: str = "nothing") -> str:
    return text


@app.orchestration
async def books(context: OrchestrationContext, amount: int) -> int:
    return await context.call_activity(book, amount)
"""


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture
def stead(stead: Stead) -> Stead:
    """The command line in a folder whose app has orchestrations."""
    (stead.folder / f"{stead.module}.py").write_text(EXPENSES)
    return stead


@pytest.fixture(autouse=True)
def worker(stead: Stead) -> Iterator[WorkerThread]:
    thread = WorkerThread(stead.app, stead.url)
    yield thread
    thread.end()


def start(stead: Stead, *arguments: str) -> str:
    done = stead("start", *arguments)
    assert done.status == 0, done.err
    return done.out.strip()


def one_line_error(done: Outcome, said: str, status: int = 1) -> None:
    assert (done.status, done.out) == (status, "")
    assert done.err.startswith("error: "), done.err
    assert done.err.count("\n") == 1, done.err
    assert said in done.err


def test_an_instance_from_start_to_end(stead: Stead) -> None:
    done = stead("start", "approval", '{"amount": 12}', "--tag", "region=north")
    instance_id = done.out.strip()
    assert (done.status, done.err) == (0, f"next: stead status {stead.reference} {instance_id}\n")
    eventually(lambda: "Running" in stead("status", instance_id).out)
    shown = stead("status", instance_id)
    for text in ("approval", "amount 12", "region=north", "waits for"):
        assert text in shown.out
    assert shown.err.endswith(f"next: stead wait {stead.reference} {instance_id}\n")
    said = f"send it on: stead raise-event {stead.reference} {instance_id} Approval [DATA]\n"
    eventually(lambda: stead("status", instance_id).err.startswith(said))
    one_line_error(stead("wait", instance_id, "--timeout", "50ms"), "is not finished after 0.05 s, and goes on")
    raised = stead("raise-event", instance_id, "approval", "true")
    assert (raised.status, raised.err.splitlines()[0]) == (0, f"accepted: event approval for {instance_id}")
    assert stead("wait", instance_id) == Outcome(0, "approved 12\n", "")
    (status,) = lines(stead("status", instance_id, "--json").out)
    assert status["runtime_status"] == "Completed"
    assert (status["output"], status["input"]) == ("approved 12", {"amount": 12})
    assert (status["tags"], status["failure"], status["version"]) == ({"region": "north"}, None, None)
    table = stead("history", instance_id).out
    for text in ("ExecutionStarted", "EventRaised", "TaskScheduled", "book", "TaskCompleted", "Completed"):
        assert text in table
    assert all(len(line.rstrip()) <= 80 for line in table.splitlines())


def test_a_failed_instance(stead: Stead) -> None:
    instance_id = start(stead, "books", "2000", "--id", "b-1")
    assert instance_id == "b-1"
    one_line_error(stead("wait", "b-1"), "instance b-1 is Failed")
    done = stead("wait", "b-1", "--json")
    assert (done.status, lines(done.out)[0]["runtime_status"]) == (1, "Failed")
    shown = stead("status", "b-1")
    assert "too much" in shown.out
    assert shown.err == f"next: stead history {stead.reference} b-1\n"


def test_an_instance_that_is_blocked_says_why_and_what_is_next(stead: Stead) -> None:
    start(stead, "say", "--version", "9.9", "--id", "nobodys")
    why = "no orchestration named 'say' that may run version '9.9' is registered"
    eventually(lambda: "blocked" in stead("status", "nobodys").out)
    shown = stead("status", "nobodys")
    assert why[:40] in shown.out
    assert shown.err == f"next: stead doctor {stead.reference}\n"
    assert json.loads(stead("status", "nobodys", "--json").out)["blocked"].startswith(why)
    stead("terminate", "nobodys", "--reason", "seen")


def test_inputs_are_json_unless_text_is_wanted(stead: Stead) -> None:
    for word, said in [
        ("007", "007"),
        ("7", "7"),
        ("two words", "two words"),
        ("[draft", "[draft"),
        ('"quoted"', "quoted"),
        ("true", "true"),
    ]:
        assert stead("wait", start(stead, "say", word)).out == f"{said}\n"
    assert stead("wait", start(stead, "say")).out == "nothing\n"
    assert stead("wait", start(stead, "books", "-5")).out == "-5\n"
    assert stead("wait", start(stead, "SAY", "--version", "1.5", "--", "--json")).out == "--json\n"


def test_what_is_wrong_is_one_line(stead: Stead) -> None:
    start(stead, "say", "a", "--id", "done")
    stead("wait", "done")
    start(stead, "approval", '{"amount": 1}', "--id", "runs")
    eventually(lambda: "Running" in stead("status", "runs").out)
    for arguments, said in [
        (("start", "nosuch"), "no orchestration named 'nosuch'"),
        (("start", "approval"), "argument 'expense' of orchestration approval: it is missing"),
        (("start", "approval", "many"), "argument 'expense'"),
        (("start", "say", "--id", "a/b"), "a/b"),
        (("start", "approval", '{"amount": 1}', "--id", "runs"), "exists already"),
        (("start", "say", "--id", "done", "--reuse", "never"), "exists already"),
        (("status", "nosuch"), f"there is no instance nosuch; `stead instances {stead.reference}`"),
        (("wait", "nosuch"), "does not exist"),
        (("history", "nosuch"), "does not exist"),
        (("raise-event", "nosuch", "go"), "does not exist"),
        (("raise-event", "done", "go"), "is finished"),
        (("rewind", "done"), "is finished"),
        (("rewind", "runs"), "is not finished"),
        (("purge", "runs"), "is not finished"),
        (("purge", "nosuch"), "there is no instance nosuch"),
        (("replay", "nosuch"), "does not exist"),
    ]:
        one_line_error(stead(*arguments), said)
    for arguments, said in [
        (("start", "say", "--after", "1", "--id", "x"), "--after '1'"),
        (("start", "approval", "{amount: 1}"), "INPUT is not JSON (Expecting property name"),
        (("start", "say", "--after", "1s", "--at", "2030-01-01"), "give one of them"),
        (("start", "say", "--tag", "x"), "--tag 'x'"),
        (("start", "say", "--nonsense"), "no such option: --nonsense"),
        (("instances", "--from", "yesterday"), "--from 'yesterday'"),
        (("purge", "done", "--status", "Failed"), "not both"),
        (("purge",), "--yes"),
        (("replay",), "--history FILE"),
        (("replay", "--history", "nosuch.json"), "nosuch.json cannot be read"),
    ]:
        one_line_error(stead(*arguments), said, 2)


def test_an_instance_is_managed(stead: Stead) -> None:
    instance_id = start(stead, "approval", '{"amount": 1}')
    done = stead("suspend", instance_id, "--reason", "lunch")
    assert done.err.splitlines() == [
        f"accepted: suspend for {instance_id}",
        f"next: stead resume {stead.reference} {instance_id}",
    ]
    eventually(lambda: "Suspended" in stead("status", instance_id).out)
    assert lines(stead("resume", instance_id, "--json").out) == [
        {"instance_id": instance_id, "action": "resume", "accepted": True}
    ]
    eventually(lambda: "Running" in stead("status", instance_id).out)
    other = stead("restart", instance_id).out.strip()
    assert other != instance_id
    assert stead("terminate", instance_id, "--reason", "enough", "--alone").status == 0
    one_line_error(stead("wait", instance_id), "is Terminated: enough")
    assert stead("raise-event", other, "Approval", "false").status == 0
    assert stead("wait", other).out == "refused\n"
    third = start(stead, "approval", '{"amount": 1}')
    assert stead("cancel", third, "--reason", "enough").status == 0
    one_line_error(stead("wait", third), "is Canceled: enough")
    for action in ("terminate", "cancel", "suspend", "resume"):
        assert stead(action, other) == Outcome(0, "", f"nothing to {action}: {other} is Completed already\n")
        assert lines(stead(action, other, "--json").out) == [
            {"instance_id": other, "action": action, "accepted": False}
        ]
        one_line_error(stead(action, "nosuch"), "does not exist")
    assert stead("restart", other, "--same-id", "--json").out == json.dumps({"instance_id": other}) + "\n"


def test_a_later_start_is_pending(stead: Stead) -> None:
    instance_id = start(stead, "say", "later", "--after", "1h")
    (status,) = lines(stead("status", instance_id, "--json").out)
    assert status["runtime_status"] == "Pending"
    assert stead("wait", start(stead, "say", "now", "--at", "2020-01-01T00:00:00Z")).out == "now\n"


def test_instances_are_listed_counted_and_purged(stead: Stead) -> None:
    for number in range(3):
        start(stead, "say", str(number), "--id", f"job-{number}", "--tag", f"number={number}")
        stead("wait", f"job-{number}")
    start(stead, "books", "2000", "--id", "other")
    stead("wait", "other")
    listed = stead("instances", "--limit", "2")
    assert "job-0" in listed.out
    assert "other" not in listed.out
    assert listed.err == "the first 2 instances; --limit shows more, --count counts them\n"
    assert [line["instance_id"] for line in lines(stead("instances", "--status", "failed", "--json").out)] == ["other"]
    assert [line["input"] for line in lines(stead("instances", "--tag", "number=1", "--json").out)] == ["1"]
    assert stead("instances", "--prefix", "z").err == "no instances that match\n"
    assert lines(stead("instances", "--count", "--json").out) == [
        {"name": "books", "runtime_status": "Failed", "instances": 1},
        {"name": "say", "runtime_status": "Completed", "instances": 3},
    ]
    assert stead("instances", "--count").err == "4 instances\n"
    assert stead("purge", "job-0").err == "1 purged\n"
    assert stead("purge", "--name", "say", "--to", "2020-01-01", "--yes").err == "0 purged\n"
    assert stead("purge", "--name", "say", "--yes").err == "2 purged\n"
    assert lines(stead("purge", "--yes", "--json").out) == [{"purged": 1}]
    assert stead("instances").err == "no instances\n"


def test_what_no_worker_has_taken_up_is_listed_and_counted(stead: Stead, worker: WorkerThread) -> None:
    worker.end()
    start(stead, "say", "b", "--id", "b", "--tag", "of=b")
    start(stead, "books", "1", "--id", "a")
    shown = stead("instances")
    assert shown.out.count("Pending") == 2
    assert shown.err == "2 instances\n"
    (listed,) = lines(stead("instances", "--status", "pending", "--tag", "of=b", "--json").out)
    assert listed == lines(stead("status", "b", "--json").out)[0]
    assert lines(stead("instances", "--count", "--json").out) == [
        {"name": "books", "runtime_status": "Pending", "instances": 1},
        {"name": "say", "runtime_status": "Pending", "instances": 1},
    ]
    assert stead("instances", "--status", "Running").err == "no instances that match\n"
    assert stead("purge", "--yes").err == "0 purged\n"
    one_line_error(stead("purge", "a"), "a")


def test_a_status_that_cannot_be_meant_is_wrong_usage(stead: Stead, worker: WorkerThread) -> None:
    for arguments in [("instances",), ("instances", "--count"), ("purge", "--yes")]:
        one_line_error(stead(*arguments, "--status", "Bogus"), "status 'Bogus': there is no such status; write some", 2)
    for statuses in (["Running"], ["suspended", "pending"], ["Completed", "RUNNING"]):
        done = stead("purge", "--yes", *[word for status in statuses for word in ("--status", status)])

        async def refused(statuses: list[str] = statuses) -> str:
            async with stead.app.connect(stead.url) as client:
                with pytest.raises(InvalidInput) as caught:
                    await client.purge_instances(statuses=statuses)
            return str(caught.value)

        one_line_error(done, f"error: {asyncio.run(refused())}\n", 2)


def as_typed(line: str) -> list[str]:
    """The words that a shell makes of a line."""
    done = subprocess.run(["sh", "-c", f"printf '%s\\n' {line}"], capture_output=True, text=True)
    return done.stdout.splitlines()


@pytest.mark.parametrize("instance_id", ["é 😀", "$HOME;ls", "it's", "-x", "plain"])
def test_the_next_command_can_be_typed_as_it_is_said(stead: Stead, instance_id: str) -> None:
    def next_of(done: Outcome) -> list[str]:
        last = done.err.splitlines()[-1]
        assert last.startswith("next: stead ")
        command, *words = as_typed(last)[2:]
        assert [word for word in words if word != "--"] == [stead.reference, instance_id]
        return [command, *words]

    started = stead("start", "approval", '{"amount": 12}', "--id", instance_id)
    eventually(lambda: "Running" in stead.raw(*next_of(started)).out)
    command, *words = next_of(stead.raw(*next_of(started)))
    waited = stead.raw(command, "--timeout", "50ms", *words)
    (said,) = re.findall("`(stead status [^`]*)`", waited.err)
    assert as_typed(said)[-1] == instance_id
    assert next_of(stead("suspend", "--", instance_id))[0] == "resume"


class Terminal(io.StringIO):
    """Somebody who sits at it and answers."""

    def isatty(self) -> bool:
        return True


def test_purging_asks_first(stead: Stead, monkeypatch: pytest.MonkeyPatch) -> None:
    stead("wait", start(stead, "say", "a", "--id", "job"))
    for answer, said, status in [("\n", "error: nothing was deleted\n", 1), ("y\n", "1 purged\n", 0)]:
        monkeypatch.setattr("sys.stdin", Terminal(answer))
        done = stead("purge")
        question = "delete 1 finished instance for ever? [y/N] "
        assert (done.status, done.err) == (status, question + said)
    assert stead("purge").err == "0 purged\n"


def test_a_history_is_exported_and_replayed(stead: Stead) -> None:
    instance_id = start(stead, "approval", '{"amount": 12}')
    stead("raise-event", instance_id, "Approval", "true")
    stead("wait", instance_id)
    file = stead.folder / "history.json"
    file.write_text(stead("history", instance_id, "--json").out)
    assert "does what the history says" in stead("replay", instance_id).err
    done = stead("replay", "--history", str(file))
    assert (done.status, "approval does what the history says" in done.err) == (0, True)
    history = json.loads(file.read_text())
    for event in history["events"]:
        if event["type"] == "TaskScheduled":
            event["fields"]["name"] = "ship"
    file.write_text(json.dumps(history))
    changed = stead("replay", "--history", str(file), "--json")
    (verdict,) = lines(changed.out)
    assert (changed.status, "ship" in verdict["error"]) == (1, True)
    one_line_error(stead("replay", "--history", str(file)), "ship")


def test_info_shows_orchestrations(stead: Stead) -> None:
    start(stead, "approval", '{"amount": 12}', "--id", "a")
    eventually(lambda: "Running" in stead("status", "a").out)
    shown = stead("info").out
    for text in ("approval", "say", "1.5"):
        assert text in shown


def test_a_worker_serves_the_queues_that_it_is_told(stead: Stead) -> None:
    stead.start("worker", stead.reference, "--queues", ", gpu", "--processes", "2")

    def serving() -> list[list[str]]:
        workers = json.loads(stead("info", "--json").out)["workers"]
        return [worker["queues"] for worker in workers if "gpu" in worker["queues"]]

    eventually(lambda: serving() == [["", "gpu"]] * 2)
    assert "(default), gpu" in stead("info").out


def test_what_code_may_do_wrong_is_said_by_workers_and_not_by_every_command(
    stead: Stead, recwarn: pytest.WarningsRecorder
) -> None:
    code = """

@app.orchestration
async def clock(context: OrchestrationContext) -> float:
    import time

    return time.time()
"""
    module = f"{stead.module}_clock"
    (stead.folder / f"{module}.py").write_text(EXPENSES + code)
    done = stead.raw("instances", f"{module}:app")
    assert done.status == 0, done.err
    assert not [warning for warning in recwarn if issubclass(warning.category, NonDeterminismWarning)]


def test_a_status_says_what_is_waited_for_and_shows_the_failures_traceback(stead: Stead) -> None:
    instance = start(stead, "approval", '{"amount": 5}')
    eventually(lambda: "Running" in stead("status", instance).out)
    eventually(lambda: "event Approval, since" in " ".join(stead("status", instance).out.split()))
    (wait,) = json.loads(stead("status", instance, "--json").out)["waiting_for"]
    assert (wait["kind"], wait["name"], wait["until_time"]) == ("event", "Approval", None)
    assert "it waits for event Approval, since" in " ".join(stead("history", instance).err.split())
    stead("suspend", instance)
    eventually(lambda: "being resumed" in stead("status", instance).out)
    failed = start(stead, "books", "5000")
    eventually(lambda: "Failed" in stead("status", failed).out)
    shown = stead("status", failed).out
    assert "waits for" not in shown
    assert "in book" in shown  # the activity's own frame
    assert 'raise ValueError("too' in shown
