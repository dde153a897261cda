"""Which occurrences of a schedule are to be run now, which were missed, and when to look again."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from stead.entities.extending import Every, Rhythm

from .spec import Spec

GRACE_MS = 5_000
"""What is run so late is on time: nobody has stood still, however little `catch_up` there is."""

STEPS_MAX = 500
"""Occurrences that are looked at in one turn. It goes on with the next one."""


@dataclass(slots=True)
class RunPlan:
    """What is to be done with the occurrences that are due."""

    run: list[int] = field(default_factory=list[int])  # in order
    missed: int = 0
    made_up: int = 0  # of a standstill, up to now
    next_ms: int | None = None  # the first that was not looked at


def jitter_of(spec: Spec, name: str, occurrence_ms: int) -> int:
    """By how much an occurrence is delayed: always the same for the same one, whoever asks."""
    if not spec.jitter_ms:
        return 0
    digest = hashlib.blake2b(f"{name}\0{occurrence_ms}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % (spec.jitter_ms + 1)


def next_occurrence(spec: Spec, created_ms: int, after_ms: int) -> int | None:
    """The first occurrence after an instant, within the schedule's start and end."""
    if spec.start_ms is not None:
        after_ms = max(after_ms, spec.start_ms - 1)
    found = spec.rhythm(created_ms).next_after(after_ms)
    return None if found is None or (spec.end_ms is not None and found > spec.end_ms) else found


def plan_runs(
    spec: Spec,
    name: str,
    created_ms: int,
    next_ms: int | None,
    now_ms: int,
    made_up: int,
    made_up_max: int,
    *,
    jittered: bool = True,
) -> RunPlan:
    """Go through the occurrences from `next_ms` on that are due by now.

    They run in order: one whose jitter is small waits for those before it whose jitter is larger, and is not late by that.
    Those of a standstill that are within `catch_up` are run, so many at most; all others are missed. Without `jittered` none
    waits for its jitter any more; that counts in its favour all the same.
    """
    plan = RunPlan(made_up=made_up, next_ms=next_ms)
    window_ms = max(spec.catch_up_ms, GRACE_MS)
    due_ms = 0
    for _ in range(STEPS_MAX):
        late_ms = window_ms if plan.made_up < made_up_max else GRACE_MS
        _pass_over(plan, spec, created_ms, now_ms - late_ms - spec.jitter_ms)
        occurrence_ms = plan.next_ms
        if occurrence_ms is None:
            break
        due_ms = max(due_ms, occurrence_ms + jitter_of(spec, name, occurrence_ms))
        lateness_ms = now_ms - due_ms
        if lateness_ms < 0:
            if jittered or occurrence_ms > now_ms:
                break
            lateness_ms = 0
        if lateness_ms > late_ms:
            plan.missed += 1
        else:
            plan.run.append(occurrence_ms)
            plan.made_up = plan.made_up + 1 if lateness_ms > GRACE_MS else 0
        plan.next_ms = next_occurrence(spec, created_ms, occurrence_ms)
    return plan


def _pass_over(plan: RunPlan, spec: Spec, created_ms: int, before_ms: int) -> None:
    """Miss what is sure to be too late: of an interval all at once, since there may be millions."""
    rhythm: Rhythm = spec.rhythm(created_ms)
    first_ms = plan.next_ms
    if first_ms is None or first_ms >= before_ms or not isinstance(rhythm, Every):
        return
    if spec.end_ms is not None:
        before_ms = min(before_ms, spec.end_ms + 1)
    count = -(-(before_ms - first_ms) // rhythm.every_ms)
    plan.missed += count
    plan.next_ms = next_occurrence(spec, created_ms, first_ms + (count - 1) * rhythm.every_ms)
