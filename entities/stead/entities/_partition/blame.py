"""What to do about a turn that failed in stead itself, which is a bug of stead: nothing of a turn comes out of its kind.

Half of what the turn did may be among the effects, so its partition is thrown away and read anew. This remembers which
message ran, over that: when its turn comes again it is not run, but fails. Should even that fail, or should there be no
message to blame, the target waits as one that cannot be loaded. So one message costs its partition a moment, and no more.
"""

from __future__ import annotations

from stead.entities._message.envelope import Failure
from stead.transport import stream_order

from .pending import Offer, Pending

_MESSAGES_MAX = 100  # of one target


Which = tuple[bytes, bytes]  # a message: its stream ID and its envelope, since a stream ID alone may mean another one


class Blamed:
    """What ran when turns of one target failed."""

    __slots__ = ("_failures", "hopeless")

    def __init__(self) -> None:
        self._failures: dict[Which, Failure] = {}
        self.hopeless: Failure | None = None  # there is no message that could be left out: the target cannot go on

    def note(self, pending: Pending | None, failure: Failure) -> None:
        """A turn failed while this message ran; none, if it was nothing that is in the store."""
        if pending is None or pending[:2] in self._failures or len(self._failures) >= _MESSAGES_MAX:
            self.hopeless = failure
        else:
            self._failures[pending[:2]] = failure

    def failure_of(self, pending: Pending) -> Failure | None:
        """Why a message is not run: kept until it is sure that it does not come again."""
        return self._failures.get(pending[:2])

    def passed(self, pending: Pending) -> bool:
        """A message has its turn that comes after all of them."""
        order = stream_order(pending.stream_id)
        return all(stream_order(stream_id) < order for stream_id, _ in self._failures)

    @property
    def reason(self) -> str:
        """Why its target waits."""
        failure = self.hopeless
        assert failure is not None, "only what is hopeless waits"
        said = f": {failure.message}" if failure.message else ""
        return (
            f"its turns fail in stead itself ({failure.type}{said}), which is a bug of stead (please report it); "
            "what it was sent waits"
        )


class Blame(dict[str, Blamed]):
    """By target, over all tenures of a worker. Empty, as long as stead is right."""

    def __init__(self) -> None:
        super().__init__()
        # Targets that failed with what came in memory: what is for them goes through the store now, and has a name there.
        self.not_offered: set[str] = set()

    def note(self, target: str, pending: Pending | None, failure: Failure) -> None:
        """A turn of a target has failed, while this message ran."""
        if type(pending) is Offer and pending.message.target == target:  # which comes again by a name of its own
            self.not_offered.add(target)
            return
        if pending is not None and (not pending.stream_id or pending.message.target != target):
            pending = None
        self.setdefault(target, Blamed()).note(pending, failure)
