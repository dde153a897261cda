"""`stead worker` as real processes: several of them, killed, stopped, and left behind by their parent."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from support.user_folder import DEADLINE_S, Stead, eventually

pytestmark = pytest.mark.slow


def children_of(parent: int) -> list[int]:
    """The processes that a process has started and that still run."""
    if not Path("/proc/self/stat").exists():  # macOS
        found = subprocess.run(["pgrep", "-P", str(parent)], capture_output=True, text=True, check=False)
        return [int(word) for word in found.stdout.split()]
    children: list[int] = []
    for file in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has just ended
            state, ppid = file.read_text().rpartition(")")[2].split()[:2]
            if int(ppid) == parent and state != "Z":
                children.append(int(file.parent.name))
    return children


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def workers(stead: Stead) -> set[int]:
    """The processes of the hub's workers that hold partitions."""
    data = json.loads(stead("info", "--json").out)
    owners = {partition["owner"] for partition in data["partitions"]}
    return {worker["pid"] for worker in data["workers"] if worker["worker"] in owners}


def test_one_worker_stops_gracefully_on_sigterm(stead: Stead) -> None:
    process = stead.start("worker", stead.reference, "--name", "alone")
    eventually(lambda: workers(stead) == {process.pid}, "a worker")
    gate = stead.folder / "gate"
    nap = stead.start("call", stead.reference, "Station", "x", "wait_for", f'"{gate}"', stdout=subprocess.PIPE)
    eventually(lambda: json.loads(stead("info", "--json").out)["total"]["backlog"], "a message under way")
    process.send_signal(signal.SIGTERM)
    gate.touch()
    assert nap.communicate(timeout=DEADLINE_S)[0] == f"{process.pid}\n"  # what was running was finished
    assert process.wait(DEADLINE_S) == 0
    assert "worker alone-" in stead.log
    assert "its partitions are free" in stead.log
    assert json.loads(stead("info", "--json").out)["workers"] == []


def test_a_worker_that_still_looks_for_its_server_can_be_stopped(stead: Stead) -> None:
    process = stead.start("worker", stead.reference, "--url", "redis://127.0.0.1:1")
    eventually(lambda: "trying for" in stead.log)
    process.send_signal(signal.SIGINT)
    assert process.wait(DEADLINE_S) == 0


def test_several_processes_share_the_hub_and_stop_together(stead: Stead) -> None:
    parent = stead.start("worker", stead.reference, "--processes", "2", "--name", "team")
    eventually(lambda: len(workers(stead)) == 2, "two workers")
    children = children_of(parent.pid)
    assert workers(stead) == set(children)
    arguments = b"".join(Path(f"/proc/{pid}/cmdline").read_bytes() for pid in children)
    assert stead.url.encode() not in arguments  # command lines are public, and a URL may hold a password
    parent.send_signal(signal.SIGTERM)
    assert parent.wait(DEADLINE_S) == 0
    assert not any(alive(pid) for pid in children)
    assert "all worker processes have ended" in stead.log
    assert stead.log.count("its partitions are free") == 2


def test_a_killed_process_is_replaced_and_said_so(stead: Stead) -> None:
    parent = stead.start("worker", stead.reference, "--processes", "2")
    eventually(lambda: len(workers(stead)) == 2, "two workers")
    victim = children_of(parent.pid)[0]
    os.kill(victim, signal.SIGKILL)
    eventually(lambda: f"({victim}) was ended by SIGKILL; starting another in 0.5 s" in stead.log)
    eventually(lambda: len(workers(stead) - {victim}) == 2, "two workers again")
    parent.send_signal(signal.SIGINT)
    assert parent.wait(DEADLINE_S) == 0


def test_a_second_interrupt_ends_at_once(stead: Stead) -> None:
    parent = stead.start("worker", stead.reference, "--processes", "2")
    eventually(lambda: len(workers(stead)) == 2, "two workers")
    children = children_of(parent.pid)
    assert stead("signal", "Station", "x", "block", "600").status == 0
    eventually(lambda: json.loads(stead("info", "--json").out)["total"]["backlog"] == 1)
    parent.send_signal(signal.SIGINT)
    eventually(lambda: "once more ends them at once" in stead.log)
    parent.send_signal(signal.SIGINT)
    assert parent.wait(DEADLINE_S) == 130
    assert not any(alive(pid) for pid in children)


def test_processes_whose_parent_was_killed_stop_gracefully(stead: Stead) -> None:
    parent = stead.start("worker", stead.reference, "--processes", "2")
    eventually(lambda: len(workers(stead)) == 2, "two workers")
    children = children_of(parent.pid)
    parent.kill()
    parent.wait()
    eventually(lambda: not any(alive(pid) for pid in children), "the children's end")
    assert stead.log.count("its partitions are free") == 2


def test_processes_that_fail_young_again_and_again_end_the_parent(stead: Stead) -> None:
    (stead.folder / f"{stead.module}.py").write_text(
        "import os\nfrom stead.app import App\napp = App('weather')\n"
        "if 'STEAD_WORKER_CHILD' in os.environ: raise SystemExit('broken')\n"
    )
    parent = stead.start("worker", stead.reference, "--processes", "1000000")
    assert parent.wait(DEADLINE_S) == 2  # more than there may be
    parent = stead.start("worker", stead.reference, "--processes", "2")
    assert parent.wait(DEADLINE_S) == 1
    assert "failed with status 1; giving up" in stead.log
    assert "SystemExit: broken" in stead.log


def test_a_reader_that_has_enough_is_no_error(stead: Stead) -> None:
    for key in range(50):
        assert stead("signal", "Station", f"key-{key}", "record", "1").status == 0
    reading, writing = os.pipe()
    os.close(reading)
    process = stead.start("info", stead.reference, "--json", stdout=writing)
    os.close(writing)
    assert process.wait(DEADLINE_S) == 1
    assert stead.log == ""


@pytest.mark.parametrize("arguments", [["--help"], ["worker", "--help"]])
def test_the_module_is_the_command(stead: Stead, arguments: list[str]) -> None:
    process = stead.start(*arguments, stdout=subprocess.PIPE)
    assert "stead" in process.communicate(timeout=DEADLINE_S)[0]
    assert process.returncode == 0
