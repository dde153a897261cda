"""What the code of an orchestrator shares with clients, and the updates that they have told it: each runs as a task of the code.

An update begins where its event stands in the history, and its end is something that the code schedules: so a replay does
the same, at the same places.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Final, Protocol

from stead.orchestrations._history.errors import UnknownQuestion
from stead.orchestrations._history.events import UpdateAccepted, UpdateCompleted
from stead.orchestrations._history.failures import FailureDetails
from stead.transport import InvalidInput, PayloadLimit

from .recorded import pack_fields
from .unsupported import Halted

if TYPE_CHECKING:
    from .code import Code, UpdateForm
    from .loop import DeterministicLoop
    from .ordering import NumberedTask
    from .outcome import Continued


class Asking(Protocol):
    """What is needed of the `Commands` of the execution."""

    code: Code
    name: str
    loop: DeterministicLoop
    now_ms: int
    last_id: int
    limit: PayloadLimit
    continued: Continued | None

    def check(self) -> None: ...

    def schedule(self, event: UpdateCompleted, waiting: Any = None) -> UpdateCompleted: ...


class _Nothing:
    """In place of what is shared: the code shares nothing."""


NOTHING_SHARED: Final = _Nothing()


class SharedState:
    """See the module. One for each execution."""

    __slots__ = ("_core", "_running", "context", "late", "main", "state")

    def __init__(self, core: Asking) -> None:
        self._core = core
        self._running: dict[str, object] = {}  # their tasks
        self.state: object = NOTHING_SHARED
        self.context: object = None  # what the updates are given
        self.main: NumberedTask[Any] | None = None  # the code's own task, once it has waited
        self.late: list[UpdateAccepted] = []  # what came after that had ended

    def share(self, state: object) -> None:
        """The code shares this. Raises `InvalidInput`."""
        self._core.check()
        if self.state is not NOTHING_SHARED:
            raise InvalidInput("context.share", "an orchestration shares one object, and has shared one already")
        if self.main is not None:
            raise InvalidInput("context.share", "it comes too late: share the object before the first await")
        self.state = state

    @property
    def is_open(self) -> bool:
        """Whether clients may tell the code things: it may wait for that."""
        return self.state is not NOTHING_SHARED and bool(self._core.code.updates)

    @property
    def pulse(self) -> tuple[int, int]:
        """What is another one once something outside has woken the code, between two of its turns: it would go on then as it
        does in no replay."""
        loop = self._core.loop
        return loop.last_number, len(loop.ready())

    @property
    def holds(self) -> bool:
        """Whether updates run that an execution which continues as new waits for."""
        main = self.main
        return bool(
            self._running
            and main is not None
            and main.done()
            and not main.cancelled()
            and main.exception() is None
            and self._core.continued is not None
        )

    def begin(self, update: UpdateAccepted) -> None:
        """An update was accepted."""
        core = self._core
        if self.main is not None and self.main.done():
            self.late.append(update)
            return
        form = core.code.updates.get(update.name.lower())
        self._running[update.update_id] = core.loop.create_task(self._run(form, update), name=update.name)

    async def _run(self, form: UpdateForm | None, update: UpdateAccepted) -> None:
        ok, value = True, None
        try:
            if form is None:
                raise UnknownQuestion(f"orchestration {self._core.name!r} has no update {update.name!r} any more")
            made: Any = form.start(self.context, self.state, update.args, update.kwargs)
            value = form.encode_result(await made if inspect.isawaitable(made) else made)
        except (Halted, KeyboardInterrupt):
            raise
        except BaseException as error:  # noqa: BLE001 - whatever it raises is its caller's to know
            ok, value = False, FailureDetails.of(error).as_map()
        del self._running[update.update_id]
        self._end(update, ok, value)
        main = self.main
        if main is not None and main.done() and not self._running:
            self._core.loop.stopping = True  # the code has ended before

    def _end(self, update: UpdateAccepted, ok: bool, value: object) -> None:
        core = self._core
        try:
            end = UpdateCompleted(core.now_ms, core.last_id + 1, update.update_id, ok, value)
            # Here, since what is in a history already is not asked again whether it is too large: a replay says the same.
            core.limit.check(f"what the update {update.name!r} gives", pack_fields(end))
            core.schedule(end)
        except InvalidInput as error:  # its result cannot be stored
            failure = FailureDetails.of(error).final().as_map()
            core.schedule(UpdateCompleted(core.now_ms, core.last_id + 1, update.update_id, False, failure))
