"""Whatever waits for time to pass does so on the hub's clock, or is here, with the reason why it is real time that counts.

Virtual time (`TestHub`, the simulator) may stand still while real things happen, and jump over days in which nothing does.
So real time is right for what a machine, a network or a user's code takes, and wrong for what is told in the hub's time.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from house.test_tidy import PACKAGES, REPO, name_of

USERS_CODE = "a user's code takes real time, whatever the hub's clock shows"
NETWORK = "the other end of a connection takes real time"
PROCESS = "a process takes real time to start, to write or to end"
ENDING = "who waits for the end of a worker may be who moves the hub's time"
PERSON = "somebody at a terminal or behind a browser waits in real time"

ENTITIES = "entities/stead/entities"
ORCHESTRATIONS = "orchestrations/stead/orchestrations"
TRANSPORT = "transport/stead/transport"
GATEWAY = "gateway/stead/gateway"
APP = "app/stead/app"

REAL = {
    # The clock itself.
    f"{TRANSPORT}/_contract/clock.py ServerClock.sleep": "it is the clock of real time",
    f"{TRANSPORT}/_memory/waiting.py Waiter.wait": "the branch for the clock of real time, which needs no second task",
    # A user's code.
    f"{ENTITIES}/_worker/within.py within": USERS_CODE,
    f"{ENTITIES}/_worker/membership.py Membership._wait_settled": USERS_CODE,
    f"{ENTITIES}/_worker/worker.py Worker._give_up": ENDING,
    f"{ENTITIES}/_worker/membership.py Membership.free": ENDING,
    f"{ORCHESTRATIONS}/_activities/tenure.py wait_for": USERS_CODE,
    f"{ORCHESTRATIONS}/_activities/slots.py ActivitySlots._wait": USERS_CODE,
    f"{ORCHESTRATIONS}/_activities/slots.py ActivitySlots.finish": USERS_CODE,
    f"{ORCHESTRATIONS}/_activities/suspects.py ActivitySuspects._run_one": USERS_CODE,
    f"{ORCHESTRATIONS}/_activities/results.py SharedResults.flush": "the rest of what a user's code was given to end",
    f"{ORCHESTRATIONS}/_activities/shared_queue.py SharedQueues.give_back_idle": "the same, and its process is to end",
    f"{ORCHESTRATIONS}/_execution/loop.py DeterministicLoop.call_later": "an orchestration's own loop: durable timers",
    # The watch over a real event loop, from a real thread.
    f"{ENTITIES}/_worker/lease_keeper.py ThreadKeeper._keep": "leases on a server run in real time; virtual: `TaskKeeper`",
    f"{ENTITIES}/_worker/lease_keeper.py ThreadKeeper._tick": "it shows that the event loop itself turns",
    # Callers' own patience.
    f"{ENTITIES}/_client/client.py EntityClient.call_within": "the caller's own deadline",
    f"{ORCHESTRATIONS}/_client/client.py InstanceClient.wait_for_completion": (
        "the caller's own patience: in virtual time an instance may take years, and they pass at once"
    ),
    f"{ORCHESTRATIONS}/_client/client.py InstanceClient._wait": "a net for answers that a real server has lost",
    f"{APP}/_sync/portal.py _limited": "the caller's own deadline, in a thread of its own",
    f"{APP}/_testing/driver.py Driver._run_until_idle": "what moves virtual time: it lets real things happen first",
    # Servers and connections.
    f"{TRANSPORT}/_redis/wire.py Wire._check_again": NETWORK,
    f"{TRANSPORT}/_redis/link.py Server._connect": NETWORK,
    f"{TRANSPORT}/_redis/link.py Server.connect": NETWORK,
    f"{TRANSPORT}/_redis/tls.py speaks_plain": NETWORK,
    f"{TRANSPORT}/_redis/tls.py speaks_tls": NETWORK,
    f"{ENTITIES}/_client/no_answer.py NoAnswer.advice": NETWORK,
    f"{ENTITIES}/_client/replies.py ReplyReader.aclose": NETWORK,
    f"{ORCHESTRATIONS}/_activities/http_activity.py HttpActivity._send": NETWORK,
    f"{GATEWAY}/_http/body.py chunks": NETWORK,
    f"{GATEWAY}/_http/body.py read_body": NETWORK,
    f"{GATEWAY}/_http/connections.py Connection.pause_writing": NETWORK,
    f"{GATEWAY}/_http/connections.py Connections.keep_sweeping": NETWORK,
    f"{GATEWAY}/_http/serving.py GatewayServer.shutdown": NETWORK,
    f"{GATEWAY}/_v1/health.py _not_ready": "whoever asks does so over a network, and waits no longer",
    f"{GATEWAY}/_v1/doctor.py _instances": "somebody waits for the answer",
    f"{APP}/_commands/systemd.py _tell": "systemd's time is real",
    f"{APP}/_commands/top.py _live": "somebody looks at the screen",
    f"{APP}/_commands/entities.py _note_nobody_works": PERSON,
    f"{GATEWAY}/_v1/ingestion.py Ingestion._wait": "a client behind its connection waits for so long",
    f"{GATEWAY}/_v1/ingestion.py Ingestion.stop": "the same",
    f"{GATEWAY}/_v1/watching.py pause": PERSON,
    f"{GATEWAY}/_v1/streaming.py with_heartbeats": NETWORK,
    f"{TRANSPORT}/_payloads/blobs.py ensured": "until another process has removed a file, or has died over it",
    # Processes and terminals.
    f"{TRANSPORT}/_embedded/server.py _pause": PROCESS,
    f"{APP}/_commands/dev.py DevLoop._end": PROCESS,
    f"{APP}/_commands/processes.py Crew._pause": PROCESS,
    f"{APP}/_hub/worker_run.py WorkerRun._tell": PERSON,
    f"{APP}/_tables/reading.py TableReading.run": "what reads and computes in a thread takes real time",
    f"{APP}/_tables/reading.py TableReading._end": "the same: until a thread that is interrupted has ended",
}


def qualified(tree: ast.Module) -> Iterator[tuple[str, ast.Call, bool]]:
    """Every call of a module with the name of the function that it is in, and whether it is awaited."""

    awaited = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Await)}

    def walk(node: ast.AST, names: tuple[str, ...]) -> Iterator[tuple[str, ast.Call, bool]]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Call):
                yield ".".join(names), child, id(child) in awaited
            if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                yield from walk(child, (*names, child.name))
            else:
                yield from walk(child, names)

    yield from walk(tree, ())


def waits(call: ast.Call, blocking: bool) -> bool:
    """Whether a call waits for real time. `blocking`: it may be one that blocks its thread."""
    if not isinstance(call.func, ast.Attribute):
        return False
    whose = call.func.value.id if isinstance(call.func.value, ast.Name) else ""
    limit = [*call.args, *(keyword.value for keyword in call.keywords)]
    first = limit[0].value if limit and isinstance(limit[0], ast.Constant) else ...
    match whose, call.func.attr:
        case "asyncio", "sleep":
            return first != 0  # else it gives the event loop back, and waits for nothing
        case "asyncio", "timeout":
            return first is not None  # else it is set by what has a clock
        case ("asyncio", "wait_for" | "timeout_at") | ("time", "sleep"):
            return True
        case "asyncio", "wait" | "wait_for":
            return any(keyword.arg == "timeout" for keyword in call.keywords)
        case _, "call_later" | "call_at":
            return True
        case _, "wait" | "join" | "acquire" | "communicate":
            timed = any(keyword.arg == "timeout" for keyword in call.keywords)
            return blocking and (timed or (call.func.attr == "wait" and bool(call.args)))
        case _:
            return False


def found_in(file: Path) -> set[str]:
    tree = ast.parse(file.read_text("utf-8"))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    threads = bool(imported & {"threading", "subprocess", "select", "multiprocessing"})
    where = name_of(file) if file.is_relative_to(REPO) else file.name
    return {
        f"{where} {name}".rstrip() for name, call, awaited in qualified(tree) if waits(call, threads and not awaited)
    }


def test_what_waits_waits_on_the_clock_or_is_known_to_wait_in_real_time() -> None:
    files = [file for layer in PACKAGES for file in sorted((REPO / layer).rglob("*.py"))]
    found = set[str]().union(*map(found_in, files))
    assert len(files) > 200
    assert found - REAL.keys() == set(), "wait on the hub's clock (`clock.sleep`, `within`), or say why not"
    assert REAL.keys() - found == set(), "these do not wait any more"
    assert all(reason.strip() for reason in REAL.values())


def test_no_clock_is_asked_of_which_class_it_is() -> None:
    """What somebody has to know of it, it says itself (`goes_by_itself`): so a test may bring a clock of its own."""
    asked = re.compile(r"isinstance\([^)]*\b\w*Clock\b")
    files = [file for layer in PACKAGES for file in sorted((REPO / layer).rglob("*.py"))]
    assert [name_of(file) for file in files if asked.search(file.read_text("utf-8"))] == []


@pytest.mark.parametrize(
    ("code", "is_found"),
    [
        ("await asyncio.sleep(0)", False),
        ("await asyncio.sleep(0.1)", True),
        ("await asyncio.sleep(pause)", True),
        ("await self._clock.sleep(pause)", False),
        ("asyncio.timeout(None)", False),
        ("asyncio.timeout(5)", True),
        ("asyncio.timeout(seconds)", True),
        ("asyncio.timeout_at(when)", True),
        ("asyncio.wait_for(step(), 5)", True),
        ("asyncio.wait((task,))", False),
        ("asyncio.wait((task,), timeout=5)", True),
        ("time.sleep(1)", True),
        ("loop.call_later(1, step)", True),
        ("asyncio.get_running_loop().call_at(when, step)", True),
        ("within(clock, 5)", False),
        ("event.wait()", False),
        ("event.wait(5)", True),
        ("await waiter.wait(5)", False),
        ("thread.join(timeout=5)", True),
    ],
)
def test_the_search_finds_what_waits(tmp_path: Path, code: str, is_found: bool) -> None:
    file = tmp_path / "module.py"
    file.write_text(f"import threading\nasync def f():\n    {code}\n", "utf-8")
    assert bool(found_in(file)) is is_found
