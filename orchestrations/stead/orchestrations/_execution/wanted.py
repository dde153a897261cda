"""What the code of an orchestrator wants, until its worker takes it: scheduled events, patches, and what is called off."""

from __future__ import annotations

from typing import TypeAlias

from stead.orchestrations._history.event_codec import encode_event, event_with
from stead.orchestrations._history.events import Event

from .outcome import CancelTask

Action: TypeAlias = Event | CancelTask


class Wanted:
    """See the module."""

    __slots__ = ("_packed", "cancels", "events", "patches")

    def __init__(self) -> None:
        self.events: dict[int, Event] = {}  # by number
        self.patches: list[Event] = []
        self.cancels: list[int] = []
        self._packed: dict[int, bytes] = {}  # the fields of events, as they were stored when the code asked

    def schedule(self, event: Event, packed: bytes) -> None:
        """One more event. `packed`: its fields, packed as a list; they are packed no second time for the log."""
        self.events[event.task_id] = event
        self._packed[event.task_id] = packed

    def drop(self) -> None:
        """Nothing of it is to be done, but what is called off is."""
        self.events = {}
        self.patches = []

    def take(self) -> list[Action]:
        """All of it: first what to cancel, then the patches, then the rest, all in the order of their numbers. (Of a turn that
        is committed in parts, the first two have to be in the first part.)
        """
        if not (self.cancels or self.patches):  # most of the time
            actions: list[Action] = list(self.events.values())
        else:
            # Sorted, because anyio cancels the tasks of a group in the order of addresses (`ordering`).
            actions = [*map(CancelTask, sorted(self.cancels)), *self.patches, *self.events.values()]
            self.cancels = []
            self.patches = []
        self.events = {}
        return actions

    def encode(self, event: Event) -> bytes:
        """The bytes of an event that was taken, for the log: once."""
        packed = self._packed.pop(event.task_id, None)
        return encode_event(event) if packed is None else event_with(event, packed)
