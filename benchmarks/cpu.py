"""Processor time: what the processes of a measurement used, by what they are. It is what stays comparable on a noisy machine."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from statistics import median


@dataclass(frozen=True, slots=True)
class Cpu:
    """Processor time of the workers, of the server and of the clients, in whatever unit the context says."""

    worker: float
    server: float
    client: float

    @property
    def total(self) -> float:
        """All of them."""
        return self.worker + self.server + self.client

    @classmethod
    def median_of(cls, several: Sequence[Cpu]) -> Cpu:
        """Part by part."""
        return cls(*(median(getattr(cpu, field.name) for cpu in several) for field in fields(cls)))

    def each_us(self, operations: float) -> Cpu:
        """From seconds to microseconds an operation."""
        factor = 1_000_000 / operations
        return Cpu(self.worker * factor, self.server * factor, self.client * factor)


class Meter:
    """The seconds of processor time that processes use from now on. All of them must still be there at `read`."""

    def __init__(
        self,
        server: Iterable[int],
        workers: Iterable[int],
        clients: Iterable[int],
        seconds: Callable[[int], float] | None = None,
    ) -> None:
        self._pids = (tuple(workers), tuple(server), tuple(clients))
        self._seconds = seconds or process_s
        self._begun = self._now()

    def read(self) -> Cpu:
        """What has been used so far."""
        worker, server, client = (now - begun for now, begun in zip(self._now(), self._begun, strict=True))
        return Cpu(worker, server, client)

    def _now(self) -> list[float]:
        return [sum(map(self._seconds, pids)) for pids in self._pids]


if sys.platform == "linux":

    def family_s(pid: int) -> float:
        """The seconds of processor time of a process and all its descendants, those that have ended too, to the hundredth."""
        times: dict[int, int] = {}
        children: dict[int, list[int]] = {}
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):  # it has ended meanwhile
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
                # Man 5 proc: its own time (user, system), and that of the children it has waited for.
                times[int(folder.name)] = sum(map(int, fields[11:15]))
                children.setdefault(int(fields[1]), []).append(int(folder.name))
        found = [pid]
        for member in found:
            found += children.get(member, [])
        return sum(times.get(member, 0) for member in found) / os.sysconf("SC_CLK_TCK")

    def process_s(pid: int) -> float:
        """The seconds of processor time of a process, with all its threads, to the nanosecond."""
        # A process's number is also a clock: man 3 clock_getcpuclockid, which Python does not offer.
        return time.clock_gettime((~pid << 3) | 2)

else:

    def family_s(pid: int) -> float:
        """The seconds of processor time of a process and all its living descendants, to the hundredth."""
        listed = subprocess.run(["ps", "-A", "-o", "pid=,ppid=,time="], capture_output=True, text=True, check=True)
        rows = [line.split() for line in listed.stdout.splitlines()]
        found = [str(pid)]
        for member in found:
            found += [child for child, parent, _ in rows if parent == member]
        return sum(seconds_of(clock) for child, _, clock in rows if child in found)

    def process_s(pid: int) -> float:
        """The seconds of processor time of a process, with all its threads, to the hundredth."""
        said = subprocess.run(["ps", "-o", "time=", "-p", str(pid)], capture_output=True, text=True, check=True).stdout
        return seconds_of(said)


def seconds_of(clock: str) -> float:
    """What `ps` means by "1:02.50" or "2-03:00:00"."""
    days, _, rest = clock.strip().rpartition("-")
    seconds = 0.0
    for part in rest.split(":"):
        seconds = seconds * 60 + float(part)
    return seconds + 86_400 * int(days or 0)
