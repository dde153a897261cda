"""What is read and loaded in careful mode is put aside: each of it is marked before it is looked into (HAZARDS 20).

    inbox or park ── put_aside ──▶ (marked) ── decode_next ──▶ mailbox
            store ── unopened ───▶ (marked) ── open_next ────▶ activation

Which message, or whose state, is the one that kills is known to nobody before. Who marks is the shell: see `TurnRunner`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from stead.entities._message.envelope import Failure
from stead.transport import Acquired, Entry, Loaded, Running, StreamId

from .activation import Activation, Phase
from .environment import Environment
from .intake import Intake


class CarefulIntake(Intake):
    """The incoming half of a tenure, also of one that goes carefully."""

    def __init__(self, acquired: Acquired, environment: Environment) -> None:
        super().__init__(acquired, environment)
        # Read, and not decoded: what is of the inbox comes after `position`, the rest is from parks.
        self._undecoded: deque[tuple[Activation | None, Entry]] = deque()
        self.unopened: deque[tuple[Activation, Loaded]] = deque()  # loaded, and not looked into

    # -- messages ------------------------------------------------------------------------------------------------------

    def put_aside(self, entries: Sequence[Entry], activation: Activation | None = None) -> None:
        """What was read of the inbox, or of an activation's park: instead of `receive` or `refilled`, in careful mode."""
        self._undecoded.extend((activation, entry) for entry in entries)

    @property
    def holds_undecoded(self) -> bool:
        """Whether something was read that `decode_next` has to decode. Reading on waits for that."""
        return bool(self._undecoded)

    def next_undecoded(self) -> StreamId | None:
        """The message to decode next, or to bury if it has killed its workers too often; None if there is none now."""
        if self.gone or self.slice.full or not self._undecoded:
            return None
        stream_id: StreamId = self._undecoded[0][1][0]
        return stream_id

    def decode_next(self) -> None:
        """Decode what `next_undecoded` named."""
        activation, entry = self._undecoded.popleft()
        if activation is None:
            self.receive((entry,), caught_up=False)
        else:
            self.refilled(activation, (entry,), 1)

    def bury_undecoded(self, failure: Failure, tries: int) -> None:
        """Instead of decoding what `next_undecoded` named: it becomes a dead letter as it is."""
        activation, (stream_id, fields) = self._undecoded.popleft()
        self.effects.bury(fields[1], failure, stream_id, tries, decoded=False)
        if activation is None:
            self.effects.consume_entry(stream_id)
            self.position = stream_id
            self.suspects.scanned(stream_id, caught_up=False)
        else:
            assert activation.park is not None, "a park was read"
            self._consume_parked(activation, activation.park, stream_id, fields[1])
            self.refilled(activation, (), 0)

    # -- what is stored of targets -------------------------------------------------------------------------------------

    @property
    def opens_first(self) -> bool:
        """Whether what the last owner died on is not loaded yet: before that nothing is decoded, whose marker would be written
        over the one that counts."""
        first = self.activations.get(self.suspects.first or "")
        return first is not None and first.phase is Phase.LOADING

    def put_loaded_aside(self, activation: Activation, loaded: Loaded) -> None:
        """What the store has of an activation: instead of `loaded`, in careful mode."""
        if activation.target == self.suspects.first:
            self.unopened.appendleft((activation, loaded))
        else:
            self.unopened.append((activation, loaded))

    def marker_of_next(self) -> Running | None:
        """The marker to write before `open_next`; None if there is no need to: the last owner has survived it."""
        target = self.unopened[0][0].target
        if self.suspects.was_loaded(target):
            return None
        return self.suspects.marker_of_loading(self._environment.program, target)

    def open_next(self) -> None:
        """Make what was loaded first of `unopened` into an activation."""
        activation, loaded = self.unopened.popleft()
        done = self.loaded(activation, loaded)
        while not done:  # alone, as a turn is: whatever ends the process meanwhile is this
            done = self.load_on(activation)
