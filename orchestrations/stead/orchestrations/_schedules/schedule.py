"""The entity that is a schedule. Only stead's own clients and workers send to it: its kind has a name that nobody can write.

1. What is due is known from `next_ms`; the reminder only wakes it. It repeats, so that a failing run is no end.
2. Each run's instance has an ID made of schedule and occurrence, and is started by the commit that notes it. An ID that is taken
   has been started already (HAZARDS 105).
3. The start names the schedule as the one to tell, as a parent is: every end of an instance tells it. Should that be lost with a
   server, it asks for a run that it has believed in for long when the next one is due (HAZARDS 106).
4. If code declares other times, what was due by the former ones until then is due still: it is run as the code says now, or counted.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from pydantic import BaseModel

from stead.entities import ClassEntityType, Entity
from stead.entities.extending import MESSAGE_VERSION_NEWER, send_message, send_signal, settings_of
from stead.orchestrations._history.errors import UnknownInstance
from stead.orchestrations._history.messages import REUSE_ASK, START, TERMINATE, TerminateMessage
from stead.transport import Reuse

from .occurrences import RunPlan, jitter_of, next_occurrence, plan_runs
from .spec import ScheduledSignal, ScheduledStart, Spec

KIND = "Schedule"
SCHEDULES = "@!schedule@"
"""With this the targets of all schedules begin."""
RUNS_SHOWN = 10
_RUNNING_MAX = 1_000  # runs whose ends are waited for: with `allow` there may be any number
_ASK_AFTER_MS = 60_000
_REMINDER = "due"
_AGAIN = timedelta(hours=1)
_WATCHED = "Running"


class ScheduledRun(BaseModel):
    """One run, for those who look."""

    occurrence_ms: int
    instance_id: str | None = None
    status: str | None = None


class WaitingRun(BaseModel):
    """A run that waits for the end of another one."""

    occurrence_ms: int
    instance_id: str


class FormerTimes(BaseModel):
    """Times that code has declared otherwise since, and of which something is due."""

    spec: Spec
    since_ms: int  # occurrences after this are theirs
    until_ms: int  # and none after this


class Schedule(Entity):
    """See the module's head."""

    spec: Spec | None = None
    declared: str = ""  # the mark of what code declared last; "": a client made it
    created_ms: int = 0
    paused: bool = False
    since_ms: int = 0  # the occurrences of `spec` after this are its own; those before, of `former`
    former: list[FormerTimes] = []
    next_ms: int | None = None  # the first occurrence that was not dealt with: of `former`, if there is one
    made_up: int = 0
    missed: int = 0
    skipped: int = 0
    triggers: int = 0
    running: dict[str, int] = {}  # instance ID: when it was started, or asked for last
    waiting: WaitingRun | None = None
    runs: list[ScheduledRun] = []  # the newest last

    # -- what clients and workers ask for ------------------------------------------------------------------------------

    def create(self, spec: Spec) -> bool:
        """Make it; False if there is another one of that name. The same once more is no error."""
        if self.spec is not None:
            return self.spec == spec
        self._begin(spec)
        return True

    def declare(self, spec: Spec, mark: str) -> None:
        """Code has declared it: nothing, if it did before. Pause and history stay."""
        if self.declared == mark and self.spec is not None:
            return
        self.declared = mark
        if self.spec is None:
            self._begin(spec)
            return
        former, self.spec = self.spec, spec
        if not spec.has_times_of(former):
            self._change_times(former, self._now_ms())
        if not self.paused:
            self._run_due()

    def pause(self) -> bool:
        """ScheduledRun nothing until it is resumed; whether there is such a schedule."""
        if self.spec is None:
            return False
        self.paused = True
        self.context.cancel_reminder(_REMINDER)
        return True

    def resume(self) -> bool:
        """Go on, and make up for what `catch_up` covers; whether there is such a schedule."""
        if self.spec is None:
            return False
        if self.paused:
            self.paused = False
            self._start_waiting()
            self._run_due()
        return True

    def trigger(self) -> list[str | None]:
        """ScheduledRun it now, paused or not, as if it were due: its instance's ID, or None if there is none: it sends a signal, or
        another run is in the way. Nothing if there is no such schedule."""
        if self.spec is None:
            return []
        self.triggers += 1
        now_ms = self._now_ms()
        instance_id = f"{self._instance_id(now_ms)}:{self.triggers}"
        return [instance_id if self._occur(now_ms, instance_id) else None]

    def remove(self) -> bool:
        """Delete it; whether there was one. What it has started runs on."""
        there = self.spec is not None
        self.delete()
        return there

    # -- what it is told -----------------------------------------------------------------------------------------------

    def due(self) -> None:
        """It may be time."""
        if self.spec is not None and not self.paused:
            self._run_due()

    def task(self, instance_id: str, number: int, ok: bool, value: Any) -> None:
        """A run has ended: the answer that a parent gets. Of others, such as one that was rewound, it knows nothing."""
        if self.running.pop(instance_id, None) is None:
            return
        for run in self.runs:
            if run.instance_id == instance_id:
                run.status = _status_of(ok, value)
        if not self.paused:
            self._start_waiting()

    # -- runs ----------------------------------------------------------------------------------------------------------

    def _begin(self, spec: Spec) -> None:
        self.spec = spec
        self.created_ms = self.since_ms = now_ms = self._now_ms()
        self.next_ms = next_occurrence(spec, now_ms, now_ms)
        self._wake()

    def _change_times(self, former: Spec, now_ms: int) -> None:
        since_ms, self.since_ms = self.since_ms, now_ms
        first_ms = next_occurrence(former, self.created_ms, since_ms) if self.former else self.next_ms
        if first_ms is not None and first_ms <= now_ms:
            self.former.append(FormerTimes(spec=former, since_ms=since_ms, until_ms=now_ms))
        elif not self.former:
            self._begin_times()

    def _begin_times(self) -> None:
        """The next occurrence is the first of those that come now."""
        times = self.former[0] if self.former else self
        assert times.spec is not None, "it has one"
        self.next_ms = next_occurrence(times.spec, self.created_ms, times.since_ms)

    def _run_due(self) -> None:
        while self.former:
            self._carry_out(self._plan())
            if self.next_ms is not None:  # more than a turn looks at
                break
            del self.former[0]
            self._begin_times()
        else:
            self._carry_out(self._plan())
        self._wake()

    def _carry_out(self, plan: RunPlan) -> None:
        self.missed += plan.missed
        self.made_up = plan.made_up
        self.next_ms = plan.next_ms
        for occurrence_ms in plan.run:
            self._occur(occurrence_ms, self._instance_id(occurrence_ms))

    def _plan(self) -> RunPlan:
        spec, next_ms = self.spec, self.next_ms
        assert spec is not None, "it has one"
        if self.former:
            times = self.former[0]
            ends = [each for each in (times.spec.end_ms, times.until_ms) if each is not None]
            spec = times.spec.model_copy(update={"end_ms": min(ends), "catch_up_ms": spec.catch_up_ms})
            next_ms = None if next_ms is None or next_ms > min(ends) else next_ms
        most = settings_of(self.context).catch_up_runs_max
        return plan_runs(
            spec, self._name, self.created_ms, next_ms, self._now_ms(), self.made_up, most, jittered=not self.former
        )

    def _wake(self) -> None:
        """Be reminded of the next occurrence."""
        self.context.cancel_reminder(_REMINDER)
        if self.spec is None or self.paused or self.next_ms is None:
            return
        due_ms = self.next_ms + (0 if self.former else jitter_of(self.spec, self._name, self.next_ms))
        at = datetime.fromtimestamp(due_ms / 1000, UTC)
        self.context.reminder(_REMINDER, at=at, every=_AGAIN).signal(Schedule.due)

    def _occur(self, occurrence_ms: int, instance_id: str) -> bool:
        """ScheduledRun an occurrence, if its turn is now; whether it is, or will be."""
        spec = self.spec
        assert spec is not None, "it has one"
        if spec.signal is not None:
            self._note(ScheduledRun(occurrence_ms=occurrence_ms))
            self._send(spec.signal)
            return False
        if spec.overlap == "allow" or (not self.running and self.waiting is None):
            self._start(occurrence_ms, instance_id)
            return True
        self._ask_for_old_ones()
        if spec.overlap == "skip" or (spec.overlap == "buffer_one" and self.waiting is not None):
            self.skipped += 1
            return False
        if self.waiting is not None:
            self.skipped += 1
        self.waiting = WaitingRun(occurrence_ms=occurrence_ms, instance_id=instance_id)
        if spec.overlap == "terminate":
            for running in self.running:
                reason = list(TerminateMessage(f"schedule {self._name!r} is due again", recursive=True))
                send_message(self.context, running, TERMINATE, reason)
        return True

    def _start_waiting(self) -> None:
        waiting = self.waiting
        if waiting is not None and not self.running:
            self.waiting = None
            self._start(waiting.occurrence_ms, waiting.instance_id)

    def _start(self, occurrence_ms: int, instance_id: str) -> None:
        spec = self.spec
        if spec is None or spec.start is None:  # it sends signals by now
            return
        self.running[instance_id] = self._now_ms()
        while len(self.running) > _RUNNING_MAX:
            del self.running[next(iter(self.running))]
        self._note(ScheduledRun(occurrence_ms=occurrence_ms, instance_id=instance_id, status=_WATCHED))
        args = self._start_args(spec.start, instance_id, int(Reuse.NEVER))
        send_message(self.context, instance_id, START, args, starts=True)

    def _ask_for_old_ones(self) -> None:
        """Whether runs that have been believed in for long are still there."""
        now_ms = self._now_ms()
        for instance_id, since_ms in self.running.items():
            if now_ms - since_ms >= _ASK_AFTER_MS:
                self.running[instance_id] = now_ms
                args = self._start_args(ScheduledStart(name=""), instance_id, REUSE_ASK)
                send_message(self.context, instance_id, START, args, version=MESSAGE_VERSION_NEWER)

    def _start_args(self, start: ScheduledStart, instance_id: str, reuse: int) -> list[object]:
        """The arguments of a start that names this schedule as the one to tell."""
        tell = [str(self.context.entity_id), instance_id, 0]
        return [start.name, start.version, start.input, self._now_ms(), None, start.tags, tell, reuse]

    def _send(self, signal: ScheduledSignal) -> None:
        send_signal(self.context, signal.target, signal.operation, signal.args, signal.kwargs)

    def _note(self, run: ScheduledRun) -> None:
        self.runs.append(run)
        del self.runs[:-RUNS_SHOWN]

    def _instance_id(self, occurrence_ms: int) -> str:
        return instance_id_of(self._name, occurrence_ms)

    @property
    def _name(self) -> str:
        return self.context.entity_id.key

    def _now_ms(self) -> int:
        return round(self.context.now.timestamp() * 1000)


def instance_id_of(name: str, occurrence_ms: int) -> str:
    """The ID of the instance that runs an occurrence."""
    at = datetime.fromtimestamp(occurrence_ms / 1000, UTC)
    fraction = f".{occurrence_ms % 1000:03}" if occurrence_ms % 1000 else ""
    return f"{name}:{at:%Y-%m-%dT%H:%M:%S}{fraction}Z"


def _status_of(ok: bool, value: Any) -> str | None:
    """How a run has ended, by what its parent would be told; None if nobody knows any more: it was purged."""
    match value:
        case _ if ok:
            return "Completed"
        case {"type": str(kind)}:
            ended = kind.rpartition(".")[2]
            if ended == UnknownInstance.__name__:
                return None
            return ended if ended in ("Terminated", "Canceled") else "Failed"
        case _:
            return "Failed"


@cache
def schedule_type() -> ClassEntityType:
    """The kind of schedules, for registries."""
    return ClassEntityType(Schedule, KIND, built_in=True)
