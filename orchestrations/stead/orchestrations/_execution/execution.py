"""One execution of an orchestrator's code: events in, what the code wants out.

    execution = Execution(instance_id, code, history, settings, types)
    execution.turn()                 runs the code through the history; None if it is on its way: call it again
    execution.turn([event])          new events, one after the other, as long as the code wants nothing by them
    → wants                          a value: what is called off and asked for, the custom status, how it has ended

Nothing but `turn` runs the code, and nothing that the code does reaches anybody but by what `turn` gives. The code runs on a
loop of its own (`loop`), so everything that it does is a function of the events, in their order:

1. Every event is applied, and the code run until it waits, before the next one is: batches make no difference.
2. What the code asks for is compared with the history, or new: `commands`.
3. Time is that of the events, and never goes back.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, cast

from stead.entities.extending import TraceContext, instance_variables
from stead.orchestrations._history.data import event_data
from stead.orchestrations._history.event_table import ASKED, SCHEDULED
from stead.orchestrations._history.events import (
    Event,
    EventRaised,
    ExecutionCancelRequested,
    ExecutionResumed,
    ExecutionRewound,
    ExecutionStarted,
    ExecutionSuspended,
    TimerCreated,
    TimerFired,
    UpdateAccepted,
)
from stead.orchestrations._history.failures import FailureDetails
from stead.orchestrations._history.first_runs import as_seen
from stead.transport import Settings

from .code import Code, Unanswered, Waiting
from .commands import Commands
from .context import OrchestrationContext
from .external_events import Mailbox
from .ordering import NumberedTask
from .outcome import (
    Canceled,
    Completed,
    ContinuedAsNew,
    Failed,
    Outcome,
    failed,
    has_diverged,
    outcome_of_result,
    with_late_event,
)
from .time_outs import TimeOuts, is_limit
from .unawaited import report_unawaited
from .unsupported import Halted, explained, stuck
from .wants import NOTHING, Wants

if TYPE_CHECKING:
    from .resolver import TypeResolver
    from .sharing import SharedState

REPLAY_STEP = 32
"""Events of the history after which a turn comes back, so that whoever called can see whether it is enough for this time."""


class Execution:
    """See the module. Not for several threads."""

    __slots__ = (
        "_canceled", "_commands", "_held", "_held_ids", "_left", "_loop", "_main", "_outcome", "_replayed", "_suspended",
        "_time_outs", "_trace", "seen"
    )  # fmt: skip

    def __init__(
        self,
        instance_id: str,
        code: Code,
        history: Sequence[Event],
        settings: Settings,
        types: TypeResolver,
        played: int | None = None,
        trace: TraceContext | None = None,
    ) -> None:
        """Nothing runs yet. The first event of the history is ExecutionStarted.

        `played`: how many of its events the code has seen before (default: all of them). For the others it is not
        replaying: 0 for an instance that begins.
        """
        history = as_seen(history)
        self._commands = commands = Commands(instance_id, code, history, settings, types)
        self._loop = commands.loop
        self.seen = len(history) if played is None else played
        commands.replaying = self.seen > 0
        self._left: Iterator[Event] | None = iter(history)  # of the history, until all of it is done
        self._replayed = 0
        self._outcome: Outcome | None = None
        self._canceled: str | None = None  # the reason for which it was asked to end
        self._suspended = False
        self._held: deque[Event] = deque()  # what came while it was suspended
        self._held_ids: set[int] = set()
        self._main: NumberedTask[Any] | None = None
        self._time_outs = TimeOuts()
        self._trace = trace

    # -- for the worker ------------------------------------------------------------------------------------------------

    def turn(self, events: Iterable[Event] = ()) -> Wants | None:
        """Go on: with the history, as long as that is not done, or with new events, until the code wants something: each is asked
        for when the code waits again. Gives what the code wants; None if a part of the history is left for the next turn.

        Whatever the code raises is its outcome: only `KeyboardInterrupt` comes out of here.
        """
        self._loop.enter()
        try:
            if self._left is not None:
                assert not events, "the history comes first"
                if not self._replay(self._left):
                    return None
            for event in events:
                self._take(event)
                if (wants := self._commands.take(self._outcome)) is not NOTHING:
                    return wants
        finally:
            self._loop.leave()
        return self._commands.take(self._outcome)

    def accepts(self, answer: Event) -> bool:
        """Whether an answer is waited for (HAZARDS 15). Others are to be dropped, and not logged."""
        waiting, task_id = self._commands.open.get(answer.task_id), answer.task_id
        return waiting is not None and type(waiting.event) is ASKED.get(type(answer)) and task_id not in self._held_ids

    @property
    def may_be_canceled(self) -> bool:
        """Whether asking the code to end says anything new to it."""
        return self._canceled is None

    @property
    def has_asked(self) -> bool:
        """Whether its history says that its code has ever asked for something."""
        return self._commands.recorded_any

    @property
    def pending(self) -> Mapping[int, Event]:
        """The scheduled events whose answers are still to come."""
        held = self._held_ids
        return {task_id: waiting.event for task_id, waiting in self._commands.open.items() if task_id not in held}

    @property
    def ending(self) -> Collection[int]:
        """The activities that the code has told to end, and for whose end it waits."""
        return self._commands.ending & self._commands.open.keys()

    @property
    def sharing(self) -> SharedState:
        """What its code shares with clients."""
        return self._commands.sharing

    @property
    def mailbox(self) -> Mailbox:
        """The external events that have come, and those that the code waits for."""
        return self._commands.mailbox

    def close(self) -> None:
        """Drop the code, without anything of it being done (HAZARDS 13). The execution is of no use after it."""
        commands = self._commands
        if commands.dead:
            return
        commands.muted = True
        self._held.clear()
        self._loop.enter()
        try:
            self._drop()
        finally:
            self._loop.leave()

    # -- the history ---------------------------------------------------------------------------------------------------

    def _replay(self, left: Iterator[Event]) -> bool:
        """Some of what is left of the history; whether that was all."""
        commands = self._commands
        if not self._replayed:
            started = next(left)
            assert isinstance(started, ExecutionStarted), "every history begins so"
            self._replayed = 1
            self._start(started.input)
        events = tuple(islice(left, REPLAY_STEP))
        for index, event in enumerate(events, self._replayed):
            if type(event) not in SCHEDULED:  # the code schedules those itself
                commands.replaying = index < self.seen
                self._take(event)
        self._replayed += len(events)
        if len(events) == REPLAY_STEP:
            return False
        self._left = None
        commands.replaying = False
        self._check_replay()
        return True

    def _check_replay(self) -> None:
        error = self._commands.unmatched()
        outcome = self._outcome
        if error is None or has_diverged(outcome):
            return
        details = FailureDetails.of(error)
        if isinstance(outcome, Failed):  # perhaps that is why: keep it visible
            failure = FailureDetails(details.error_type, details.message, details.traceback, outcome.failure)
            self._outcome = Failed(failure, outcome.ran_out, diverged=True)
        else:
            self._finish(Failed(details, diverged=True))
        self._commands.forget_all()

    def _start(self, given: Any) -> None:
        commands, loop = self._commands, self._loop
        variables = instance_variables(self._trace, lambda: commands.replaying)
        try:
            context = commands.sharing.context = OrchestrationContext(commands)
            coroutine = variables.run(commands.code.start, context, given)
            self._main = main = NumberedTask(loop.number(), coroutine, loop, commands.name, variables)
            loop.adopt_main(main)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - its input may be invalid, and validators may raise anything
            self._finish(Failed(FailureDetails.of(error)))
            return
        self._run()
        commands.sharing.main = self._main

    # -- events --------------------------------------------------------------------------------------------------------

    def _take(self, event: Event) -> None:
        """Apply an event and run the code."""
        if self._outcome is not None:
            self._outcome = with_late_event(self._outcome, event, self._commands.continued, self._canceled)
            return
        kind = type(event)
        if self._suspended and kind is not ExecutionResumed:
            self._hold(event)
            return
        commands = self._commands
        at_ms = event.at_ms
        if kind is TimerFired:
            at_ms = max(at_ms, cast("TimerFired", event).fire_at_ms)
        if at_ms > commands.now_ms:
            commands.now_ms = at_ms
            self._loop.now_s = max(self._loop.now_s, at_ms / 1000)
        try:
            if kind in ASKED:
                self._answer(event)
            elif isinstance(event, EventRaised):
                commands.mailbox.raised(event.name, event_data(event))
            elif isinstance(event, ExecutionCancelRequested):
                self._cancel(event.reason)
            elif isinstance(event, UpdateAccepted):
                commands.sharing.begin(event)
            else:
                self._pause(event)
                return
        except Halted:
            pass
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - user code that runs here: a policy's `handle`, validators
            commands.fatal = error
        last_id = commands.last_id
        self._run()
        if self._time_outs.raced:
            self._note_time_out(event.task_id, commands.last_id > last_id)

    def _cancel(self, reason: str) -> None:
        """The code finds itself cancelled where it waits. Once: what it then does is not interrupted by the same wish."""
        if self._canceled is None and self._main is not None:
            self._canceled = reason
            self._loop.call_soon(self._main.cancel, reason)  # by the loop, which puts in order what it wakes

    def _answer(self, event: Event) -> None:
        commands = self._commands
        task_id = event.task_id
        waiting = commands.open.get(task_id)
        if waiting is None:
            if task_id > commands.last_id:
                commands.mismatch(event)
            return  # given up meanwhile
        asked = waiting.event
        if type(asked) is not ASKED[type(event)]:
            commands.mismatch(event)
        del commands.open[task_id]
        if isinstance(asked, TimerCreated) and is_limit(asked) and self._waits():
            self._time_outs.fired(task_id, waiting)
        waiting.answer(event)

    def _note_time_out(self, task_id: int, asked: bool) -> None:
        """If it was a timer that made the code fail, the end says so: a rewinding gives it all of its time again."""
        outcome = self._outcome
        if isinstance(outcome, Failed):
            self._outcome = Failed(outcome.failure, self._time_outs.ended_by(task_id), outcome.diverged)
        else:
            self._time_outs.ran(task_id, asked)

    def _waits(self) -> bool:
        """Whether there is anything that the code could wait for."""
        commands = self._commands
        return bool(commands.open or commands.mailbox.waits or self._loop.never > 0 or commands.sharing.is_open)

    def _hold(self, event: Event) -> None:
        if isinstance(event, ExecutionSuspended):
            return
        self._held.append(event)
        if type(event) in ASKED:
            self._held_ids.add(event.task_id)

    def _pause(self, event: Event) -> None:
        if isinstance(event, ExecutionSuspended):
            self._suspended = True
        elif isinstance(event, ExecutionResumed):
            self._resume()
        elif isinstance(event, ExecutionRewound):
            self._commands.begin_attempts(event)

    def _resume(self) -> None:
        held, self._suspended = self._held, False
        while held and not self._suspended:
            event = held.popleft()
            self._held_ids.discard(event.task_id)
            self._take(event)
        if self._outcome is not None:
            self._held_ids.clear()

    # -- the code ------------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        commands, loop = self._commands, self._loop
        try:
            if commands.fatal is None:
                loop.run()
                while loop.stopping and commands.sharing.holds:  # the code has ended, and updates go on
                    loop.stopping = False
                    loop.run()
        except (KeyboardInterrupt, Halted) as error:
            if isinstance(error, KeyboardInterrupt):
                raise
        except BaseException as error:  # noqa: BLE001 - a `sys.exit` in the code is its failure, not the worker's end
            commands.fatal = error
        main = self._main
        assert main is not None, "it was started"
        if commands.fatal is not None:
            if main.done() and not main.cancelled():
                main.exception()  # looked at: nothing to warn about
            self._finish(failed(commands.fatal))
        elif loop.stopping:
            self._finish(self._outcome_of(main))
        elif not (commands.open or self._waits()):
            self._finish(failed(stuck()))

    def _outcome_of(self, main: asyncio.Task[Any]) -> Outcome:
        try:
            result = main.result()
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - whatever the code raised
            if self._canceled is not None and issubclass(type(error), asyncio.CancelledError):
                return Canceled(self._canceled)
            self._time_outs.failed(error)
            return failed(explained(error))
        commands = self._commands
        continued = commands.continued
        if continued is None:
            return outcome_of_result(commands.code.encode_output, result)
        left = commands.mailbox.unprocessed() if continued.keeps_events else []
        late = None if self._canceled is None or main.cancelling() else self._canceled  # it had ended before
        return ContinuedAsNew(continued.input, continued.version, left, late, commands.sharing.late)

    def _finish(self, outcome: Outcome) -> None:
        commands = self._commands
        self._outcome = outcome
        waits = commands.open
        if isinstance(outcome, Completed) and waits and not commands.replaying:
            report_unawaited(commands.instance_id, commands.name, waits.values())
        pending: dict[int, Waiting] = {
            task_id: Unanswered(waiting.event)
            for task_id, waiting in waits.items()
            # A timer of the last turn is of no use to anybody.
            if not (isinstance(waiting.event, TimerCreated) and commands.forget(task_id))
        }
        self._drop()
        commands.open = pending

    def _drop(self) -> None:
        commands = self._commands
        commands.dead = True
        self._loop.drop()
        self._main = None
        commands.open = {}
        commands.mailbox = Mailbox()
