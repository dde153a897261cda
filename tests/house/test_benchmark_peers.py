"""What the comparison with peers is made of, without the network and without any peer."""

from __future__ import annotations

import asyncio
import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from rich.console import Console

from benchmarks.cpu import Cpu, family_s
from benchmarks.http_client import Http, get
from benchmarks.measures import Sample
from benchmarks.peers import environments, workloads
from benchmarks.peers.contest import PEERS, Column, as_objects, better_by, compete, installed, measurements
from benchmarks.peers.environments import Recipe, install, reason
from benchmarks.peers.orders import orders
from benchmarks.peers.peer import Peer
from benchmarks.peers.program import measured
from benchmarks.peers.services import ServiceFailed, free_port, service
from benchmarks.peers.stead_peer import STEAD
from benchmarks.peers.table import table
from support.guards import HANGS_S

ROOT = Path(__file__).parents[2]
CALLS, ALONE = workloads.CALLS, workloads.CALL_ALONE


def peer(name: str, measure: Callable[[Path, int], Sample], **more: object) -> Peer:
    return Peer(name, name.title(), "none", Recipe(), {CALLS.name: measure}, **more)  # type: ignore[arg-type]


def one_a_second(_: Path, _count: int) -> Sample:
    return Sample(1.0)


# -- environments ------------------------------------------------------------------------------------------------------


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The last word of each command that an installation would run."""
    words: list[str] = []

    def note(command: Sequence[str], _folder: Path) -> None:
        words.append(Path(command[-1]).name)

    monkeypatch.setattr(environments, "_run", note)
    return words


def test_an_environment_is_made_once_for_a_recipe(tmp_path: Path, commands: list[str]) -> None:
    install(Recipe(pip=("a==1",)), tmp_path / "peer")
    install(Recipe(pip=("a==1",)), tmp_path / "peer")
    assert commands == ["venv", "a==1"]
    install(Recipe(pip=("a==2",)), tmp_path / "peer")
    assert commands == ["venv", "a==1", "venv", "a==2"]


def test_what_cannot_be_installed_is_left_out_with_the_installers_own_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    says = tmp_path / "npm"
    says.write_text("#!/bin/sh\necho 'npm notice something'\necho 'npm error 404 Not Found' >&2\nexit 1\n")
    says.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    absent = Peer("absent", "Absent", "", Recipe(npm=("absent@1",)), {CALLS.name: one_a_second})
    column = installed(absent, tmp_path / "home", [CALLS, ALONE])
    assert column.reason(CALLS) == "not installed: npm error 404 Not Found"
    assert list(compete([column], [CALLS], 1, 1.0, tmp_path)) == []
    assert not (tmp_path / "home" / "absent" / environments.DONE).exists()  # so it is tried again the next time


def test_an_environment_that_failed_half_way_is_made_anew(tmp_path: Path, commands: list[str]) -> None:
    (tmp_path / "peer").mkdir()
    (tmp_path / "peer" / "half").touch()
    install(Recipe(pip=("a==1",)), tmp_path / "peer")
    assert commands == ["venv", "a==1"]
    assert not (tmp_path / "peer" / "half").exists()


@pytest.mark.parametrize(
    ("said", "line"),
    [
        (
            "WARNING: old\nERROR: No matching distribution found for x\nnote: see",
            "ERROR: No matching distribution found for x",
        ),
        ("npm error code E404\nnpm error 404\n", "npm error code E404"),
        ("only this\n\n", "only this"),
        ("", ""),
    ],
)
def test_the_reason_is_the_line_that_says_error(said: str, line: str) -> None:
    assert reason(said) == line


def test_recipes_name_exact_versions() -> None:
    """A table that cannot be had again is worth little."""
    for recipe in (peer.recipe for peer in PEERS):
        assert all("==" in requirement for requirement in recipe.pip)
        assert all("@" in requirement[1:] for requirement in recipe.npm)


# -- services ----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_service_ends_with_everything_that_it_started(tmp_path: Path) -> None:
    port = free_port()
    code = f"""
import subprocess, sys, http.server
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(child.pid, flush=True)
http.server.HTTPServer(("127.0.0.1", {port}), http.server.BaseHTTPRequestHandler).serve_forever()
"""
    with service([sys.executable, "-c", code], tmp_path, "server") as running:
        running.wait_for(port)
        child = int(running.said().split()[0])
        of_child = family_s(child)  # first: it may still be beginning
        assert family_s(running.pid) >= of_child
    while state_of(child) not in (
        "",
        "Z",
    ):  # it was killed, which is asked for here and done when the machine comes to it
        time.sleep(0.01)


def state_of(pid: int) -> str:
    """A letter; nothing for a process that is not there."""
    return subprocess.run(["ps", "-p", str(pid), "-o", "stat="], capture_output=True, text=True).stdout[:1]


def test_a_service_that_ends_at_once_says_what_it_said(tmp_path: Path) -> None:
    with (
        service([sys.executable, "-c", "raise SystemExit('no such option')"], tmp_path, "server") as running,
        pytest.raises(ServiceFailed, match="exit status 1: no such option"),
    ):
        running.wait_for(free_port())


def test_the_processor_time_of_a_child_that_has_ended_is_its_parents() -> None:
    code = """
import subprocess, sys, time
busy = "import time\\nwhile time.process_time() < 0.3: pass"
subprocess.run([sys.executable, "-c", busy])
print("done", flush=True)
sys.stdin.read()
"""
    with subprocess.Popen([sys.executable, "-c", code], stdin=-1, stdout=-1, text=True) as parent:
        assert parent.stdin is not None
        assert parent.stdout is not None
        assert parent.stdout.readline() == "done\n"
        assert family_s(parent.pid) >= 0.25
        parent.stdin.close()


PROGRAM = """
import json, sys, time

