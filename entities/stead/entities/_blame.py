"""What to do about a turn that failed in stead itself, which is a bug of stead: nothing of a turn comes out of its kind.

Half of what the turn did may be among the effects, so its partition is thrown away and read anew. This remembers which
message ran, over that: when its turn comes again it is not run, but fails. Should even that fail, or should there be no
message to blame, the target waits as one that cannot be loaded. So one message costs its partition a moment, and no more.
"""

from __future__ import annotations

from dataclasses import dataclass

from stead.transport import stream_order
from stead.transport.describing import message_of, qualified_name, traceback_of

from ._activation import Pending
from ._envelope import Failure


@dataclass(slots=True)
class Blamed:
    """What ran when a turn failed."""

    pending: Pending | None  # None: nothing that is in the store
    failure: Failure
    tries: int = 1

    @property
    def hopeless(self) -> bool:
        """Its target cannot go on: there is no message that could be left out."""
        return self.pending is None or self.tries > 1

    def is_about(self, pending: Pending) -> bool:
        return self.pending is not None and (pending.stream_id, pending.envelope) == self.pending[:2]

    def is_behind(self, pending: Pending) -> bool:
        """A message that comes later has its turn: the blamed one is not there any more."""
        return self.pending is not None and stream_order(pending.stream_id) > stream_order(self.pending.stream_id)

    @property
    def reason(self) -> str:
        """Why its target waits."""
        said = f": {self.failure.message}" if self.failure.message else ""
        return (
            f"its turns fail in stead itself ({self.failure.type}{said}), which is a bug of stead (please report it); "
            "what it was sent waits"
        )


def failure_in_stead(error: BaseException) -> Failure:
    """What a caller is told of it."""
    return Failure("operation", qualified_name(type(error)), message_of(error), traceback_of(error))


class Blame(dict[str, Blamed]):
    """By target, over all tenures of a worker. Empty, as long as stead is right."""

    def note(self, target: str, pending: Pending | None, failure: Failure) -> None:
        """A turn of a target has failed, while this message ran."""
        if pending is not None and (not pending.stream_id or pending.message.target != target):
            pending = None
        before = self.get(target)
        same = before is not None and (pending is None or before.is_about(pending))
        self[target] = Blamed(pending, failure, before.tries + 1 if before is not None and same else 1)
