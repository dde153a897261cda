"""The kind of targets that cannot exist: what is sent to them cannot be carried out, and is not lost silently either."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import TYPE_CHECKING

from stead.entities._message.envelope import RELEASE, Failure

if TYPE_CHECKING:
    from .activation import Activation
    from .effects import Effects
    from .pending import Pending
    from .slice import Slice


class Refusal:
    """Refuses every message of a target: its caller is told, or it becomes a dead letter. Implements `Kind`."""

    def __init__(self, reason: str) -> None:
        self._failure = Failure("invalid_input", "InvalidInput", reason)

    def activate(self, target: str, record: bytes | None, log: Sequence[bytes]) -> object:
        return None

    def run(self, activation: Activation, effects: Effects, slice: Slice) -> Awaitable[object] | None:
        activation.more = False
        while queue := activation.express or activation.mailbox:
            pending = queue.popleft()
            if pending.message.operation != RELEASE:  # there was nothing to lock, as whoever asked was told
                effects.fail(pending, self._failure)
            effects.consume(activation, pending)
            if slice.over:
                break
        return None

    def finish(self, activation: Activation, effects: Effects, result: object, error: BaseException | None) -> None:
        raise AssertionError("a refusal starts nothing")

    def record(self, activation: Activation, now_ms: int) -> bytes | None:
        return None

    def poisoned(self, activation: Activation, pending: Pending, failure: Failure, effects: Effects) -> None:
        effects.refuse(pending, failure)

    def forget(self, activation: Activation) -> None:
        pass
