"""The part of a worker that commits: whatever turns have finished since the last commit goes into the next one.

One step of the store carries the commits of all partitions that have something to commit, and judges each by itself. Under
load batches grow by themselves, and when idle a single message commits at once. A batch whose answer was lost is sent again
as it was, though some of its partitions may have been let go of meanwhile: its ID tells the store what was applied already
(HAZARDS 33).

What is little does not wait for what is much: a batch has a limit, over all its partitions (HAZARDS 37); the lightest
commits come first in it, behind those for which the one before had no room; and while a heavy one is under way, light ones
of other partitions follow it at once. (A partition is in one batch at most, and commits of different partitions have no
order.) Behind a batch that is not heavy they wait, and become fewer: many small commits cost everybody more than the wait.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

from stead.entities._message.envelope import Failure
from stead.entities._partition.building import Unstorable
from stead.entities._partition.partition import Partition
from stead.transport import (
    Commit,
    CommitAnswer,
    CommitVerdict,
    KeyDamaged,
    ServerChanged,
    SteadError,
    TornCommit,
    components_of,
    get_logger,
)

from .board import Board
from .turns import Turns
from .undeliverable import without_damaged

logger = get_logger("stead.worker")

_ANEW_MAX = 10_000  # targets
_BLOCKED_SAID_MAX = 3  # targets of one commit that are named: code that fits nothing blocks all that it meets

HEAVY_WEIGHT = 500
"""Messages in a batch that is worth overtaking: they take the server some milliseconds."""
LIGHT_WEIGHT = 16
"""Messages in a commit that goes at once, though a heavy batch is under way."""
LIGHT_LENGTH = 8
"""How many of those go together: each costs the server more by itself than in a larger one."""

Batch = list[tuple[Partition, Commit]]
Group = tuple[Partition, ...]
"""Those whose commits are built, and written, together: most of the time one."""


class Committer:
    """Sends commits while there are any."""

    def __init__(self, board: Board, turns: Turns) -> None:
        self._board = board
        self._turns = turns
        self._weight = 0  # messages in the batch built last
        self._left_over: frozenset[Partition] = frozenset()  # for which it had no room
        self._anew: dict[str, None] = {}  # targets that could not be stored before

    async def run(self) -> None:
        """Send batches, one after the other."""
        board = self._board
        while True:
            await board.committing.wait()
            while batch := self._build():
                board.batch_flies = self._weight >= HEAVY_WEIGHT
                await self._send(batch)
                board.batch_flies = False

    async def run_light(self) -> None:
        """Send what is light meanwhile."""
        board = self._board
        while True:
            await board.overtaking.wait()
            while board.batch_flies and (batch := self._build_light()):
                await self._send(batch)

    def _build(self) -> Batch:
        board = self._board
        waiting = self._together([p for p in board.to_commit if p.wants_commit])
        board.to_commit = {}
        if len(waiting) < 2:
            self._weight = sum(map(_weight, waiting))
            self._left_over = frozenset()
            return self._built(waiting)
        left_over = self._left_over
        waiting.sort(key=lambda group: (left_over.isdisjoint(group), _weight(group)))
        settings = board.settings
        length = size = 0
        for place, group in enumerate(waiting):
            weight = _weight(group)
            length += weight
            size += sum([partition.effects.size_bytes for partition in group])
            if place and (length > settings.batch_length_max or size > settings.batch_bytes_max):
                length -= weight
                board.to_commit = dict.fromkeys(chain.from_iterable(waiting[place:]))
                del waiting[place:]
                break
        self._left_over = frozenset(board.to_commit)
        self._weight = length
        return self._built(waiting)

    def _together(self, waiting: Sequence[Partition]) -> list[Group]:
        """Those that stand or fall together (see `hops`), without those that wait for a commit of theirs that is in flight."""
        board = self._board
        if board.environment.hops is None:
            return [(partition,) for partition in waiting]
        groups: list[Group] = []
        seen: set[Partition] = set()
        for partition in waiting:
            if partition in seen:
                continue
            if not partition.linked:  # most: this is asked for each commit
                groups.append((partition,))
                continue
            group = (partition, *[board.partitions[number] for number in partition.linked])
            seen.update(group)
            if not any(member.flies for member in group):
                groups.append(group)
        return groups

    def _build_light(self) -> Batch:
        board = self._board
        chosen = [p for p in board.to_commit if p.wants_commit and p.effects.weight <= LIGHT_WEIGHT and not p.linked]
        chosen = chosen[:LIGHT_LENGTH]
        for partition in chosen:
            del board.to_commit[partition]
        return self._built([(partition,) for partition in chosen])

    def _built(self, groups: Sequence[Group]) -> Batch:
        batch: Batch = []
        batch_id = self._board.draw(16)
        for group in groups:
            try:
                batch += self._build_group(group, batch_id, len(batch) + 1)
            except Unstorable as error:
                self._begin_anew(group, error)
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # noqa: BLE001 - one partition's trouble is not the others'
                self._board.broke(group[0], error)
                for partition in group[1:]:
                    self._board.restart(partition, "something failed in stead itself")
        return batch

    def _build_group(self, group: Group, batch_id: bytes, number: int) -> Batch:
        hopping = group[0].hopping
        if hopping is None or not hopping.in_component:
            return [(group[0], group[0].next_commit(batch_id))]
        of = {commit.partition: commit for commit in hopping.build(batch_id, number)}
        for partition in group:
            partition.finish_ended()
            self._board.notify(partition)
        return [(partition, of[partition.number]) for partition in group if partition.number in of]

    async def _send(self, batch: Batch) -> None:
        try:
            await self._commit(batch)
        except ServerChanged as error:
            self._board.face(error)

    def _begin_anew(self, group: Group, error: Unstorable) -> None:
        """A state could not be packed: run the partition's uncommitted messages again, packing that state each time,

        so that the operation at fault is found, fails and rolls back.
        """
        environment = self._board.environment
        if error.target in self._anew:  # which does not help, so that it would go on for ever
            environment.blame.note(error.target, None, Failure("operation", "InvalidState", error.reason))
        self._anew[error.target] = None
        if len(self._anew) > _ANEW_MAX:
            del self._anew[next(iter(self._anew))]
        logger.warning("%s could not be stored (%s): its last operations run again", error.target, error.reason)
        environment.pack_each_turn(error.target)
        for partition in group:
            self._board.restart(partition, "it starts anew")

    async def _commit(self, batch: Batch) -> None:
        board = self._board
        while batch:
            commits = [commit for _, commit in batch]
            began = board.elapsed()
            try:
                answers = await board.insist(
                    lambda: board.store.commit(commits, board.generation),  # noqa: B023 - called at once
                    "committing",
                )
            except SteadError:
                raise
            except Exception as error:  # noqa: BLE001 - what one of them holds is not the others' trouble
                await self._commit_apart(batch, error)
                return
            self._count(commits, board.elapsed() - began)
            told = [(*member, answer) for member, answer in zip(batch, answers, strict=True)]
            again: Batch = []
            for places in components_of(commits):
                members = [told[place] for place in places]
                if self._mended(members):  # as it was, all of it (HAZARDS 33)
                    again += [(partition, commit) for partition, commit, _ in members]
                else:
                    self._hear(members)
            batch = again

    def _count(self, commits: Sequence[Commit], seconds: float) -> None:
        measures = self._board.measures
        measures.meter("commit").add(seconds)
        taken = sum(
            [len(commit.consumed) + sum(len(taken.stream_ids) for taken in commit.unparked) for commit in commits]
        )
        measures.meter("commit_messages").add(taken)

    async def _commit_apart(self, batch: Batch, error: Exception) -> None:
        """The store cannot even take a batch, because of something in one of its commits: it is found by sending apart what
        need not go together. As it was: if it was sent all the same, its ID is known."""
        components = components_of([commit for _, commit in batch])
        if len(components) > 1:
            for places in components:
                await self._commit([batch[place] for place in places])
            return
        for partition, _ in batch:
            self._board.broke(partition, error)

    def _mended(self, members: Sequence[tuple[Partition, Commit, CommitAnswer]]) -> bool:
        """Whether a component is to be sent again, without what cannot be written.

        If a key is damaged nothing of it was written. If that is somebody else's (an inbox that it sends to, a reply
        stream), the rest goes on without it. It keeps its ID, so that a copy that is still on its way is known.
        """
        board = self._board
        mended = False
        for partition, commit, answer in members:
            if isinstance(answer, KeyDamaged):
                if partition.gone or not without_damaged(commit, answer, board.store, board.environment.now_ms()):
                    return False
                mended = True
        return mended

    def _hear(self, members: Sequence[tuple[Partition, Commit, CommitAnswer]]) -> None:
        """What the store has said to the members of a component. All that was applied is known to be, before anything that
        comes of it leaves (HAZARDS 63)."""
        applied: list[tuple[Partition, Commit, int | None]] = []
        for partition, commit, answer in members:
            if partition.gone:
                partition.landed()
            elif answer is CommitVerdict.APPLIED or answer is CommitVerdict.ALREADY:
                applied.append((partition, commit, partition.next_due_ms))
                partition.committed()
            else:
                self._refused(partition, commit, answer)
        for partition, commit, due_before in applied:
            if not partition.gone:
                self._applied(partition, commit, due_before)

    def _refused(self, partition: Partition, commit: Commit, answer: CommitAnswer) -> None:
        """The store has not written a commit."""
        board = self._board
        match answer:
            case CommitVerdict.FENCED:
                board.drop(partition, "a commit was refused, since its lease is no longer this worker's")
            case CommitVerdict.VOID:
                board.restart(partition, "a commit that its own was to be written with was refused")
            case CommitVerdict.OUTDATED:
                board.drop(partition, "its indexes are others by now")
            case CommitVerdict.TORN:
                board.face(TornCommit(partition.number, commit.previous.hex()))
            case KeyDamaged() as error:
                board.face(KeyDamaged(error.reason, partition.number))
            case CommitVerdict.APPLIED | CommitVerdict.ALREADY:
                raise AssertionError("that was written")
        if partition.gone:
            partition.landed()

    def _applied(self, partition: Partition, commit: Commit, due_before: int | None) -> None:
        """Go on from what is in the store. `due_before`: when its next timer was due before this."""
        board = self._board
        if partition.wants_commit:  # turns that ended meanwhile
            board.commit(partition)
        for number in partition.linked:  # they have waited for it
            board.commit(board.partitions[number])
        if partition.next_due_ms != due_before:
            board.timing.ring()
        if partition.has_turns or partition.suspects.careful or partition.wants_care:
            self._turns.wake(partition)
        if partition.wants_parking:  # parks that this commit took from had to wait for it
            board.parking.ring()
        board.reading.ring()  # which may have waited for it
        if commit.built or commit.suspect_passed:  # building waits for the end of careful mode
            board.building.ring()
        if partition.indexing.expiring.stirred or commit.suspect_passed:
            board.ending.ring()
        if commit.blocked:
            _say_blocked(commit.blocked)
        at_once = partition.effects.at_once
        if commit.dropped or at_once.settled:
            board.hooks.unwanted(partition, [*commit.dropped, *at_once.take_settled()])
        if commit.tasks:
            own = [task for task in commit.tasks if not task.shared]
            if own:
                board.hooks.granted(partition, own)
        if commit.ending:
            board.hooks.ending(partition, [task_id for _, task_id in commit.ending])
        board.notify(partition)


def _weight(group: Group) -> int:
    return sum([partition.effects.weight for partition in group])


def _say_blocked(blocked: Sequence[tuple[str, str]]) -> None:
    """Nothing fails by it and nobody is answered: without a word, whoever sent a message would look in vain for its effect."""
    for target, reason in blocked[:_BLOCKED_SAID_MAX]:
        logger.warning("%s is blocked, and its messages wait: %s", target, reason)
    more = len(blocked) - _BLOCKED_SAID_MAX
    if more > 0:
        logger.warning("%d more are blocked; `stead info` names them and why", more)
