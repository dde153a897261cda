"""A driver that plays the part of the worker for one instance: it keeps the log, and answers what the code asks for.

It commits after each event, and whatever the log holds then survives `kill`. Answers come from `answer`, in virtual time.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import replace
from typing import Any

from stead.entities import Registry
from stead.entities._definition.addressing import resolve_call
from stead.orchestrations._definition.input import OMITTED
from stead.orchestrations._execution.context import OrchestrationContext
from stead.orchestrations._execution.execution import Execution
from stead.orchestrations._execution.outcome import Completed, ContinuedAsNew, Failed, Outcome
from stead.orchestrations._execution.resolver import Types
from stead.orchestrations._execution.wants import UNCHANGED, Wants
from stead.orchestrations._history.event_codec import decode_event, encode_event
from stead.orchestrations._history.event_table import ANSWERED, SCHEDULED, answer_to
from stead.orchestrations._history.events import (
    Event,
    EventRaised,
    ExecutionStarted,
    TaskScheduled,
    TimerCreated,
    TimerFired,
)
from stead.orchestrations._history.failures import FailureDetails
from stead.transport import Settings
from support.left_open import close_later

START_MS = 1_767_225_600_000
SETTINGS = Settings()
Function = Callable[..., Coroutine[Any, Any, Any]]
Answer = tuple[int, type[Event], tuple[Any, ...]] | None  # after how many milliseconds, what


class PlainCode:
    """An orchestration that takes and gives plain data."""

    def __init__(self, function: Function, name: str = "flow", version: str | None = None) -> None:
        self.function = function
        self.name = name
        self.version = version
        self.queries: dict[str, Any] = {}
        self.updates: dict[str, Any] = {}

    def start(self, context: OrchestrationContext, input: object) -> Coroutine[Any, Any, object]:
        return self.function(context, input) if self.function.__code__.co_argcount > 1 else self.function(context)

    def encode_input(self, value: Any) -> object:
        return None if value is OMITTED else value

    def encode_output(self, value: Any) -> object:
        return value


def make_types(registry: Registry | None = None, **known: Any) -> Types:
    entities = Registry() if registry is None else registry
    return Types(
        known.get,
        known.get,
        lambda operation, key, args, kwargs: resolve_call(entities, operation, key, args, kwargs),
    )


TYPES = make_types()


def started(input: Any = None, execution_id: str = "0123456789abcdef", **others: Any) -> Event:
    version, parent, tags = others.get("version"), others.get("parent"), others.get("tags")
    return ExecutionStarted(others.get("at_ms", START_MS), 0, "flow", version, input, execution_id, parent, tags)


class Running:
    """An execution that has come to the end of its history, and what it has wanted since it was looked at last."""

    def __init__(
        self,
        code: PlainCode,
        history: Sequence[Event],
        types: Types = TYPES,
        played: int | None = None,
        settings: Settings = SETTINGS,
    ) -> None:
        self.execution = Execution("one", code, history, settings, types, played)
        self.called_off: list[int] = []
        self.custom_status: object = UNCHANGED
        self.outcome: Outcome | None = None
        self._asked: list[Event] = []
        close_later(self)
        while (wants := self.execution.turn()) is None:
            pass
        self._note(wants)

    def feed(self, *events: Event) -> None:
        """Let new events come, one after the other."""
        for event in events:
            self._note(self.execution.turn((event,)))

    def take(self) -> list[Event]:
        """What the code has asked for since the last time."""
        asked, self._asked = self._asked, []
        return asked

    def accepts(self, answer: Event) -> bool:
        return self.execution.accepts(answer)

    @property
    def pending(self) -> Mapping[int, Event]:
        return self.execution.pending

    def close(self) -> None:
        self.execution.close()

    def _note(self, wants: Wants | None) -> None:
        assert wants is not None, "only a history is taken in parts"
        self.called_off += wants.called_off
        self._asked += [event for event, _ in wants.asked]
        if wants.custom_status is not UNCHANGED:
            self.custom_status = wants.custom_status
        self.outcome = wants.outcome


def begin(function: Function, input: Any = None, types: Types = TYPES, **others: Any) -> Running:
    """A new execution, that waits for its first answers."""
    return Running(PlainCode(function), [started(input, **others)], types, played=0)


def done(scheduled: Event, result: Any = None, after_ms: int = 1) -> Event:
    """The answer that all went well."""
    at_ms = scheduled.at_ms + after_ms
    if isinstance(scheduled, TimerCreated):
        return TimerFired(max(at_ms, scheduled.fire_at_ms), scheduled.task_id, scheduled.fire_at_ms)
    return _answer(scheduled, at_ms, True, result)


def failed(scheduled: Event, error: BaseException, after_ms: int = 1) -> Event:
    """The answer that it failed."""
    return _answer(scheduled, scheduled.at_ms + after_ms, False, FailureDetails.of(error).as_map())


def _answer(scheduled: Event, at_ms: int, ok: bool, value: Any) -> Event:
    answer = answer_to(scheduled, at_ms, ok, value)
    assert answer is not None
    return answer


def raised(name: str, data: Any = None, at_ms: int = START_MS) -> Event:
    return EventRaised(at_ms, 0, name, data)


def result_of(execution: Running) -> Any:
    assert isinstance(execution.outcome, Completed), execution.outcome
    return execution.outcome.result


def failure_of(execution: Running) -> FailureDetails:
    assert isinstance(execution.outcome, Failed), execution.outcome
    return execution.outcome.failure


def scheduled(execution: Running) -> list[Any]:
    """The events among what the code asked for since the last time."""
    return execution.take()


def only(execution: Running) -> Any:
    """The one event among them."""
    (event,) = scheduled(execution)
    return event


def _well(event: Event) -> Answer:
    return None


class Driver:
    """See the module. `answer` says for a scheduled event what comes after how long (default: it goes well)."""

    def __init__(
        self,
        function: Function,
        input: Any = None,
        *,
        answer: Callable[[Event], Answer] | None = None,
        types: Types = TYPES,
        replay_every_turn: bool = False,
        batch: int = 1,
    ) -> None:
        self.code = PlainCode(function)
        self.types = types
        self.answer: Callable[[Event], Answer] = answer or _well
        self.replay_every_turn = replay_every_turn
        self.batch = batch
        self.log: list[bytes] = [encode_event(started(input))]
        self.played = 0
        self.commits = 0
        self.now_ms = START_MS
        self.due: list[tuple[int, int, Event]] = []
        self.order = itertools.count()
        self.cancelled: list[int] = []
        self.kill_at: set[int] = set()  # numbers of commits after which the memory is lost
        self.chunk: int | None = None  # of a turn's scheduled events, how many are committed before it
        self.execution: Running | None = None
        self.outcome: Outcome | None = None

    def raise_event(self, name: str, data: Any = None, after_ms: int = 0) -> None:
        at_ms = self.now_ms + after_ms
        heapq.heappush(self.due, (at_ms, next(self.order), raised(name, data, at_ms)))

    def run(self) -> Outcome | None:
        """Until it ends or nothing is due."""
        while self.outcome is None:
            execution = self._loaded()
            self._commit(execution)
            if self.outcome is not None:
                return self.outcome
            if self.execution is None:
                continue  # killed: what was not written has to come again
            batch = [heapq.heappop(self.due)[2] for _ in range(min(self.batch, len(self.due)))]
            if not batch:
                return None
            for event in batch:
                self.now_ms = max(self.now_ms, event.at_ms)
                if isinstance(event, EventRaised) or execution.accepts(event):
                    stamped = replace(event, at_ms=self.now_ms)
                    self.log.append(encode_event(stamped))
                    execution.feed(decode_event(self.log[-1]))
            if self.replay_every_turn:
                self._commit(execution)
                self.kill()
        return self.outcome

    def kill(self) -> None:
        if self.execution is not None:
            self.execution.close()
            self.execution = None

    def _loaded(self) -> Running:
        if self.execution is None:
            history = [decode_event(data) for data in self.log]
            self.execution = Running(self.code, history, self.types, self.played)
        return self.execution

    def _commit(self, execution: Running) -> None:
        if self.execution is None:
            return
        events = execution.take()
        called_off, execution.called_off = execution.called_off, []
        for task_id in called_off:
            self.cancelled.append(task_id)
            self.due = [entry for entry in self.due if entry[2].task_id != task_id]
            heapq.heapify(self.due)
        step = self.chunk or max(1, len(events))
        for at in range(0, max(1, len(events)), step):
            part = events[at : at + step]
            self.log.extend(encode_event(event) for event in part)
            for event in part:
                self._act(event)
            self.played = len(self.log)
            self.commits += 1
            last = at + step >= len(events)
            if last and execution.outcome is not None:
                self.outcome = execution.outcome
            if self.commits in self.kill_at:
                self.kill()
                return

    def _act(self, event: Event) -> None:
        if type(event) not in ANSWERED:
            return
        answer = self.answer(event)
        if answer is None:
            reply = done(event, event.name if isinstance(event, TaskScheduled) else None)
        else:
            delay_ms, kind, fields = answer
            reply = kind(self.now_ms + delay_ms, event.task_id, *fields)
        heapq.heappush(self.due, (max(reply.at_ms, self.now_ms), next(self.order), reply))

    @property
    def history(self) -> list[Any]:
        return [decode_event(data) for data in self.log]

    @property
    def wanted(self) -> list[Any]:
        """What the code scheduled."""
        return [event for event in self.history if type(event) in SCHEDULED]


__all__ = ["ContinuedAsNew", "Driver", "PlainCode", "begin", "done", "failed", "raised", "result_of", "started"]
