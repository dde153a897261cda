"""One execution of an orchestrator's code: events in, scheduled events out.

    execution = Execution(instance_id, code, history, settings, types)     replays the history
    execution.feed(event)                                                  one new event; runs the code until it waits
    execution.take_actions()                                               what the code wants: for the log, and to be done
    execution.outcome                                                      None, until the code has ended

The code runs on a loop of its own (`loop`), so everything that it does is a function of the events, in their order:

1. Every event is applied, and the code run until it waits, before the next one is. However events were batched, the
   outcome is the same.
2. What the code schedules is counted. In a replay the log's event with that number is it; one without a number in the log
   is new. So a log that holds only a part of what a turn scheduled is continued from there.
3. What was scheduled and given up before it was taken is neither logged nor done. It keeps its number, so that later
   numbers do not depend on when actions are taken.
4. Time is that of the events, and never goes back.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from threading import get_ident
from typing import TYPE_CHECKING, Any, TypeVar

from stead.entities import ContextEnded
from stead.orchestrations._history.data import event_data, plain
from stead.orchestrations._history.errors import NonDeterminismError
from stead.orchestrations._history.event_table import ASKED, SCHEDULED
from stead.orchestrations._history.events import (
    Event,
    EventRaised,
    ExecutionResumed,
    ExecutionStarted,
    ExecutionSuspended,
    Patched,
    TimerCreated,
    TimerFired,
)
from stead.orchestrations._history.failures import FailureDetails
from stead.orchestrations._history.first_runs import as_seen
from stead.orchestrations._history.ids import child_id
from stead.transport import PayloadTooLarge, Settings, get_logger

from .code import Code, Unanswered, Waiting
from .context import OrchestrationContext
from .drawn import Drawn
from .event_wait import EventWait
from .external_events import Mailbox
from .loop import DurableHandle, new_loop
from .ordering import NumberedTask
from .outcome import (
    Completed,
    ContinuedAsNew,
    Failed,
    Outcome,
    outcome_of_result,
)
from .recorded import Recorded, as_stored, describe, is_flat, latest_execution_id, pack_fields
from .sections import CriticalSections
from .unawaited import report_unawaited
from .unsupported import Halted, explained, stuck
from .wanted import Action, Wanted

if TYPE_CHECKING:
    from .resolver import TypeResolver

log = get_logger("stead.orchestration")

E = TypeVar("E", bound=Event)

REPLAY_STEP = 32
"""Events of a replay after which it is asked whether it is enough for this time."""


class Execution:
    """See the module. Not for several threads."""

    def __init__(
        self,
        instance_id: str,
        code: Code,
        history: Sequence[Event],
        settings: Settings,
        types: TypeResolver,
        played: int | None = None,
        stop: Callable[[], bool] | None = None,
    ) -> None:
        """Run the code through a history, whose first event is ExecutionStarted.

        `played`: how many of its events the code has seen before (default: all of them). For the others it is not
        replaying: 0 for an instance that begins. `stop` is asked now and then whether it is enough for this time: then
        `replay` goes on, until `caught_up`, and nothing else may be done with the execution before.
        """
        history = as_seen(history)
        started = history[0]
        assert isinstance(started, ExecutionStarted), "every history begins so"
        self.instance_id = instance_id
        self.code = code
        self.settings = settings
        self.types = types
        self.name: str = started.name
        self.version: str | None = started.version
        self.input: Any = started.input
        self.drawn = Drawn(instance_id, started.execution_id)
        self.execution_id: str = latest_execution_id(started.execution_id, history)
        self.parent: Sequence[Any] | None = started.parent
        self.tags: dict[str, str] | None = started.tags
        self.now_ms = max(started.at_ms, started.scheduled_ms or 0)
        self.outcome: Outcome | None = None
        self.custom_status: Any = None
        self.custom_status_set = False
        self.suspended = False
        self.dead = False
        self.seen = len(history) if played is None else played
        self.replaying = self.seen > 0
        self._replayed, self.caught_up = 0, False
        self.mailbox = Mailbox()
        self.critical = CriticalSections()
        self.continued: tuple[Any, str | None, bool] | None = None
        self.wanted = Wanted()
        self._recorded = Recorded(instance_id, history)
        self._patches: dict[str, bool] = {}
        self.last_id = 0
        self._open: dict[int, Waiting] = {}
        self._held: deque[Event] = deque()
        self._held_ids: set[int] = set()
        self._fatal: BaseException | None = None
        self._muted = self._timed_out = False  # it failed by a TimeoutError
        self.ran_out = self._raced = 0  # the timer by which it failed; the last that fired in a race

        self.loop = new_loop(self, self.drawn.seed)
        self.loop.now_s = self.now_ms / 1000
        self.context = OrchestrationContext(self)
        self._main: NumberedTask[Any] | None = None
        self._left: Iterator[Event] = iter(history)
        self.replay(stop)

    # -- for the worker ------------------------------------------------------------------------------------------------

    def feed(self, event: Event) -> None:
        """Apply a new event and run the code until it waits. Whatever the code raises is its outcome: only
        `KeyboardInterrupt` comes out of here.
        """
        if self.outcome is not None:
            self._after_the_end(event)
            return
        self.loop.enter()
        try:
            self._take(event)
        finally:
            self.loop.leave()

    def take_actions(self) -> list[Action]:
        """What the code has asked for since the last time: see `Wanted.take`."""
        return self.wanted.take()

    def accepts(self, answer: Event) -> bool:
        """Whether an answer is waited for (HAZARDS 15). Others are to be dropped, and not logged."""
        waiting = self._open.get(answer.task_id)
        if waiting is None or answer.task_id in self._held_ids:
            return False
        return type(waiting.event) is ASKED.get(type(answer))

    @property
    def pending(self) -> Mapping[int, Event]:
        """The scheduled events whose answers are still to come."""
        held = self._held_ids
        return {task_id: waiting.event for task_id, waiting in self._open.items() if task_id not in held}

    def close(self) -> None:
        """Drop the code, without anything of it being done (HAZARDS 13). The execution is of no use after it."""
        if self.dead:
            return
        self._muted = True
        self._held.clear()
        self.loop.enter()
        try:
            self._drop()
        finally:
            self.loop.leave()

    # -- events --------------------------------------------------------------------------------------------------------

    def replay(self, stop: Callable[[], bool] | None = None) -> None:
        """Go on with the replay, until all of the history is done, or `stop` says that it is enough for this time."""
        self.loop.enter()
        try:
            if not self._replayed:
                self._start()
                next(self._left)
                self._replayed = 1
            while events := tuple(islice(self._left, REPLAY_STEP)):
                for index, event in enumerate(events, self._replayed):
                    if type(event) in SCHEDULED:  # the code schedules it itself
                        continue
                    self.replaying = index < self.seen
                    if self.outcome is None:
                        self._take(event)
                    else:
                        self._after_the_end(event)
                self._replayed += len(events)
                if stop is not None and stop():
                    return
            self.caught_up = True
            self.replaying = False
            self._check_replay()
        finally:
            self.loop.leave()

    def _check_replay(self) -> None:
        error = self._recorded.check_end(self.wanted.events, self.wanted.events)
        outcome = self.outcome
        if error is None or self.diverged:
            return
        if isinstance(outcome, Failed):  # perhaps that is why: keep it visible
            details = FailureDetails.of(error)
            failure = FailureDetails(details.error_type, details.message, details.traceback, outcome.failure)
            self.outcome = Failed(failure)
        else:
            self._finish(Failed(FailureDetails.of(error)))
        self.wanted.drop()

    @property
    def diverged(self) -> bool:
        """Whether the code does not do what its history says."""
        outcome = self.outcome
        return isinstance(outcome, Failed) and outcome.failure.error_type.endswith("NonDeterminismError")

    def _start(self) -> None:
        variables = contextvars.copy_context()
        loop = self.loop
        try:
            coroutine = variables.run(self.code.start, self.context, self.input)
            self._main = main = NumberedTask(loop.number(), coroutine, loop, self.name, variables)
            loop.adopt_main(main)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - its input may be invalid, and validators may raise anything
            self._finish(Failed(FailureDetails.of(error)))
            return
        self._run()

    def _take(self, event: Event) -> None:
        """Apply an event and run the code."""
        kind, at_ms = type(event), event.at_ms
        if self.suspended and kind is not ExecutionResumed:
            self._hold(event)
            return
        if isinstance(event, TimerFired) and event.fire_at_ms > at_ms:
            at_ms = event.fire_at_ms
        if at_ms > self.now_ms:
            self.now_ms = at_ms
            now_s = at_ms / 1000
            if now_s > self.loop.now_s:
                self.loop.now_s = now_s
        try:
            if kind in ASKED:
                self._answer(event)
            elif isinstance(event, EventRaised):
                self.mailbox.raised(event.name, event_data(event))
            elif kind is ExecutionSuspended:
                self.suspended = True
                return
            elif kind is ExecutionResumed:
                self._resume()
                return
            else:
                return
        except Halted:
            pass
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - user code that runs here: a policy's `handle`, validators
            self._fatal = error
        self._run()
        if self._raced and isinstance(self.outcome, Failed) and (self._timed_out or self._raced == event.task_id):
            self.ran_out = self._raced

    def _answer(self, event: Event) -> None:
        kind, task_id = type(event), event.task_id
        waiting = self._open.get(task_id)
        if waiting is None:
            if task_id > self.last_id:
                self.halt(self._recorded.unmatched(event))
            return  # given up meanwhile
        asked = waiting.event
        if type(asked) is not ASKED[kind]:
            self.halt(self._recorded.unmatched(event))
        del self._open[task_id]
        others = self._open or self.mailbox.waits or self.loop.never
        if isinstance(asked, TimerCreated) and not asked.purpose and others:
            self._raced = task_id
        waiting.answer(event)

    def _hold(self, event: Event) -> None:
        if isinstance(event, ExecutionSuspended):
            return
        self._held.append(event)
        if type(event) in ASKED:
            self._held_ids.add(event.task_id)

    def _resume(self) -> None:
        self.suspended = False
        held = self._held
        while held and self.outcome is None and not self.suspended:
            event = held.popleft()
            self._held_ids.discard(event.task_id)
            self._take(event)
        if self.outcome is not None:
            while held:
                self._after_the_end(held.popleft())
            self._held_ids.clear()

    def _after_the_end(self, event: Event) -> None:
        outcome = self.outcome
        if isinstance(event, EventRaised) and isinstance(outcome, ContinuedAsNew) and self._keeps_events():
            assert isinstance(outcome.events, list)
            outcome.events.append((event.name, event_data(event)))

    def _keeps_events(self) -> bool:
        return self.continued is not None and self.continued[2]

    # -- the code ------------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        loop = self.loop
        try:
            if self._fatal is None:
                loop.run()
        except (KeyboardInterrupt, Halted) as error:
            if isinstance(error, KeyboardInterrupt):
                raise
        except BaseException as error:  # noqa: BLE001 - a `sys.exit` in the code is its failure, not the worker's end
            self._fatal = error
        main = self._main
        assert main is not None
        if self._fatal is not None:
            if main.done() and not main.cancelled():
                main.exception()  # looked at: nothing to warn about
            self._finish(Failed(FailureDetails.of(self._fatal)))
        elif main.done():
            self._finish(self._outcome_of(main))
        elif not (self._open or self.mailbox.waits or loop.never > 0):
            self._finish(Failed(FailureDetails.of(stuck())))

    def _outcome_of(self, main: asyncio.Task[Any]) -> Outcome:
        try:
            result = main.result()
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - whatever the code raised
            self._timed_out = issubclass(type(error), TimeoutError)
            return Failed(FailureDetails.of(explained(error)))
        if self.continued is None:
            return outcome_of_result(self.code.encode_output, result)
        following, version, keep = self.continued
        return ContinuedAsNew(following, version, self.mailbox.unprocessed() if keep else [])

    def _finish(self, outcome: Outcome) -> None:
        self.outcome = outcome
        if isinstance(outcome, Completed) and self._open and not self.replaying:
            report_unawaited(self.instance_id, self.name, self._open.values())
        for task_id, waiting in list(self._open.items()):
            if isinstance(waiting.event, TimerCreated) and task_id in self.wanted.events:
                del self.wanted.events[task_id], self._open[task_id]
        pending: dict[int, Waiting] = {task_id: Unanswered(waiting.event) for task_id, waiting in self._open.items()}
        self._drop()
        self._open = pending

    def _drop(self) -> None:
        self.dead = True
        self.loop.drop()
        self._main = None
        self._open = {}
        self.mailbox = Mailbox()

    # -- for commands --------------------------------------------------------------------------------------------------

    def check(self) -> None:
        """Refuse a command outside the code's own turns. Raises `ContextEnded`, or `Halted` if the code is dropped."""
        if self.loop.thread != get_ident():
            raise ContextEnded(
                f"the context of the orchestration {self.instance_id!r} was used outside its code or after its end: "
                "not by activities, threads or what else it left running"
            )
        if self.dead:
            self.loop.refuse()

    def schedule(self, event: E, waiting: Any = None) -> E:
        """Schedule something, at this time and with the number that is next: the event for it, which in a replay is that of
        the log. `waiting` gets the answer.

        The event has copies of the fields as they are stored: what the code does with its objects later changes nothing.
        Raises `InvalidInput` for what cannot be stored, and `PayloadTooLarge`, at the code's own line.
        """
        if self.dead or self.loop.thread != get_ident():
            self.check()
            event = replace(event, task_id=0)  # refused too often: something to wait for that does not come
            if waiting is not None:
                waiting.event = event
            return event
        left = self._recorded.left
        task_id = event.task_id
        flat = is_flat(event)
        found = left.get(task_id) if flat and left else None
        if found is not None and found == event:  # most of a replay
            self.last_id = task_id
            del left[task_id]
        else:
            event = self._schedule(event, flat=flat)
        if waiting is not None:
            waiting.event = event
            self._open[task_id] = waiting
        return event

    def _schedule(self, asked: E, *, flat: bool) -> E:
        stored = pack_fields(asked, flat=flat)
        self.last_id = asked.task_id
        event = None
        if self._recorded.left:
            try:
                event = self._recorded.match(asked, stored)
            except NonDeterminismError as error:
                self.halt(error)
        if event is None:
            event = asked if flat else as_stored(asked, stored)
            if len(stored) > self.settings.payload_bytes_max:  # (what is in the log already is not too large)
                raise PayloadTooLarge(describe(event), len(stored), self.settings.payload_bytes_max)
            self.wanted.schedule(event, stored)
        return event

    def abandon(self, task_id: int) -> None:
        """Nobody waits for an answer any more."""
        if self._open.pop(task_id, None) is None or self.dead:
            return
        if task_id in self.wanted.events:
            del self.wanted.events[task_id]
        elif not self.replaying:
            self.wanted.cancels.append(task_id)

    def leave_open(self, task_id: int) -> None:
        """Nobody waits for an answer any more, but something else will be said about it."""
        self._open.pop(task_id, None)

    def halt(self, error: BaseException) -> None:
        """End the execution at once, with an error. Raises `Halted`."""
        self._fatal = error
        self.loop.stopping = True
        raise Halted

    def wait_for_event(self, name: str, decode: Callable[[Any], Any] | None) -> EventWait:
        """Wait for an external event."""
        self.check()
        wait = EventWait(self, name, decode)
        self.mailbox.wait(wait)
        return wait

    def patched(self, name: str) -> bool:
        """Whether the code goes the way that a patch added; once said, the answer stays."""
        self.check()
        if self.dead:
            return False
        name = plain(name)
        known = self._patches.get(name)
        if known is None:
            known = not self.replaying or name in self._recorded.patches
            self._patches[name] = known
            if known and name not in self._recorded.patches:
                self.wanted.patches.append(Patched(self.now_ms, 0, name))
        return known

    def child_id(self) -> str:
        """An ID for the instance that is scheduled next."""
        return child_id(self.instance_id, self.execution_id, self.last_id + 1)

    # -- for the loop --------------------------------------------------------------------------------------------------

    def set_timer(self, handle: DurableHandle, fire_at_ms: int) -> None:
        """A timer of asyncio or anyio."""
        self.schedule(TimerCreated(self.now_ms, self.last_id + 1, fire_at_ms, ""), handle)

    def cancel_timer(self, handle: DurableHandle) -> None:
        """It was cancelled."""
        self.abandon(handle.event.task_id)

    def report(self, context: dict[str, Any]) -> None:
        """What went wrong in the code where nobody waits for it."""
        if self._muted or self.replaying:
            return
        error = context.get("exception")
        if isinstance(error, Halted):
            return
        log.error("%s: %s", self.instance_id, context.get("message"), exc_info=error)
