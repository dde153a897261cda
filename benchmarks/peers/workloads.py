"""What every peer is asked to do, as far as it can."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

ENTITIES = 1_000
ACCOUNTS = 100
CALLERS = 64
RUNNING = 100
TRANSFERS_RUNNING = 32


@dataclass(frozen=True, slots=True)
class Workload:
    """One row of the table."""

    name: str
    question: str
    unit: str
    better: Literal["more", "less"]
    usual: int
    """How many operations are measured at size 1."""

    def count(self, size: float) -> int:
        """How many operations are measured."""
        return max(50, round(self.usual * size))


CALL_ALONE = Workload("call-alone", "one call at a time to one entity, p50", "ms", "less", 3_000)
CALLS = Workload("calls", f"calls by {CALLERS} callers over {ENTITIES:,} entities", "calls/s", "more", 20_000)
HELLO_ALONE = Workload("hello-alone", "5 activities in sequence, one orchestration at a time, p50", "ms", "less", 500)
HELLO = Workload("hello", f"5 activities in sequence, {RUNNING} orchestrations at once", "orch./s", "more", 3_000)
INLINE_ALONE = Workload(
    "inline-alone", "the same, one at a time, with steps run in place where there are such, p50", "ms", "less", 500
)
INLINE = Workload("inline", f"the same, {RUNNING} at once, with steps run in place", "orch./s", "more", 3_000)
LOCAL_ALONE = Workload(
    "local-alone",
    "the same, one at a time, stead's as local activities, beside steps run in place, p50",
    "ms",
    "less",
    500,
)
LOCAL = Workload("local", f"the same, {RUNNING} at once", "orch./s", "more", 3_000)
TRANSFERS = Workload(
    "transfers",
    f"transfers between two of {ACCOUNTS} locked accounts, {TRANSFERS_RUNNING} at once",
    "transfers/s",
    "more",
    2_000,
)
SIGNALS = Workload("signals", f"signals over {ENTITIES:,} entities, until in force", "signals/s", "more", 100_000)

WORKLOADS = (CALL_ALONE, CALLS, HELLO_ALONE, HELLO, INLINE_ALONE, INLINE, LOCAL_ALONE, LOCAL, TRANSFERS, SIGNALS)
