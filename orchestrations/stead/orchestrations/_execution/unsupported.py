"""What the code of an orchestrator may not do, refused where it does it."""

from __future__ import annotations

from stead.entities import SteadError
from stead.transport.describing import text_of


class UnsupportedInOrchestrator(SteadError, RuntimeError):
    """An orchestrator did what cannot be replayed: input, output, threads, processes, other event loops.

    `what` names it, `instead` says what to do in its place. The instance fails unless its code catches the error.
    """

    def __init__(self, what: str, instead: str) -> None:
        super().__init__(what, instead)
        self.what = what
        self.instead = instead

    def __str__(self) -> str:
        return f"{self.what} cannot be used in an orchestrator, whose code is replayed: {self.instead}"


class StuckOrchestration(SteadError, RuntimeError):
    """An orchestrator waits for something that nothing can bring about, or runs on and on without waiting."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return self.reason


class Halted(BaseException):
    """Raised out of a command whose execution has ended or is being dropped (HAZARDS 13): it leaves the code, and nobody
    else sees it. Not an `Exception`, so that no `except Exception` of the code keeps it.
    """


IN_AN_ACTIVITY = "do it in an activity (context.call_activity)"
"""What to do instead of input and output."""


def stuck() -> StuckOrchestration:
    """The error for code that waits, and nothing durable is under way."""
    return StuckOrchestration(
        "the orchestrator waits for something that nothing can bring about: it has no activity, timer, event or other "
        "durable task under way. Did it wait for a thread, for another loop's future, or for an asyncio.Event that nobody "
        "sets? What takes time outside goes into an activity (context.call_activity)"
    )


_FOREIGN = {
    "attached to a different loop": ("a future of another event loop", "await what the context's methods give"),
    "asyncio.run() cannot be called": ("asyncio.run", "await the coroutine"),
    "Cannot run the event loop while another": ("another event loop", "await what you need, or use an activity"),
}


def explained(error: BaseException) -> BaseException:
    """Asyncio's own errors for foreign loops, in words that say what to do."""
    if type(error) is RuntimeError:
        said = text_of(error)
        for text, (what, instead) in _FOREIGN.items():
            if text in said:
                explained = UnsupportedInOrchestrator(what, instead)
                explained.__cause__ = error
                return explained
    return error
