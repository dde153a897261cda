"""Messages that are handed over in memory, from one partition to another of the same worker: *hops*. It only computes.

    a turn of A sends ──▶ OFFERED to the mailbox of its target in B, and kept in its place among what A sends
                             │ B's turn takes it                  │ a commit of A is built first
                             ▼                                    ▼
                          TAKEN: what A and B have              WITHDRAWN: out of the mailbox, and through the store
                          to commit is written in one step      from its old place

What must not break is the order in which causes and effects are seen, and that a message takes effect once:

1. From the offer on, both partitions are of one *component*. What its members have to commit is written in one step or not at
   all, and if the tenure of one ends, all begin anew: what the others have done rests on what was never sent.
2. What takes the way through the store closes the *lane* to its receiver, until that was read to its end by a read that was sent
   after the commit's verdict. Who is offered something can know what its sender knows: it inherits all lanes that are closed to
   that, and those that will be by the same commit (`Cause`).
3. Nothing is offered to who may have something unread that came before what caused it: only to who was seen to its end
   by the last read over all inboxes, when all of that has been received, and after what came in memory only when a read has
   come back that was sent later.
4. What is offered is decided once for a component, when its commits are built, and no turn comes between.
"""

from __future__ import annotations

from collections.abc import Container
from typing import TYPE_CHECKING, Protocol, cast

from stead.entities._message.envelope import Message, decode_message

from .activation import LOCKED, READY, Activation, HoppingKind
from .pending import Offer

if TYPE_CHECKING:
    from stead.transport import Commit, Settings

    from .blame import Blame
    from .effects import Effects
    from .slice import Slice
    from .suspects import Suspects


class HoppingPartition(Protocol):
    """A partition, as far as hops know it."""

    number: int
    draining: bool
    runnable: int
    round: int
    activations: dict[str, Activation]
    suspects: Suspects
    effects: Effects
    slice: Slice

    @property
    def wants_care(self) -> bool: ...

    def queue(self, activation: Activation) -> None:
        """An activation has work."""
        ...

    def build(self, batch_id: bytes | None, *, linked: bool = False) -> Commit:
        """Its next commit. Raises `Unstorable`."""
        ...


_hopping: dict[type, bool] = {}  # by the type of a kind: to ask whether it has a protocol takes as long as a turn


def _takes_offers(kind: object) -> bool:
    found = _hopping.get(type(kind))
    if found is None:
        found = _hopping[type(kind)] = isinstance(kind, HoppingKind)
    return found


class Cause:
    """The messages of one commit that take the way through the store. Whoever may know of one of them holds this."""

    __slots__ = ("read", "receivers")

    def __init__(self) -> None:
        self.receivers: set[int] = set()  # the partitions that have not been read up to them yet
        self.read: int | None = None  # the last read that had been sent when the verdict came


