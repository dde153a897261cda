"""The processor time of processes, as the benchmarks read it."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager

import pytest

from benchmarks.cpu import Cpu, Meter, process_s, seconds_of
from benchmarks.parts import Gate, Part, watch

BUSY_S = 0.2
BUSY = f"""
import sys, time
until = time.process_time() + {BUSY_S}
while time.process_time() < until: pass
print("done", flush=True)
sys.stdin.read()
"""


@contextmanager
def process(code: str) -> Generator[subprocess.Popen[str]]:
    """A process that prints a line when it has worked, and stays until its input ends."""
    with subprocess.Popen([sys.executable, "-c", code], stdin=-1, stdout=-1, text=True) as started:
        assert started.stdout is not None
        assert started.stdout.readline() == "done\n"
        yield started
        assert started.stdin is not None
        started.stdin.close()


def test_what_a_process_used_is_told_by_what_it_is() -> None:
    with process("print('done', flush=True); input()") as idle, process(BUSY) as busy:
        assert process_s(busy.pid) >= BUSY_S
        assert process_s(idle.pid) < process_s(busy.pid)
        meter = Meter([idle.pid], [busy.pid], [])
        cpu = meter.read()  # from the meter's beginning on, not from the process's
        assert cpu.worker < BUSY_S
        assert cpu.client == 0.0


def spin(gate: Gate) -> str:
    """Busy before, between and after the two points."""
    _use(BUSY_S)
    gate.ready()
    _use(BUSY_S)
    gate.done()
    _use(BUSY_S)
    return "checked"


def _use(seconds: float) -> None:
    until = time.process_time() + seconds
    while time.process_time() < until:
        pass


def test_only_what_lies_between_start_and_done_counts() -> None:
    with Part(spin) as client, process(BUSY) as server:
        result, cpu = watch(client, [server.pid], [], operations=10)
    assert result == "checked"
    assert BUSY_S / 10 * 1e6 <= cpu.client < 2 * BUSY_S / 10 * 1e6
    assert cpu.server < BUSY_S / 10 * 1e6


@pytest.mark.parametrize(
    ("clock", "seconds"), [("0:00.05", 0.05), ("1:02.50", 62.5), ("02:03:04", 7384.0), ("2-03:00:00", 183_600.0)]
)
def test_ps_tells_times_in_several_shapes(clock: str, seconds: float) -> None:
    assert seconds_of(f"  {clock}\n") == pytest.approx(seconds)


def test_medians_are_taken_part_by_part() -> None:
    assert Cpu.median_of([Cpu(1, 5, 3), Cpu(2, 9, 1), Cpu(3, 7, 2)]) == Cpu(2, 7, 2)