print("ready", flush=True); sys.stdin.readline()
until = time.process_time() + 0.2
while time.process_time() < until: pass
print("done", flush=True); sys.stdin.readline()
print(json.dumps({"seconds": 0.5, "latencies_s": [0.1, 0.2]}))
"""


def test_a_program_that_measures_itself_is_metered_between_its_two_points(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    with service([sys.executable, "-c", "input()"], tmp_path, "server") as server:
        calls, cpu = measured([sys.executable, tmp_path / "program.py"], tmp_path, server)
    assert (calls.rate, calls.percentile_ms(50)) == (4.0, 200.0)
    assert cpu.worker >= 0.15


def test_a_program_that_fails_says_why(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text("print('ready', flush=True); input(); raise ValueError('no database')")
    with (
        service([sys.executable, "-c", "input()"], tmp_path, "server") as server,
        pytest.raises(ServiceFailed, match=r"(?s)program\.py ended early.*no database"),
    ):
        measured([sys.executable, tmp_path / "program.py"], tmp_path, server)


@pytest.mark.anyio
async def test_the_client_reads_bodies_of_a_length_and_bodies_in_chunks() -> None:
    answers = [
        b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nde\r\n1\r\nf\r\n0\r\n\r\n",
        b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n",
    ]

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in answers:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        http = Http(server.sockets[0].getsockname()[1])
        assert [await http.ask(get("/")) for _ in answers] == [
            (200, b"abc", None),
            (200, b"def", None),
            (202, b"", None),
        ]
        await http.aclose()


# -- the contest -------------------------------------------------------------------------------------------------------


def test_in_every_run_a_workload_goes_through_all_peers_and_another_begins(tmp_path: Path) -> None:
    asked: list[tuple[str, int]] = []

    def ask(home: Path, count: int) -> Sample:
        asked.append((home.name, count))
        return Sample(1.0)

    columns = [Column(peer(name, ask, share={CALLS.name: 0.5})) for name in ("first", "second")]
    said = list(compete(columns, [CALLS, ALONE], 2, 0.1, tmp_path))
    assert [name for name, _ in asked] == ["first", "second", "second", "first"]
    assert {count for _, count in asked} == {1_000}
    assert len(said) == measurements(columns, [CALLS, ALONE], 2) == 4


def test_what_fails_is_told_and_not_tried_again(tmp_path: Path) -> None:
    attempts: list[int] = []

    def fail(_: Path, count: int) -> Sample:
        attempts.append(count)
        raise ServiceFailed("exit status 3")

    column = Column(peer("broken", fail))
    list(compete([column], [CALLS], 3, 1.0, tmp_path))
    assert len(attempts) == 1
    (cell,) = as_objects([column], [CALLS])
    assert (cell["value"], cell["note"]) == (None, "failed: exit status 3")


@pytest.mark.parametrize(("workload", "times"), [(CALLS, 2.0), (ALONE, 0.5)])
def test_better_is_more_of_a_rate_and_less_of_a_time(workload: workloads.Workload, times: float) -> None:
    """Run by run: a slow moment of the machine says nothing."""
    ours, theirs = [Sample(200.0), Sample(2.0), Sample(20.0)], [Sample(100.0), Sample(1.0), Sample(10.0)]
    assert better_by(workload, ours, theirs).median == times


def test_the_table_tells_figures_settings_and_what_is_missing() -> None:
    ours = Column(STEAD, {CALLS.name: [Sample(6_000.0, cpu=Cpu(100, 50, 50))]})
    theirs = Column(PEERS[1], {CALLS.name: [Sample(1_500.0, cpu=Cpu(600, 900, 100))]})
    cells = as_objects([ours, theirs], [CALLS, ALONE])
    json.dumps(cells)
    console = Console(width=200, file=io.StringIO())
    console.print(table(cells))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    for part in ("6,000/s", "1,500/s (x4)", "0.2 ms CPU", "1.6 ms CPU", "restate-sdk==", "fsync", "Temporal: left out"):
        assert part in text, part


def test_transfers_are_the_same_for_every_peer_and_never_to_oneself() -> None:
    made = orders(10, 500)
    assert made == orders(10, 500)
    assert all(source != destination for source, destination, _ in made)


def test_every_cell_has_a_figure_or_a_reason() -> None:
    for one in PEERS:
        for workload in workloads.WORKLOADS:
            assert workload.name in one.measures or workload.name in one.notes, (one.name, workload.name)


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks.peers", *arguments]
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=HANGS_S, env={**os.environ, "COLUMNS": "200"}
    )


@pytest.mark.slow
def test_the_command_measures_stead_alone(tmp_path: Path) -> None:
    done = run("call-alone", "--only", "stead", "--runs", "1", "--size", "0.02", "--json", "--home", str(tmp_path))
    assert done.returncode == 0, done.stderr
    (cell,) = [json.loads(line) for line in done.stdout.splitlines()]
    assert (cell["workload"], cell["peer"], cell["stead_better_by"]) == ("call-alone", "stead", None)
    assert cell["value"] > 0
    assert min(cell["cpu_us"].values()) > 0


@pytest.mark.parametrize("arguments", [("hellos",), ("--only", "azure")])
def test_an_unknown_name_is_wrong_usage(arguments: tuple[str, ...]) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert "restate" in done.stderr or "call-alone" in done.stderr
