"""What a tenure has received: inbox entries become messages in mailboxes, records become activations. It does no I/O.

    inbox ── receive ──▶ mailbox ◀── refilled ── park        Local messages (`deliver_local`) and others that are express
                        express                              pass by both: the message alone says so.

Which messages are under suspicion, and which go to a park, is decided next door (`suspects`, `parking`).
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Sequence

from stead.entities._message.envelope import Failure, Message, UnknownEnvelope, decode_message
from stead.transport import Acquired, DamagedLog, Entry, InvalidInput, Loaded, StreamId, stream_order

from .activation import BLOCKED, BUSY, LOADING, LOCKED, READY, Activation, Blocked, Locked, Opening, Park, Short
from .deadly import is_deadly_for, looked_at_again
from .effects import Effects
from .environment import Environment
from .hops import Hopping
from .indexing import Indexing
from .parking import Parking, goes_behind
from .pending import Pending, pending_of
from .refusal import Refusal
from .slice import Slice
from .suspects import Suspects

_BEGINNING: StreamId = b"0"
_WAITING = (BUSY, BLOCKED, LOCKED)


class Intake:
    """The incoming half of a tenure: see the module's head. `Partition` is the other half."""

    def __init__(self, acquired: Acquired, environment: Environment) -> None:
        self.number = acquired.partition
        self.position: StreamId = _BEGINNING  # the inbox has been read up to here
        self.caught_up = False  # the last read came back with less than it could have
        self.gone = False  # the tenure has ended
        self.round = 0
        self.runnable: int = 0  # messages in the mailboxes of READY activations
        self.activations: dict[str, Activation] = {}
        again = looked_at_again(acquired.blocked, environment.program)
        self.suspects = Suspects(acquired, wary=bool(again))
        self._environment = environment
        self._settings = environment.settings
        self._mailbox_length_max = environment.settings.mailbox_length_max
        self._blocked_before = dict(acquired.blocked)
        self._ready: deque[Activation] = deque()
        self.to_load: list[Activation] = []  # what `take_loads` would give: each read asks each partition
        self.loading: str | None = None  # what is looked into just now; read by the lease keeper's thread
        self._unloadable: dict[Activation, None] = {}  # blocked, because what is stored of them cannot be read
        self.parking = Parking()
        self.indexing = Indexing(environment.catalogue, acquired.built, environment.settings.changes_length_max)
        self.effects = Effects(environment.partitions, environment.settings, environment.now_ms, environment.draw(8))
        self.effects.latest_spreads = environment.latest_spreads
        self.slice = Slice(self.effects, environment.settings, environment.elapsed)
        self.effects.suspects = self.suspects if self.suspects.active else None
        self.lacks = self.effects.lacks
        self.hopping: Hopping | None = None
        for target, first in acquired.parked.items():
            activation = self._activation(target)
            activation.park = Park(first)
            self.parking.needs(activation)

    # -- messages come in ----------------------------------------------------------------------------------------------

    def receive(self, entries: Sequence[Entry], caught_up: bool) -> None:
        """Entries of the inbox after `position`, in order; `caught_up` if there were no more."""
        self.round += 1
        self.caught_up = caught_up
        now_ms = self._environment.now_ms()
        known, suspicious = self.activations.get, self.suspects.active
        for stream_id, fields in entries:
            envelope: bytes = fields[1]
            try:
                message = decode_message(envelope)
            except InvalidInput as error:
                self.effects.bury(envelope, _unreadable(error), stream_id)
                self.effects.consume_entries((stream_id,))
                continue
            except UnknownEnvelope as error:
                message = Message(error.target, "", (), b"", None, None, None, None, None)
                self._receive_unreadable(Pending(stream_id, envelope, message, False), str(error))
                continue
            if message.delay_ms is not None or message.due_ms is not None:
                due_ms = _due_ms(stream_id, message)
                if due_ms > now_ms:
                    self.effects.schedule(stream_id, message, due_ms)
                    continue
            pending = pending_of((stream_id, envelope, message, False))
            activation = known(message.target)
            if activation is None:
                activation = self._activation(message.target)
                if not (message.express or suspicious):  # `_deliver`, to who has no park and takes no turn yet
                    activation.used, activation.heard_ms = self.round, now_ms
                    activation.mailbox = Short((pending,))
                    continue
            if message.express:
                self._deliver_express(activation, pending)
            else:
                self._deliver(activation, pending, now_ms)
        if entries:
            self.position = entries[-1][0]
        self.suspects.scanned(self.position, caught_up)

    @property
    def wants_catching_up(self) -> bool:
        """Something waits for the end of the inbox to be seen."""
        return not self.caught_up and (self.suspects.active or self.wants_parking)

    def _deliver(self, activation: Activation, pending: Pending, now_ms: int) -> None:
        activation.used = self.round
        park = activation.park
        if park is not None and goes_behind(park, pending.stream_id):
            park.waiting.append(pending.stream_id)
            self.parking.needs(activation)
            return
        mailbox = activation.mailbox
        if not mailbox:
            activation.heard_ms = now_ms
        if type(mailbox) is deque:
            mailbox.append(pending)
        else:
            activation.hear(pending)
        if self.suspects.active:
            self.suspects.heard(pending.stream_id)
            if activation.phase is BLOCKED:
                self._overflow(activation, 0)
                return
        if activation.phase is READY:
            self.runnable += 1
            if not activation.queued:
                self.queue(activation)
        if len(activation.mailbox) > self._mailbox_length_max:
            self._overflow(activation, self._mailbox_length_max // 2)

    def _deliver_local(self, target: str, message: Message) -> None:
        self._deliver_express(self._activation(target), pending_of((b"", b"", message, False)))

    def _goes_on(self, activation: Activation) -> None:
        """There is something to do without a message."""
        activation.more = True

    def _deliver_express(self, activation: Activation, pending: Pending) -> None:
        activation.used = self.round
        activation.hear_express(pending)
        if activation.phase is READY or activation.phase is LOCKED:
            self.queue(activation)
        if self.suspects.active and pending.stream_id and activation.phase is not BLOCKED:
            self.suspects.heard(pending.stream_id)

    def queue(self, activation: Activation) -> None:
        if not activation.queued:
            activation.queued = True
            self._ready.append(activation)

    def _receive_unreadable(self, pending: Pending, reason: str) -> None:
        activation = self._activation(pending.message.target)
        self._block(activation, reason)
        self._unloadable.pop(activation, None)
        self._deliver(activation, pending, self._environment.now_ms())

    def _activation(self, target: str) -> Activation:
        activation = self.activations.get(target)
        if activation is None:
            activation = self.activations[target] = Activation(target)
            self.to_load.append(activation)
        return activation

    # -- loading -------------------------------------------------------------------------------------------------------

    def take_loads(self) -> list[Activation]:
        """The activations whose records are needed; each is named once."""
        loads, self.to_load = self.to_load, []
        return loads

    def loaded(self, activation: Activation, loaded: Loaded) -> bool:
        """What the store has of an activation has come; whether all of it has been looked into: else `load_on`."""
        if activation.phase is not LOADING:
            return True  # blocked by an unreadable message meanwhile
        activation.stored = loaded.record is not None
        indexed = self.indexing.prefixes
        if indexed and activation.target.startswith(indexed):
            self.indexing.loaded(activation, loaded.record)
        if self._blocked_before or self._environment.blame:
            reason = self._why_left_alone(activation.target)
            if reason is not None:
                self._block(activation, reason)
                return True
        return self._look_into(activation, loaded)

    def _why_left_alone(self, target: str) -> str | None:
        """Why what is stored of a target is not looked into; None if it is."""
        blamed = self._environment.blame.get(target)
        if blamed is not None and blamed.hopeless is not None:
            return blamed.reason
        deadly = self._blocked_before.get(target)
        return deadly if deadly is not None and is_deadly_for(self._environment.program, deadly) else None

    def load_on(self, activation: Activation) -> bool:
        """Go on looking into what is stored of an activation; whether that is done."""
        return activation.phase is not LOADING or self._look_into(activation, None)

    def _look_into(self, activation: Activation, loaded: Loaded | None) -> bool:
        """A step of it: the first, or (without `loaded`) the next one of its `Opening`. Whether it was the last."""
        target = activation.target
        self.loading = target
        try:
            if loaded is None:
                body = activation.body.go_on()
            elif type(loaded.log) is DamagedLog:
                raise Blocked(f"its history cannot be read: {loaded.log.reason}")
            else:
                kind = activation.kind = self._environment.find_kind(target)
                body = kind.activate(target, loaded.record, loaded.log)
            activation.body = body
        except Blocked as blocked:
            activation.kind = activation.body = None
            if blocked.kind is not None:
                self.lacks[target] = blocked.kind
                activation.phase = BLOCKED
                self._stop_suspecting(activation)
            else:
                self._block(activation, blocked.reason)
                self._unloadable[activation] = None
            return True
        except InvalidInput as error:  # the target is not one that can exist
            activation.kind, body = Refusal(str(error)), None
        finally:
            self.loading = None
        if type(body) is Opening:
            return False
        if type(body) is Locked:
            activation.body = body.body
            activation.locked = True
        if self._blocked_before and target.startswith("@") and self._blocked_before.pop(target, None) is not None:
            self.effects.unblock(target)
        self._rest(activation, 0)
        return True

    def load_again(self, most: int) -> bool:
        """Look anew at some of what could not be read: it may have been mended. Whether there is something to load."""
        for activation in list(itertools.islice(self._unloadable, most)):
            del self._unloadable[activation]
            if activation.phase is not BLOCKED:
                continue
            activation.phase = LOADING
            activation.blocked = False
            activation.more = False
            if not activation.target.startswith("@"):
                self._goes_on(activation)
            if self.suspects.active:
                for pending in activation.express:  # see `_stop_suspecting`
                    if pending.stream_id:
                        self.suspects.heard(pending.stream_id)
            self.to_load.append(activation)
        return bool(self.to_load)

    def _rest(self, activation: Activation, counted: int) -> None:
        """An activation may take turns, as far as its kind left it unlocked: count and queue what it can run.

        `counted` of its messages are among the `runnable` ones.
        """
        mailbox = activation.mailbox
        self.runnable -= counted
        if activation.locked:
            activation.phase = LOCKED
            if activation.express or activation.more:
                self.queue(activation)
            return
        activation.phase = READY
        if mailbox or activation.express or activation.more:
            self.runnable += len(mailbox)
            if not activation.queued:
                self.queue(activation)
            return
        activation.rest()
        if activation.park is not None:
            self.parking.needs(activation)

    def _block(self, activation: Activation, reason: str) -> None:
        if activation.phase is READY:
            self.runnable -= len(activation.mailbox)
        activation.blocked = True
        if activation.phase not in (BUSY, BLOCKED):  # what runs may end
            activation.phase = BLOCKED
            self._stop_suspecting(activation)
        if self._blocked_before.get(activation.target) != reason:
            self._blocked_before[activation.target] = reason
            self.effects.block(activation.target, reason)

    def _stop_suspecting(self, activation: Activation) -> None:
        """A blocked activation's express messages do not run in this tenure: they hold up nothing. Those of its mailbox go
        to the park, at once, for the same reason."""
        if self.suspects.active:
            self._overflow(activation, 0)
            for pending in activation.express:
                if pending.stream_id:
                    self.suspects.done(pending.stream_id)

    # -- parks ---------------------------------------------------------------------------------------------------------

    @property
    def wants_parking(self) -> bool:
        return self.parking.busy

    def _overflow(self, activation: Activation, keep: int) -> None:
        """Move all but the first `keep` messages of a mailbox towards the park."""
        moved = self.parking.overflow(activation, keep)
        if activation.phase is READY:
            self.runnable -= len(moved)
        if self.suspects.active:
            for pending in moved:
                self.suspects.done(pending.stream_id)

    def park_the_old(self) -> None:
        """Park what has waited too long, so that old entries do not pin the inbox in the server's memory."""
        now_ms = self._environment.now_ms()
        oldest_ms = now_ms - self._settings.mailbox_age_ms_max
        for activation in self.activations.values():
            if activation.mailbox and activation.phase in _WAITING and activation.heard_ms <= oldest_ms:
                activation.heard_ms = now_ms
                self._overflow(activation, 0)

    def take_refills(self) -> list[tuple[Activation, StreamId]]:
        """Activations whose mailboxes are empty and whose parks are not: where to read on. Answer with `refilled`."""
        return self.parking.take_refills(self.position, self.caught_up)

    def refilled(self, activation: Activation, entries: Sequence[Entry], count: int) -> None:
        """The next parked messages of a target; fewer than `count` if there are no more."""
        park = activation.park
        assert park is not None, "a park was read"
        park.moving = False
        for stream_id, fields in entries:
            envelope: bytes = fields[1]
            try:
                message = decode_message(envelope)
            except UnknownEnvelope as error:
                if activation.phase is READY:
                    activation.phase = LOCKED  # its mailbox was empty: nothing of it was counted
                self._block(activation, str(error))
                self._unloadable.pop(activation, None)
                break
            except InvalidInput as error:  # whoever parked it could read it
                self.effects.bury(envelope, _unreadable(error), stream_id)
                self._consume_parked(activation, park, stream_id, envelope)
                continue
            self._take_from_park(activation, park, Pending(stream_id, envelope, message, True))
        activation.heard_ms = self._environment.now_ms()
        activation.used = self.round
        if activation.phase is not READY:
            return
        if len(entries) < count and not park.waiting:
            self.parking.exhausted(activation, park)
            if not park.outstanding:
                self.effects.drain(activation)
        if activation.mailbox:
            self.runnable += len(activation.mailbox)
            self.queue(activation)

    def _consume_parked(self, activation: Activation, park: Park, stream_id: StreamId, envelope: bytes) -> None:
        """A parked message that never reaches the mailbox has been dealt with."""
        message = Message(activation.target, "", (), b"", None, None, None, None, None)
        self._take_from_park(activation, park, Pending(stream_id, envelope, message, True))
        self.effects.consume(activation, activation.mailbox.pop())

    def _take_from_park(self, activation: Activation, park: Park, pending: Pending) -> None:
        activation.hear(pending)
        if self.suspects.active:
            self.suspects.heard(pending.stream_id)
        park.outstanding += 1
        park.after = pending.stream_id

    # -- what was handed over in memory (see `hops`) ------------------------------------------------------------------

    @property
    def linked(self) -> list[int]:
        """The other partitions with which it stands or falls."""
        return [] if self.hopping is None else self.hopping.linked

    def landed(self) -> None:
        """There is a verdict on the commit in flight, whether or not the tenure has ended meanwhile."""
        if self.hopping is not None:
            self.hopping.landed()


def _unreadable(error: InvalidInput) -> Failure:
    return Failure("invalid_input", "InvalidInput", str(error))


def _due_ms(stream_id: StreamId, message: Message) -> int:
    """When a scheduled signal is due: its due time, or its acceptance plus its delay (HAZARDS 24)."""
    if message.due_ms is not None:
        return message.due_ms
    assert message.delay_ms is not None, "a scheduled signal has a delay or a due time"
    return stream_order(stream_id)[0] + message.delay_ms
