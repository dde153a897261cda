"""What is wrong with a hub, from what is known of it: `stead doctor` and `GET /api/v1/doctor`. It only computes.

Each check looks for one thing that goes wrong in practice, and says what to do about it. A *problem* is wrong; a *note* may be
as it should be, and is only worth knowing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from stead.entities.extending import HubMeasures, Measured, joined

Level = Literal["problem", "note"]

SKEW_MS_MAX = 1_000
WAITED_S_MAX = 60.0
LATE_S_MAX = 5.0
LAG_S_MAX = 1.0
FULL_FROM = 0.85
RECENT_MINUTES = 10
PENDING_S_MAX = 600.0
STILL_S_MAX = 86_400.0
_SHOWN = 10


@dataclass(frozen=True, slots=True)
class HubFinding:
    """Something that one check has found."""

    check: str
    level: Level
    what: str
    advice: str
    subjects: list[str] = field(default_factory=list[str])
    """What it is about: targets, workers, partitions, queues."""


@dataclass(frozen=True, slots=True)
class HubLook:
    """What the checks go by."""

    info: Mapping[str, Any]  # as `stead info --json` has it
    app: str  # what commands call it
    measures: HubMeasures  # with the last minutes
    locked: Mapping[str, str]  # targets with parked messages that are locked, and by whom
    pending: Sequence[str] = ()  # instances that nobody has taken up for long
    still: Sequence[str] = ()  # running instances in which nothing has happened for long
    last_letter_s: float | None = None  # how long ago the last message died

    @property
    def total(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.info["total"]
        return found

    @property
    def workers(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.info["workers"]
        return found

    @property
    def partitions(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.info["partitions"]
        return found


def diagnose(look: HubLook) -> list[HubFinding]:
    """Everything that is found, problems first."""
    found = [finding for check in CHECKS for finding in check(look)]
    return sorted(found, key=lambda finding: finding.level != "problem")


def _some(names: Sequence[str]) -> list[str]:
    return list(names[:_SHOWN])


def _no_worker(look: HubLook) -> Iterator[HubFinding]:
    if not look.workers:
        waiting = look.total["backlog"]
        waits = f", and {_many(waiting, 'message waits', 'messages wait')}" if waiting else ""
        yield HubFinding("no_worker", "problem", f"no worker runs{waits}", f"start one: stead worker {look.app}")


def _unowned(look: HubLook) -> Iterator[HubFinding]:
    names = [str(p["partition"]) for p in look.partitions if p["owner"] is None and not p["quarantined"]]
    if names and look.workers:
        advice = "if a worker has just started or died they are taken within STEAD_LEASE_MS; otherwise look into the workers' logs"
        though = "though workers run"
        if drained := [worker["worker"] for worker in look.workers if worker.get("drained")]:
            though = "since all workers are drained" if len(drained) == len(look.workers) else f"{though}, some drained"
            advice = f"let one work again: stead drain {look.app} {drained[0]} --undo; or start another"
        what = f"{_many(len(names), 'partition has', 'partitions have')} no owner, {though}"
        yield HubFinding("unowned_partitions", "problem", what, advice, _some(names))


def _unserved(look: HubLook) -> Iterator[HubFinding]:
    names = [queue or '""' for queue in look.info["unserved_queues"]]
    if names and look.total["tasks"] and look.workers:
        what = f"no worker takes activities from {', '.join(names)}"
        advice = f"start a worker for it: stead worker {look.app} --queues {','.join(names)}"
        yield HubFinding("unserved_queues", "problem", what, advice, names)
    if kinds := look.info["unserved"]:
        yield HubFinding(
            "unserved_kinds",
            "problem",
            f"messages wait for what no running worker knows: {', '.join(kinds)}",
            "start a worker with the code that defines them",
            kinds,
        )


def _blocked(look: HubLook) -> Iterator[HubFinding]:
    blocked: Mapping[str, str] = look.info["blocked"]
    for why in dict.fromkeys(blocked.values()):
        names = [target for target, reason in blocked.items() if reason == why]
        yield HubFinding(
            "blocked",
            "problem",
            f"{_many(len(names), 'entity or instance waits', 'entities or instances wait')} for other code: {why}",
            "deploy workers with code that fits what is stored (for a newer version: update these), or mend `migrate`",
            _some(names),
        )


def _suspects(look: HubLook) -> Iterator[HubFinding]:
    names = [p["suspect"] for p in look.partitions if p.get("suspect")]
    if names:
        yield HubFinding(
            "poison_suspects",
            "problem",
            f"workers have died while they ran {', '.join(_some(names))}",
            "look into the logs of those workers; what kills STEAD_POISON_TRIES_MAX of them becomes a dead letter",
            _some(names),
        )


def _quarantined(look: HubLook) -> Iterator[HubFinding]:
    for partition, why in look.info["quarantine"].items():
        yield HubFinding(
            "quarantine",
            "problem",
            f"partition {partition} stands still: {why}",
            "put right what the store holds; the partition goes on by itself then",
            [str(partition)],
        )


def _letters(look: HubLook) -> Iterator[HubFinding]:
    total, ago = look.total, look.last_letter_s
    see = f"see them: stead dead-letters {look.app}"
    growing = ago is not None and ago < RECENT_MINUTES * 60
    level: Level = "problem" if growing else "note"
    if total["dead_letters_trimmed"]:  # since the hub was made: what was dropped does not come again
        what = f"{_many(total['dead_letters_trimmed'], 'dead letter was', 'dead letters were')} dropped, since there were too many"
        yield HubFinding("dead_letters_dropped", level, what, f"{see}; or raise STEAD_DEAD_LETTERS_MAX")
    if total["dead_letters"]:
        when = "" if ago is None else f", the last one died {_ago(ago)} ago"
        yield HubFinding(
            "dead_letters", level, f"{_many(total['dead_letters'], 'dead letter', 'dead letters')}{when}", see
        )


def _skew(look: HubLook) -> Iterator[HubFinding]:
    for worker in look.workers:
        now = worker.get("now")
        clock = now.get("clock_ms") if isinstance(now, dict) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        if isinstance(clock, int) and abs(clock - worker["beat_ms"]) > SKEW_MS_MAX:
            off_s = (clock - worker["beat_ms"]) / 1000
            yield HubFinding(
                "clock_skew",
                "problem",
                f"the clock of {worker.get('host', worker['worker'])} is {abs(off_s):,.1f} s "
                f"{'ahead of' if off_s > 0 else 'behind'} the server's",
                "let NTP keep both; stead goes by the server's time, what your code reads is its own",
                [worker["worker"]],
            )


def _server(look: HubLook) -> Iterator[HubFinding]:
    server = look.info["server"]
    if server["maxmemory_policy"] not in ("noeviction", ""):
        what = (
            f"the server throws away what it holds when memory is full (maxmemory-policy {server['maxmemory_policy']})"
        )
        yield HubFinding("eviction", "problem", what, "set maxmemory-policy noeviction")
    if server["durable"] == "no":
        yield HubFinding(
            "persistence", "problem", server["promise"], "set appendonly yes and appendfsync always (or everysec)"
        )
    elif server["durable"] != "always":
        yield HubFinding(
            "persistence", "note", server["promise"], "set appendfsync always if no acknowledged write may be lost"
        )
    used, most = server["used_memory_bytes"], server.get("memory_max_bytes") or 0
    if most and used > FULL_FROM * most:
        yield HubFinding(
            "memory",
            "problem",
            f"the server uses {used / most:.0%} of its memory; when it is full, nothing new is accepted",
            "give it more (maxmemory), or drop what is not needed: purge finished instances, delete entities",
        )


def _instances(look: HubLook) -> Iterator[HubFinding]:
    if look.pending:
        yield HubFinding(
            "pending_instances",
            "problem",
            f"{_many(len(look.pending), 'instance has', 'instances have')} been Pending for more than {_ago(PENDING_S_MAX)}",
            "start a worker with their orchestration's code and version",
            _some(look.pending),
        )
    if look.still:
        yield HubFinding(
            "still_instances",
            "note",
            f"nothing has happened for a day in {_many(len(look.still), 'running instance', 'running instances')}",
            f"see what one waits for: stead status {look.app} {look.still[0]}",
            _some(look.still),
        )


def _locked(look: HubLook) -> Iterator[HubFinding]:
    for target, owner in look.locked.items():
        yield HubFinding(
            "locked",
            "problem",
            f"{target} is locked by {owner}, and its messages wait",
            f"see what that waits for: stead status {look.app} {owner}",
            [target, owner],
        )


def _waiting(look: HubLook) -> Iterator[HubFinding]:
    now: datetime = look.info["time"]
    late: list[tuple[float, str]] = []
    for place in look.partitions:
        oldest: datetime | None = place.get("oldest_time")
        age_s = 0.0 if oldest is None else (now - oldest).total_seconds()
        if age_s > WAITED_S_MAX and not place["blocked"]:
            late.append((age_s, str(place["partition"])))
    if late and look.workers:
        yield HubFinding(
            "old_messages",
            "problem",
            f"the oldest message has waited for {_ago(max(late)[0])}",
            "start more workers, or see which entity is slow: stead top",
            _some([partition for _, partition in sorted(late, reverse=True)]),
        )


def _times(look: HubLook) -> Iterator[HubFinding]:
    recent = joined(block for _, block in look.measures.minutes).meters
    late = recent[Measured("timer_lateness")].quantile(0.99) if Measured("timer_lateness") in recent else None
    if late is not None and late > LATE_S_MAX:
        yield HubFinding(
            "late_timers",
            "problem",
            f"timers fire {_ago(late)} late",
            "the workers, or the server, have too much to do",
        )
    lag = recent[Measured("loop_lag")].quantile(0.99) if Measured("loop_lag") in recent else None
    if lag is not None and lag > LAG_S_MAX:
        yield HubFinding(
            "held_loops",
            "problem",
            f"operations hold their workers for {_ago(lag)}, while nothing else of these runs",
            "the workers' logs name them: make them `async def`, or move slow work out of them",
        )


def _programs(look: HubLook) -> Iterator[HubFinding]:
    programs: dict[str, list[str]] = {}
    for worker in look.workers:
        program = worker.get("program")
        if isinstance(program, str):
            programs.setdefault(program, []).append(worker["worker"])
    if len(programs) > 1:
        yield HubFinding(
            "different_code",
            "note",
            f"workers run {len(programs)} different programs",
            "as it is while you deploy; otherwise restart those of the old code",
            _some([f"{program}: {', '.join(sorted(names))}" for program, names in sorted(programs.items())]),
        )


CHECKS: tuple[Callable[[HubLook], Iterator[HubFinding]], ...] = (
    _no_worker, _unowned, _unserved, _blocked, _suspects, _quarantined, _letters, _skew, _server, _instances, _locked,
    _waiting, _times, _programs,
)  # fmt: skip


def _ago(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:,.0f} s" if seconds >= 10 else f"{seconds:.1f} s"
    return f"{seconds / 60:,.0f} min" if seconds < 7_200 else f"{seconds / 3_600:,.0f} h"


def _many(count: int, one: str, many: str) -> str:
    return f"{count:,} {one if count == 1 else many}"
