"""What is read and loaded in careful mode is put aside: each of it is marked before it is looked into (HAZARDS 20).

    inbox or park ── put_aside ──▶ (marked) ── decode_next ──▶ mailbox
            store ── unopened ───▶ (marked) ── open_next ────▶ activation
    deliver_local ── aside ──────▶ (marked) ── wake_next ────▶ a turn          see `waking`; `wake_next` is `Partition`'s

Which message, or whose state, is the one that kills is known to nobody before. Who marks is the shell: see `TurnRunner`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from stead.entities._message.due import Due
from stead.entities._message.envelope import Failure, Message
from stead.transport import Acquired, Entry, Loaded, Running, StreamId

from .activation import Activation, Phase
from .deadly import is_deadly, is_deadly_for, looked_at_again, reason_of
from .environment import Environment
from .expiring import put_off
from .intake import Intake
from .pending import Pending
from .waking import Deaths


class CarefulIntake(Intake):
    """The incoming half of a tenure, also of one that goes carefully."""

    def __init__(self, acquired: Acquired, environment: Environment) -> None:
        super().__init__(acquired, environment)
        # Read, and to be decoded by `decode_next`: what is of the inbox comes after `position`, the rest is from parks. Reading on waits.
        self.undecoded: deque[tuple[Activation | None, Entry]] = deque()
        self._busy: dict[Activation, None] = {}  # of which asynchronous operations run
        self.unopened: deque[tuple[Activation, Loaded]] = deque()  # loaded, and not looked into
        self.deaths = Deaths(acquired.deaths, acquired.running)
        self._suspected_until_ms = acquired.now_ms if self.suspects.careful else -1
        self._opening: Activation | None = None  # on its way out of `unopened`
        # To take their turns each alone, behind a marker: targets with local messages, or (None) with work without one.
        self._aside: deque[tuple[str, Message | None]] = deque()
        for target in looked_at_again(acquired.blocked, environment.program):
            self._activation(target)
        self._note_loading()
        self._note_waking()
        for target in acquired.blocked:
            if not target.startswith("@"):  # an instance: whether this worker can run it is for its kind to say
                self._goes_on(self._activation(target))

    # -- deaths --------------------------------------------------------------------------------------------------------

    def _note_loading(self) -> None:
        """If the last owner died of loading a target, that is loaded first. If too many did, or of what had ended workers
        before, this is put down. Nothing is marked before that is committed."""
        died = self.suspects.died_loading
        if died is None:
            return
        self._activation(died.target)
        if self._is_hopeless(died.target, died.tries):
            self._put_down(died.target, died.tries, died.program)
            self.suspects.forget_died_loading()

    def _note_waking(self) -> None:
        """The same for turns without a message: how many have died of them is remembered anyway."""
        died = self.deaths.last
        if died is not None and self._is_hopeless(died.target, died.tries):
            self._activation(died.target)
            self._put_down(died.target, died.tries, died.program, turns=True)
            self.deaths.forget(died.target)

    def _is_hopeless(self, target: str, tries: int) -> bool:
        return tries >= self._settings.poison_tries_max or is_deadly(self._blocked_before.get(target))

    def _put_down(self, target: str, tries: int, program: str, *, turns: bool = False) -> None:
        reason = reason_of(tries, program, self._blocked_before.get(target), turns=turns)
        self._blocked_before[target] = reason
        self.effects.block(target, reason)
        self.effects.clear_running = True

    def leaves_alone(self, target: str) -> bool:
        """Whether a target waits because workers of this program ended by it: nothing of it is to be run here."""
        return is_deadly_for(self._environment.program, self._blocked_before.get(target))

    def settle_suspects(self) -> None:
        """Leave careful mode, or forget an unclean end, once every message from before it has been dealt with."""
        if not self.suspects.active or self._busy or self.undecoded or self.unopened:
            return
        if self.needs_markers:
            return
        if self.suspects.passed and not self.parking.unread(self.suspects.until) and not self._loads:
            self.suspects.settle()
            self.effects.suspects = None
            self.effects.suspect_passed = True

    @property
    def _loads(self) -> bool:
        """Whether something is to be loaded, or on its way: nobody knows yet whether it was what killed."""
        return any(activation.phase is Phase.LOADING for activation in self.activations.values())

    # -- messages ------------------------------------------------------------------------------------------------------

    def put_aside(self, entries: Sequence[Entry], activation: Activation | None = None) -> None:
        """What was read of the inbox, or of an activation's park: instead of `receive` or `refilled`, in careful mode."""
        self.undecoded.extend((activation, entry) for entry in entries)

    def next_undecoded(self) -> StreamId | None:
        """The message to decode next, or to bury if it has killed its workers too often; None if there is none now."""
        if self.gone or self.slice.full or not self.undecoded:
            return None
        stream_id: StreamId = self.undecoded[0][1][0]
        return stream_id

    def decode_next(self) -> None:
        """Decode what `next_undecoded` named."""
        activation, entry = self.undecoded.popleft()
        if activation is None:
            self.receive((entry,), caught_up=False)
        else:
            self.refilled(activation, (entry,), 1)

    def bury_undecoded(self, failure: Failure, tries: int) -> None:
        """Instead of decoding what `next_undecoded` named: it becomes a dead letter as it is."""
        activation, (stream_id, fields) = self.undecoded.popleft()
        self.effects.bury(fields[1], failure, stream_id, tries, decoded=False)
        if activation is None:
            self.effects.consume_entries((stream_id,))
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

    def open_next(self) -> bool:
        """Make what was loaded first of `unopened` into an activation; whether that is done: else `open_on`."""
        activation, loaded = self.unopened.popleft()
        self._opening = None if self.loaded(activation, loaded) else activation
        return self._opening is None

    def open_on(self) -> bool:
        """The next step of what is large; whether it is done. It is marked until then: nothing else of this partition is done
        in between, but other partitions are."""
        if self._opening is not None and self.load_on(self._opening):
            self._opening = None
        return self._opening is None

    # -- what no message of the store brings about ---------------------------------------------------------------------

    def deliver_local(self, target: str, message: Message, suspicious: bool = False) -> None:
        """A message that is in no inbox: consuming it does nothing in the store. Ignored once the tenure has ended.
        `suspicious`: its turn may have ended the last owner."""
        if self.gone:
            return
        if self.hopping is not None:
            self.hopping.came_in_memory()
        message.express = True
        if suspicious or self.suspects.careful or target in self.deaths:
            self._activation(target)
            self._aside.append((target, message))
        else:
            self._deliver_local(target, message)

    def deliver_due(self, due: Due) -> None:
        """An entity is due to expire. If that was so when the last owner died, it may have died of it."""
        self.deliver_local(due.target, due, due.score_ms <= self._suspected_until_ms)

    def is_over(self, activation: Activation, due: Due) -> bool:
        """Whether the turn of who was told that it is due is over, and what came of it is in the store. What waits for another version of
        the program is told again later."""
        target, expiring = activation.target, self.indexing.expiring
        if activation.phase is Phase.BLOCKED and not due.done and activation.uses is not None:
            due.done = True
            activation.express = deque(each for each in activation.express if each.message is not due)
            put_off(activation, expiring.kinds[due.of_set].step_ms, due.of_set, self.effects)
        written = target not in self.effects.used and target not in expiring.flying
        return due.done and written and activation not in self._busy

    def _goes_on(self, activation: Activation) -> None:
        if self.suspects.active:  # whoever took that turn before may have died of it
            self._aside.append((activation.target, None))
        else:
            super()._goes_on(activation)

    @property
    def wants_care(self) -> bool:
        """Whether something is to be marked, or told to the lease, although nothing else is under suspicion any more."""
        return bool(self._aside) or self.deaths.unsaid

    @property
    def needs_markers(self) -> bool:
        """Whether suspicion has not passed: a marker says what the lease has not been told, or there is a turn without a
        message that was there to be taken when the last owner died."""
        told = self.deaths.last is None or not self.deaths.unsaid
        return not told or any(message is None for _, message in self._aside)

    def next_waking(self) -> Running | None:
        """The marker to write before `wake_next`; None if no turn of that sort can be taken now."""
        place = self._next_aside()
        return None if place is None else self.marker_of_waking(self._aside[place][0])

    def marker_of_waking(self, target: str) -> Running:
        """The marker to write before a turn of a target that needs no message of the store."""
        return self.deaths.marker(self._environment.program, target)

    def _next_aside(self) -> int | None:
        """The place of the first that may take its turn. What is blocked just gets what is for it: that waits there."""
        place = 0
        while place < len(self._aside):
            target, message = self._aside[place]
            activation = self._activation(target)  # it may have been evicted meanwhile
            if activation.phase is Phase.BLOCKED:
                del self._aside[place]
                self._hand_over(activation, message)
                continue
            if activation.phase in (Phase.READY, Phase.LOCKED) and not activation.more:
                return place
            place += 1
        return None

    def _take_aside(self, place: int) -> tuple[Activation, Message | None]:
        """Give it what was put aside for it, and the next turn."""
        target, message = self._aside[place]
        del self._aside[place]
        activation = self.activations[target]
        self._hand_over(activation, message)
        self.queue(activation)
        self._ready.remove(activation)
        self._ready.appendleft(activation)
        return activation, message

    def _hand_over(self, activation: Activation, message: Message | None) -> None:
        """To an activation, first of all it has, what was put aside."""
        if message is None:
            activation.more = True
            return
        activation.hear_express(Pending(b"", b"", message, False), first=True)

    def forgive(self, target: str) -> None:
        """All that was left to wake a target by earlier owners was done, and the worker lives."""
        if all(target != other for other, _ in self._aside):
            self.deaths.forget(target)
