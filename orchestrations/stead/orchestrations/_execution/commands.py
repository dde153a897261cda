"""What the code of an orchestrator can ask for, and what it has asked for. Its context, calls and waits know nothing else.

1. What is scheduled is counted. In a replay the log's event with that number is it; one without a number in the log is new.
   So a log that holds only a part of what a turn scheduled is continued from there.
2. What was scheduled and given up within one turn is neither logged nor done. It keeps its number, so that later numbers do
   not depend on where turns end.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from threading import get_ident
from typing import Any, NoReturn, TypeVar

from stead.entities import ContextEnded
from stead.orchestrations._history.data import plain_data
from stead.orchestrations._history.errors import NonDeterminismError, TooManyCalls
from stead.orchestrations._history.event_codec import encode_event, event_with
from stead.orchestrations._history.events import Event, ExecutionRewound, ExecutionStarted, Patched, TimerCreated
from stead.orchestrations._history.ids import child_id
from stead.transport import InvalidInput, PayloadLimit, Settings, get_logger, pack_exact, unpack
from stead.transport.describing import is_a

from .code import Code, Waiting
from .drawn import Drawn
from .external_events import Mailbox
from .handles import DurableHandle
from .loop import new_loop
from .outcome import Continued, Outcome
from .recorded import COMPARED, Recorded, as_stored, describe_event, latest_execution_id, pack_fields
from .resolver import TypeResolver
from .sections import CriticalSections
from .sharing import SharedState
from .unsupported import Halted
from .wants import NOTHING, UNCHANGED, Asked, Wants

log = get_logger("stead.orchestration")

E = TypeVar("E", bound=Event)


class Commands:
    """See the module. One for each execution, which reads what is in it and tells it when the code may ask for nothing more."""

    __slots__ = (
        "_asked",
        "_at_once",
        "_called_off",
        "_custom_status",
        "_patched",
        "_patches",
        "_recorded",
        "_to_end",
        "code",
        "continued",
        "critical",
        "dead",
        "drawn",
        "ending",
        "execution_id",
        "fatal",
        "instance_id",
        "last_id",
        "limit",
        "loop",
        "mailbox",
        "muted",
        "name",
        "now_ms",
        "open",
        "parent",
        "replaying",
        "settings",
        "sharing",
        "tags",
        "types",
        "version"
    )  # fmt: skip

    def __init__(
        self, instance_id: str, code: Code, history: Sequence[Event], settings: Settings, types: TypeResolver
    ) -> None:
        started = history[0]
        assert isinstance(started, ExecutionStarted), "every history begins so"
        self.instance_id = instance_id
        self.code = code
        self.settings = settings
        self.limit = PayloadLimit.of(settings)
        self.types = types
        self.name = started.name
        self.version = started.version
        self.parent = started.parent
        self.tags = started.tags
        self.drawn = Drawn(instance_id, started.execution_id)
        self.execution_id = latest_execution_id(started.execution_id, history)
        self.now_ms = max(started.at_ms, started.scheduled_ms or 0)
        self.replaying = False
        self.dead = False  # the code is being dropped, or has been: what it asks for is refused
        self.muted = False  # nor is anything said of it
        self.fatal: BaseException | None = None  # what has ended it besides its own code
        self.last_id = 0  # of what was scheduled last
        self.open: dict[int, Waiting] = {}  # who waits for which answer
        self.ending: set[int] = set()  # activities that were told to end, for whose answers somebody waits
        self.mailbox = Mailbox()
        self.critical = CriticalSections()
        self.sharing = SharedState(self)
        self.continued: Continued | None = None
        self._recorded = Recorded(instance_id, history)
        self._patched: dict[str, bool] = {}
        self._asked: dict[int, Asked] = {}  # since the last turn, by number
        self._at_once: set[int] = set()  # of those, activities that may begin before they are stored
        self._patches: list[Asked] = []
        self._called_off: list[int] = []
        self._to_end: list[int] = []
        self._custom_status: object = UNCHANGED
        self.loop = new_loop(self, self.drawn.seed)
        self.loop.now_s = self.now_ms / 1000

    # -- for the context, calls and waits ------------------------------------------------------------------------------

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
        task_id = event.task_id
        flat = COMPARED[type(event)].is_flat(event)
        left = self._recorded.left
        if not left:
            event = self._ask(event, flat)
        elif flat and left.get(task_id) == event:  # most of a replay
            del left[task_id]
            self.last_id = task_id
        else:
            event = self._match(event, flat)
        if waiting is not None:
            waiting.event = event
            self.open[task_id] = waiting
        return event

    def _ask(self, event: E, flat: bool) -> E:
        """What is in no log yet. Its number is taken once it is known that it can be stored."""
        if len(self._asked) >= self.settings.turn_calls_max:
            self.forget_all()
            self.halt(TooManyCalls(self.instance_id, self.settings.turn_calls_max))
        limit = self.limit
        if flat:
            try:
                data = encode_event(event)
            except InvalidInput as error:
                raise InvalidInput(describe_event(event), error.reason) from error
            stored = b"" if len(data) <= limit.at else pack_fields(event, flat=True)  # (without number and time)
        else:
            stored = pack_fields(event)
            event = as_stored(event, stored)
            data = event_with(event, stored)
        self.last_id = event.task_id
        if len(stored) > limit.at:
            limit.check(describe_event(event), stored)
        self._asked[event.task_id] = (event, data)
        return event

    def _match(self, asked: E, flat: bool) -> E:
        """What may be in the log: it is not too large then, whatever it was replaced by."""
        stored = pack_fields(asked, flat=flat)
        self.last_id = asked.task_id
        try:
            found = self._recorded.match(asked, stored)
        except NonDeterminismError as error:
            self.halt(error)
        return self._ask(asked, flat) if found is None else found

    def abandon(self, task_id: int) -> None:
        """Nobody waits for an answer any more."""
        if self.open.pop(task_id, None) is None or self.dead:
            return
        if task_id in self._asked:
            del self._asked[task_id]
        elif not self.replaying:
            self._called_off.append(task_id)

    def end(self, task_id: int) -> bool:
        """An activity is to end, and somebody waits until it has. False if nobody has been told to run it."""
        if task_id in self._asked:
            return False
        self.ending.add(task_id)
        if not self.replaying:
            self._to_end.append(task_id)
        return True

    def begin_at_once(self, task_id: int) -> None:
        """An activity that was just scheduled may begin before that is stored; one that is in the history has been."""
        if task_id in self._asked:
            self._at_once.add(task_id)

    def leave_open(self, task_id: int) -> None:
        """Nobody waits for an answer any more, but something else will be said about it."""
        self.open.pop(task_id, None)

    def patched(self, name: str) -> bool:
        """Whether the code goes the way that a patch added; once said, the answer stays."""
        self.check()
        if self.dead:
            return False
        name = plain_data(name)
        known = self._patched.get(name)
        if known is None:
            known = not self.replaying or name in self._recorded.patches
            self._patched[name] = known
            if known and name not in self._recorded.patches:
                patch = Patched(self.now_ms, 0, name)
                self._patches.append((patch, encode_event(patch)))
        return known

    def child_id(self) -> str:
        """An ID for the instance that is scheduled next."""
        return child_id(self.instance_id, self.execution_id, self.last_id + 1)

    def begin_attempts(self, rewound: ExecutionRewound) -> None:
        """The instance was rewound: what is under way is tried as often as if it had not been tried before."""
        if rewound.fresh:
            for waiting in self.open.values():
                waiting.begin_attempts()

    def show(self, value: Any) -> None:
        """Show something as the custom status. Raises `InvalidInput` for what cannot be stored, or is too large."""
        self.check()
        if self.dead:
            return
        limit = self.settings.custom_status_bytes_max
        try:
            packed = pack_exact(value)
        except InvalidInput as error:
            raise InvalidInput("custom status", error.reason) from error
        length = self.limit.stored_length(packed)
        if length > limit:
            raise InvalidInput("custom status", f"it has {length:,} bytes, and {limit:,} may be")
        self._custom_status = unpack(packed)

    def continue_as_new(self, input: Any, version: str | None, keeps_events: bool) -> None:
        """Begin anew once the code returns. Raises like `Code.encode_input`, and `PayloadTooLarge`."""
        self.check()
        if self.dead:
            return
        following = plain_data(self.code.encode_input(input), self.limit, "input of continue_as_new")
        self.continued = Continued(following, version, keeps_events)

    # -- for the loop --------------------------------------------------------------------------------------------------

    def set_timer(self, handle: DurableHandle, fire_at_ms: int) -> None:
        """A timer of asyncio or anyio."""
        self.schedule(TimerCreated(self.now_ms, self.last_id + 1, fire_at_ms, ""), handle)

    def cancel_timer(self, handle: DurableHandle) -> None:
        """It was cancelled."""
        self.abandon(handle.event.task_id)

    def report(self, context: dict[str, Any]) -> None:
        """What went wrong in the code where nobody waits for it."""
        if self.muted or self.replaying:
            return
        error = context.get("exception")
        if error is None or not is_a(error, Halted):
            log.error("%s: %s", self.instance_id, context.get("message"), exc_info=error)

    # -- for the execution ---------------------------------------------------------------------------------------------

    def halt(self, error: BaseException) -> NoReturn:
        """End the execution at once, with an error. Raises `Halted`."""
        self.fatal = error
        self.loop.stopping = True
        raise Halted

    def mismatch(self, answer: Event) -> NoReturn:
        """The history has an answer to something else than what the code has asked for. Raises `Halted`."""
        self.halt(self._recorded.unmatched(answer))

    @property
    def recorded_any(self) -> bool:
        """Whether the history says that the code had scheduled something."""
        return self._recorded.last_id > 0

    def unmatched(self) -> NonDeterminismError | None:
        """After a replay: an error if the code did not come to something of the log, or to something in between."""
        return self._recorded.check_end([event for event, _ in self._asked.values()])

    def forget(self, task_id: int) -> bool:
        """Something that was asked for in this turn is not to be done; whether it was. (It keeps its number.)"""
        return self._asked.pop(task_id, None) is not None

    def forget_all(self) -> None:
        """Nothing of what was asked for is to be done, but what is called off is."""
        self._asked = {}
        self._patches = []

    def take(self, outcome: Outcome | None) -> Wants:
        """What the code has asked for since the last time."""
        asked, status = self._asked, self._custom_status
        at_once: Collection[int] = ()
        if self._at_once:
            at_once, self._at_once = self._at_once, set()
        if self._called_off or self._to_end or self._patches or status is not UNCHANGED:
            # Sorted, because anyio cancels the tasks of a group in the order of addresses (`ordering`).
            scheduled = [*self._patches, *asked.values()]
            wants = Wants(sorted(self._called_off), scheduled, status, outcome, sorted(self._to_end), at_once)
            self._called_off, self._to_end, self._patches, self._custom_status = [], [], [], UNCHANGED
        elif asked or outcome is not None:
            wants = Wants((), [*asked.values()], UNCHANGED, outcome, (), at_once)
        else:
            return NOTHING
        self._asked = {}
        return wants
