"""What a partition's turns have brought about since its last commit: values, until one commit writes them all.

Nothing of it is visible before the commit (invariant 2): not a reply, not a signal, not a timer. A partition that loses
its lease is thrown away together with its effects, so effects of an earlier tenure cannot reach a later one (HAZARDS 9).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from stead.entities._message.envelope import (
    Failure,
    Message,
    ReplyAddress,
    TaskAddress,
    encode_failure,
    encode_message,
    encode_reply,
    message_extras,
)
from stead.entities._message.letters import encode_letter
from stead.entities._message.sealed import told_shortly
from stead.entities._message.shards import NONE, LatestSpreads, by_target, kind_of, receivers
from stead.transport import (
    Commit,
    InvalidInput,
    LogWrite,
    PayloadLimit,
    Reply,
    SentStart,
    Settings,
    StreamId,
    Task,
    Timer,
    partition_of,
)

from .at_once import AtOnce
from .pending import Offer

if TYPE_CHECKING:
    from .others import Addressee, Road, Spanned
    from .pending import Pending
    from .suspects import Suspects
    from .uses import Uses

_OVERHEAD_BYTES = 64  # of a message beyond its payload: its key, its stream ID, msgpack. An estimate for the limit.


class Effects:
    """Collects the effects of turns for one partition; `building` makes commits of them."""

    def __init__(self, partitions: int, settings: Settings, now_ms: Callable[[], int], nonce: bytes) -> None:
        self._partitions = partitions
        self._now_ms = now_ms
        self._nonce, self._numbers = nonce, 0  # the former is random: it makes the IDs of outgoing messages unique
        self.settings, self.limit = settings, PayloadLimit.of(settings)
        self.road: Road | None = None  # none but that through the store
        self.suspects: Suspects | None = None  # while messages are under suspicion
        self.latest_spreads, self._spreads = LatestSpreads(), NONE  # the latter: by which this commit's messages go
        self.at_once = AtOnce()
        self.lacks: dict[str, str] = {}  # who waits for a kind that is unknown here: the partition goes to who knows it
        self._clear()

    def _clear(self) -> None:
        self._dirty: dict[str, Addressee] = {}
        self._consumed: list[StreamId] = []
        self._unparked: dict[str, list[StreamId]] = {}
        self._timers: dict[bytes, Timer] = {}
        self._cancelled: dict[bytes, None] = {}
        self._replaced: set[bytes] = set()  # timers that were cancelled and set anew
        self._logs: dict[str, tuple[list[bytes], bool]] = {}  # target -> events, whether its log begins anew
        self._tasks: dict[bytes, Task] = {}
        self._dropped: dict[bytes, str | None] = {}  # in which queue one may wait behind a limit
        self._ending: dict[bytes, str] = {}  # and in which one that is to end
        self._starts: list[SentStart] = []
        self._started: list[tuple[str, bytes]] = []
        self._unparked_length = self._extra_length = 0  # the latter: events, tasks, timers, starts, what came in memory
        self._sends: list[tuple[int, bytes]] = []
        self._stamps: list[int] = []
        self._offers: list[tuple[int, Offer]] = []  # of those, what was handed over: its place
        self._replies: list[Reply] = []
        self._dead: list[bytes] = []
        self._blocked: list[tuple[str, str]] = []
        self._unblocked: list[str] = []
        self._bytes = self._indexed_length = 0  # the latter: entries of indexes that may change
        self.spans: list[Spanned] = []  # told when the commit is in the store
        self._told: dict[str, int] = {}  # target -> bytes of its state that are counted
        self.used: dict[str, Uses] = {}  # of whom something is to be written to sets of due times
        self.reindexed = False  # there is something for indexes, or sets of due times
        self.suspect_passed = self.clear_running = False

    @property
    def now_ms(self) -> int:
        """The hub's time."""
        return self._now_ms()

    def fill(self, length: int, size_bytes: int) -> bool:
        """Whether there is so much of one sort in it, or so many bytes in all."""
        return (
            len(self._consumed) + self._unparked_length >= length
            or len(self._sends) >= length
            or self._extra_length >= length
            or self._indexed_length >= length
            or self._bytes >= size_bytes
        )

    @property
    def weight(self) -> int:
        """How much there is to commit, in messages: about what the commit costs the server."""
        return len(self._consumed) + self._unparked_length + len(self._sends) + self._extra_length

    @property
    def size_bytes(self) -> int:
        """About how large a commit of this is, but for the states."""
        return self._bytes

    @property
    def empty(self) -> bool:
        return not (
            self._consumed
            or self._dirty
            or self._unparked
            or self._timers
            or self._sends
            or self._replies
            or self._dead
            or self._blocked
            or self._unblocked
            or self.suspect_passed
            or self.clear_running
            or self._extra_length
            or self._started
            or self.reindexed
        )

    # -- what turns do -------------------------------------------------------------------------------------------------

    def consume(self, activation: Addressee, pending: Pending) -> None:
        """The message has been dealt with: the commit removes it from the inbox or the park, if it is there."""
        stream_id = pending.stream_id
        if not stream_id:
            if type(pending) is Offer:
                self._take(pending)
            return
        if self.suspects is not None:
            self.suspects.done(stream_id)
        if pending.from_park:
            self._unparked.setdefault(activation.target, []).append(stream_id)
            self._unparked_length += 1
        else:
            self._consumed.append(stream_id)

    def _take(self, offer: Offer) -> None:
        """The commit writes what came of it together with that of its sender, even if it is nothing (HAZARDS 48)."""
        assert self.road is not None, "nothing is handed over to who has no road"
        offer.taken = True
        self._extra_length += 1
        self.road.took()

    def drain(self, activation: Addressee) -> None:
        """The activation's park turned out to be empty: the commit forgets it."""
        self._unparked.setdefault(activation.target, [])

    def consume_entries(self, stream_ids: Iterable[StreamId]) -> None:
        """These entries of the inbox have been dealt with: none that is under suspicion and reached a mailbox."""
        self._consumed += stream_ids

    def changed(self, activation: Addressee) -> None:
        """The activation's settled state differs from the last one committed."""
        activation.dirty = True
        self._dirty[activation.target] = activation
        if activation.indexes is not None:
            self._indexed_length += activation.entries

    def note_use(self, target: str, uses: Uses) -> None:
        """Something is to be written of a target to sets of due times."""
        self._indexed_length += target not in self.used
        self.used[target], self.reindexed = uses, True

    def tell(self, activation: Addressee, size_bytes: int) -> None:
        """The commit writes the activation's state to the feed of its kind, too (HAZARDS 94): so many bytes, as things are."""
        before = self._told.get(activation.target, -_OVERHEAD_BYTES)
        counted = self._told[activation.target] = max(before, size_bytes)
        self._bytes += counted - before

    def next_message_id(self) -> bytes:
        self._numbers += 1
        return self._nonce + self._numbers.to_bytes(6, "big")

    def receivers(self, target: str, operation: str, sender: str) -> Sequence[str]:
        """To whom a signal goes that is for a target: to the target, or to shards of it.

        All messages of a commit go by the same numbers: a sender changes its shard at the boundary of two only (HAZARDS 67).
        """
        if not self._sends:
            self._spreads = self.latest_spreads.now
        if self._spreads and (spread := self._spreads.get(kind_of(target))) is not None:
            return receivers(target, operation, by_target(sender), spread)
        return (target,)

    def is_sharded(self, target: str) -> bool:
        """Whether the hub keeps the entities of a target's kind in shards."""
        spreads = self.latest_spreads.now
        return bool(spreads) and kind_of(target) in spreads

    def send(self, target: str, envelope: bytes) -> None:
        """A message for a target, itself included."""
        partition = partition_of(target, self._partitions)
        if self.road is not None:
            self._stamps.append(self.road.now)
            if (offer := self.road.send(target, partition, envelope)) is not None:
                self._offers.append((len(self._sends), offer))
        self._sends.append((partition, envelope))
        self._bytes += len(envelope) + _OVERHEAD_BYTES

    def answer(self, address: ReplyAddress, value: object) -> Reply:
        """The answer to a call, to be given to `reply`. Raises `InvalidInput` if the value cannot be stored."""
        return Reply(address.group, address.client, self._result(encode_reply(address.call_id, value)))

    def _result(self, payload: bytes) -> bytes:
        if len(payload) > self.limit.at:
            self.limit.check("result", payload)
        return payload

    def reply(self, answer: Reply) -> None:
        """Give a caller its answer."""
        self._replies.append(answer)
        self._bytes += len(answer.payload) + _OVERHEAD_BYTES

    def encode_task_answer(self, address: TaskAddress, ok: bool, value: object) -> bytes:
        """The message that answers an instance: a value, or a failure's map. Raises `InvalidInput` if it cannot be stored."""
        args = [address.execution_id, address.task_id, ok, value]
        return self._result(encode_message(address.instance, "task", args, self.next_message_id()))

    def answer_task(self, address: TaskAddress, ok: bool, value: object) -> None:
        """Answer an orchestration. Raises `InvalidInput` if the value cannot be stored."""
        self.send(address.instance, self.encode_task_answer(address, ok, value))

    def refuse(self, pending: Pending, failure: Failure) -> bool:
        """Tell whoever waits for the answer to a message why there is none; False if nobody does."""
        message, address = pending.message, pending.message.reply_to
        if address is not None:
            self.reply(Reply(address.group, address.client, encode_failure(address.call_id, failure)))
        elif message.task is not None:
            try:
                self.answer_task(message.task, False, failure.as_map())
            except InvalidInput as error:
                instance, args = message.task[0], [*message.task[1:], False, told_shortly(failure, error).as_map()]
                self.send(instance, encode_message(instance, "task", args, self.next_message_id()))
        else:
            return False
        return True

    def fail(self, pending: Pending, failure: Failure) -> None:
        """The message could not be carried out: tell its caller, or record a dead letter if it has none."""
        if not self.refuse(pending, failure) and pending.envelope:
            self.bury(pending.envelope, failure, pending.stream_id)

    def bury(
        self, envelope: bytes, failure: Failure, stream_id: StreamId, tries: int = 1, *, decoded: bool = True
    ) -> None:
        """Record a dead letter; nobody decodes its message any more if nobody has yet (`decoded`)."""
        letter = encode_letter(envelope, failure, stream_id, self._now_ms(), tries, decoded=decoded)
        self._dead.append(letter)
        self._bytes += len(letter) + _OVERHEAD_BYTES

    def schedule(self, stream_id: StreamId, message: Message, due_ms: int) -> None:
        """A scheduled signal that is not due yet: a timer of this partition. It comes back without its delay."""
        extras = message_extras(
            kwargs=message.kwargs, reply_to=message.reply_to, sender=message.sender, trace=message.trace
        )
        envelope = encode_message(message.target, message.operation, message.args, message.message_id, extras)
        self._timers[stream_id] = Timer(stream_id, due_ms, envelope)
        self._consumed.append(stream_id)
        self._bytes += len(envelope) + _OVERHEAD_BYTES

    def block(self, target: str, reason: str) -> None:
        self._blocked.append((target, reason))

    def unblock(self, target: str) -> None:
        self._blocked = [each for each in self._blocked if each[0] != target]  # by an earlier turn of this commit
        self._unblocked.append(target)
        self.lacks.pop(target, None)

    # -- what instances do ---------------------------------------------------------------------------------------------

    def append(self, activation: Addressee, events: Sequence[bytes], reset: bool = False) -> None:
        """Add events to the instance's log, after dropping all of it if `reset`. Its record is written too."""
        before = self._logs.get(activation.target)
        if before is None or reset:
            self._logs[activation.target] = ([*events], reset)
        else:
            before[0].extend(events)
        self._extra_length += len(events) + reset
        self._bytes += sum(map(len, events)) + _OVERHEAD_BYTES * (len(events) + reset)
        self.changed(activation)

    def schedule_task(self, activation: Addressee, task: Task, size_bytes: int | None = None) -> None:
        """An activity of the instance is to be carried out, once the commit is in the store. `size_bytes`: of a payload that is not made yet."""
        self._tasks[task.task_id] = task
        self._count(len(task.payload) if size_bytes is None else size_bytes)

    def drop_task(self, task_id: bytes, limited_in: str | None = None) -> None:
        """An activity's result is recorded, or not wanted any more. One that no commit has seen was never scheduled.
        `limited_in`: the queue in which it may wait behind a limit."""
        self._ending.pop(task_id, None)
        if self._tasks.pop(task_id, None) is not None:
            self.at_once.dropped(task_id)
            return
        self._dropped[task_id] = limited_in
        self._count()

    def end_task(self, task_id: bytes, queue: str) -> None:
        """An activity is not to be run any more, or is to end if it runs; its result is still waited for."""
        self._ending[task_id] = queue
        self._count()

    def _count(self, size_bytes: int = 0) -> None:
        self._extra_length += 1
        self._bytes += size_bytes + _OVERHEAD_BYTES

    def set_timer(self, timer_id: bytes, due_ms: int, target: str, operation: str, args: Sequence[object]) -> None:
        """A message for a target of this partition at a time. A timer of the same ID is replaced."""
        self.set_timer_for(timer_id, due_ms, encode_message(target, operation, args, self.next_message_id()))

    def set_timer_for(self, timer_id: bytes, due_ms: int, envelope: bytes) -> None:
        """`set_timer`, for an envelope."""
        if timer_id in self._cancelled:
            del self._cancelled[timer_id]
            self._replaced.add(timer_id)
        self._timers[timer_id] = Timer(timer_id, due_ms, envelope)
        self._count(len(envelope))

    def cancel_timer(self, timer_id: bytes) -> None:
        """The timer does not fire, unless it has fired already. One that no commit has seen was never set."""
        if self._timers.pop(timer_id, None) is None or timer_id in self._replaced:
            self._cancelled[timer_id] = None
            self._count()

    def send_start(self, target: str, envelope: bytes, message_id: bytes) -> None:
        """A message that starts an instance: its ID is reserved in the same step (HAZARDS 14)."""
        place = len(self._sends)  # one receiver gets starts and other messages in the order of sending
        partition, stamp = partition_of(target, self._partitions), 0
        if self.road is not None:
            self.road.start(partition)
            stamp = self.road.now
        self._starts.append(SentStart(partition, target, message_id, envelope, place, stamp))
        self._count(len(envelope))

    def started(self, target: str, message_id: bytes) -> None:
        """The start with this message ID has been dealt with: the instance's ID is not reserved for it any more."""
        self._started.append((target, message_id))

    # -- the commit ----------------------------------------------------------------------------------------------------

    @property
    def changed_ones(self) -> list[Addressee]:
        """Whose state differs from the last one committed."""
        return list(self._dirty.values())

    @property
    def withdrawn(self) -> list[int]:
        """The receivers of messages that were handed over and not consumed."""
        return [self._sends[place][0] for place, offer in self._offers if not offer.taken]

    def _keep_what_is_stored(self) -> None:
        """Drop the messages that were consumed in memory. What was withdrawn goes from its old place (HAZARDS 45)."""
        taken = {place for place, offer in self._offers if offer.taken}
        kept = [place for place in range(len(self._sends)) if place not in taken]
        self._starts = [replace(start, place=bisect_left(kept, start.place)) for start in self._starts]
        self._sends = [self._sends[place] for place in kept]
        self._stamps = [self._stamps[place] for place in kept]

    def move_into(self, commit: Commit, *, linked: bool = False) -> dict[str, list[StreamId]]:
        """Put everything but states into a commit and begin anew; gives what was taken from which target's park. One that is
        `linked` to commits of others says when its messages were sent."""
        if self._offers:
            self._keep_what_is_stored()
        if linked:
            commit.stamps = self._stamps
        commit.consumed, commit.sends, commit.replies = self._consumed, self._sends, self._replies
        commit.dead, commit.started = self._dead, self._started
        commit.blocked, commit.unblocked = self._blocked, self._unblocked
        if self._timers:
            commit.timers = list(self._timers.values())
        if self._extra_length:
            commit.starts, commit.tasks = self._starts, list(self._tasks.values())
            commit.cancelled, commit.dropped = list(self._cancelled), list(self._dropped)
            commit.unqueued = [(queue, key) for key, queue in self._dropped.items() if queue is not None]
            commit.ending = [(queue, key) for key, queue in self._ending.items()]
            commit.logs = [LogWrite(target, events, reset) for target, (events, reset) in self._logs.items()]
        commit.suspect_passed, commit.clear_running = self.suspect_passed, self.clear_running
        unparked = self._unparked
        self.at_once.built()
        self._clear()
        return unparked
