"""A message on its way through a partition."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from stead.entities._message.envelope import Message
from stead.transport import StreamId


class Pending(NamedTuple):
    """A message that waits in a mailbox: where it lies in the store (b"" if it was never there), and what it says."""

    stream_id: StreamId
    envelope: bytes
    message: Message
    from_park: bool


class Offer(Pending):
    """A message that was handed over in memory, and is in no inbox: until it is consumed, or withdrawn (see `hops`)."""

    taken = False  # it was consumed: it does not take the way through the store any more


_tuple: Any = tuple

pending_of: Callable[[tuple[StreamId, bytes, Message, bool]], Pending] = partial(_tuple.__new__, Pending)
"""`Pending(…)` of its parts, without a function of Python's in between: one is made for every message."""