class Hops:
    """What all tenures of a worker share: who is there, and what was read."""

    def __init__(self, settings: Settings) -> None:
        self.length_max = max(1, settings.mailbox_length_max // 2)  # of a mailbox into which something is offered
        self.batch_length_max = settings.batch_length_max
        self.batch_bytes_max = settings.batch_bytes_max
        self.tenures: dict[int, Hopping] = {}
        self.offered: dict[int, None] = {}  # partitions that were offered something, to be given a turn at once
        self.closed: dict[int, dict[Cause, None]] = {}  # by receiver: who knows of one of these has no open lane there
        self.now = 0  # grows whenever something is taken
        self.reads_sent = 0
        self.last_read = 0  # the last one of which everything has been received
        self.receiving = False  # some of a read was received, and not all
        self.not_whole: frozenset[int] = frozenset()  # not seen to their end by the last read

    def read_begins(self) -> int:
        """The inboxes are about to be read, all in one step: the number of that read."""
        self.reads_sent += 1
        return self.reads_sent

    def read_comes(self) -> None:
        """The first of what was read is about to be received. Should the rest never be, nothing is offered before another read
        has come."""
        self.receiving = True

    def read_ends(self, number: int, seen: Container[int]) -> None:
        """All of it has been received. `seen`: the partitions that it has seen to their end."""
        self.receiving = False
        self.last_read = number
        self.not_whole = frozenset([tenure for tenure in self.tenures if tenure not in seen])
        for receiver, causes in list(self.closed.items()):
            to = self.tenures.get(receiver)
            if to is None or not to.is_whole:
                continue
            for cause in [cause for cause in causes if cause.read is not None and cause.read < number]:
                self.open(receiver, cause)

    def open(self, receiver: int, cause: Cause) -> None:
        """The receiver's mailboxes have all that a commit has sent there, or nobody is left who could know of it."""
        cause.receivers.discard(receiver)
        causes = self.closed.get(receiver)
        if causes is not None:
            causes.pop(cause, None)
            if not causes:
                del self.closed[receiver]


class Hopping:
    """One tenure's part in it. Implements `Road`."""

    def __init__(self, hops: Hops, tenure: HoppingPartition, blame: Blame) -> None:
        self._hops = hops
        self._tenure = tenure
        self._blame = blame
        self._began = hops.reads_sent
        self._memory_read = 0  # nothing is offered before this read has come back
        self.turning: Activation | None = None  # whose turn it is
        self._holding: dict[Activation, None] = {}  # whose queues have had offers since the last build
        self._component: dict[Hopping, None] = {}  # itself and all it is linked to; nothing if it is not
        self._stored = Cause()  # of the next commit
        self._flying: Cause | None = None
        self._causes = {self._stored: None}  # of which its entities may know
        hops.tenures[tenure.number] = self

    # -- sending -------------------------------------------------------------------------------------------------------

    @property
    def now(self) -> int:
        return self._hops.now

    def took(self) -> None:
        self._hops.now += 1

    def send(self, target: str, partition: int, envelope: bytes) -> Offer | None:
        to = self._hops.tenures.get(partition)
        offer = None if to is None else self._offer(to, target, envelope)
        if offer is None:
            self.start(partition)
        return offer

    def start(self, partition: int) -> None:
        """The lane closes now, and not when the commit is built: what follows would be in a mailbox before it (HAZARDS 41)."""
        receivers = self._stored.receivers
        if partition not in receivers:
            receivers.add(partition)
            self._hops.closed.setdefault(partition, {})[self._stored] = None

    def _offer(self, to: Hopping, target: str, envelope: bytes) -> Offer | None:
        tenure = to._tenure
        activation = tenure.activations.get(target)
        # Not to itself: HAZARDS 47.
        if activation is None or activation is self.turning or target in self._blame.not_offered:
            return None
        if not (self._may_send and to.may_receive) or self._is_closed(tenure.number):
            return None
        message = decode_message(envelope)  # the receiver's own: bytes are handed over, and no objects (HAZARDS 57)
        if not self._hops_into(activation, message) or not self._link(to):
            return None
        to._causes.update(self._causes)
        offer = Offer(b"", envelope, message, False)
        to._holding[activation] = None
        activation.used = tenure.round
        if message.express:
            activation.hear_express(offer)
        else:
            if not activation.mailbox:
                activation.heard_ms = tenure.effects.now_ms
            activation.hear(offer)
            tenure.runnable += 1
        tenure.queue(activation)
        self._hops.offered[tenure.number] = None
        return offer

    @property
    def _may_send(self) -> bool:
        """Whether nothing that was accepted before what caused this turn can be unread in a partition that was read to its end."""
        hops, tenure = self._hops, self._tenure
        heard = hops.last_read > self._began and hops.last_read >= self._memory_read and not hops.receiving
        return heard and not (tenure.draining or tenure.suspects.active or tenure.wants_care or self._blame)

    @property
    def may_receive(self) -> bool:
        """Whether it may be offered something, as far as its tenure goes (HAZARDS 42, 59, 60)."""
        tenure = self._tenure
        wary = tenure.suspects.active or tenure.wants_care
        return self.is_whole and not (tenure.draining or wary or tenure.slice.full)

    @property
    def is_whole(self) -> bool:
        """Whether the last read over all inboxes was sent in this tenure, and has seen its inbox to the end."""
        return self._hops.last_read > self._began and self._tenure.number not in self._hops.not_whole

    def _is_closed(self, receiver: int) -> bool:
        closed = self._hops.closed.get(receiver)
        return closed is not None and not closed.keys().isdisjoint(self._causes)

    def _hops_into(self, activation: Activation, message: Message) -> bool:
        """Whether a target can take a message in its next turn (HAZARDS 44, 46, 56)."""
        phase = activation.phase
        if phase is not READY and not (phase is LOCKED and message.express):
            return False
        if activation.park is not None or activation.blocked or activation.lost is not None:
            return False
        if message.delay_ms is not None or message.due_ms is not None:
            return False
        if len(activation.express if message.express else activation.mailbox) >= self._hops.length_max:
            return False
        kind = activation.kind
        return _takes_offers(kind) and cast("HoppingKind", kind).takes_offer(activation, message)

    def came_in_memory(self) -> None:
        """Something is about to be known that no read has brought: what came before it may be unread anywhere (HAZARDS 43)."""
        self._memory_read = self._hops.reads_sent + 1

    # -- components ----------------------------------------------------------------------------------------------------

    @property
    def linked(self) -> list[int]:
        """The partitions that it stands or falls with, but for itself."""
        if not self._component:
            return []
        return [each._tenure.number for each in self._component if each is not self]

    @property
    def in_component(self) -> bool:
        """Whether something was handed over, from it or to it, since its last commit was built."""
        return bool(self._component)

    def _link(self, to: Hopping) -> bool:
        """Make one component of two, unless one call could not write all of it (HAZARDS 52)."""
        mine, other = self._component, to._component
        if mine and mine is other:
            return True
        component = {**mine, self: None, **other, to: None}
        if len(component) > 1:
            effects = [each._tenure.effects for each in component]
            if (
                sum(each.weight for each in effects) >= self._hops.batch_length_max
                or sum(each.size_bytes for each in effects) >= self._hops.batch_bytes_max
            ):
                return False
        for each in component:
            each._component = component
            each._tenure.slice.share(len(component))
        return True

    def decide(self) -> None:
        """The commits of its component are about to be built: what nobody has taken goes through the store (HAZARDS 45, 49)."""
        for each in self._component:
            each._withdraw()
            for receiver in each._tenure.effects.withdrawn:
                each.start(receiver)

    def build(self, batch_id: bytes, number: int) -> list[Commit]:
        """The commits of its component. `number`: which one it is in its batch. Who took nothing and has nothing else to commit
        is not among them: nobody depends on that. Raises `Unstorable`: all of its members have to begin anew."""
        self.decide()
        tenures = [each._tenure for each in self._component if not each._tenure.effects.empty]
        linked = len(tenures) > 1
        commits = [tenure.build(batch_id, linked=linked) for tenure in tenures]
        for commit in commits:
            commit.component = number if linked else 0
        self.separate()
        return commits

    def _withdraw(self) -> None:
        tenure = self._tenure
        for activation in self._holding:
            for queue in (activation.mailbox, activation.express):
                kept = [pending for pending in queue if type(pending) is not Offer]
                if len(kept) == len(queue):
                    continue
                if queue is activation.mailbox and activation.phase is READY:
                    tenure.runnable -= len(queue) - len(kept)
                queue.clear()
                queue.extend(kept)
        self._holding.clear()

    def separate(self) -> None:
        """The commits of its component have been built."""
        component = self._component
        for each in list(component):
            each._component = {}
            each._tenure.slice.share(1)

    def built(self) -> None:
        """Its commit has been."""
        if not self._stored.receivers and not self._component:
            return  # it closes no lane and nobody was told of it: it can be the cause of the next commit
        self._flying, self._stored = self._stored, Cause()
        self._causes[self._stored] = None

    def landed(self) -> None:
        """There is a verdict on its commit."""
        cause, hops = self._flying, self._hops
        if cause is None:
            return
        self._flying = None
        cause.read = hops.reads_sent
        for receiver in [receiver for receiver in cause.receivers if receiver not in hops.tenures]:
            hops.open(receiver, cause)  # whoever holds it next here begins to read after this
        self._causes = {each: None for each in self._causes if each.read is None or each.receivers}

    def end(self) -> None:
        """The tenure has ended. Whoever is linked to it has to begin anew."""
        hops, number = self._hops, self._tenure.number
        self._component.pop(self, None)
        self._component = {}
        self._holding.clear()
        if hops.tenures.get(number) is self:
            del hops.tenures[number]
            hops.offered.pop(number, None)
        for cause in [cause for cause in hops.closed.get(number, ()) if cause.read is not None]:
            hops.open(number, cause)
        for receiver in list(self._stored.receivers):  # nobody sends them, and who knew of them ends as well
            hops.open(receiver, self._stored)
        if not hops.tenures:
            hops.closed.clear()
