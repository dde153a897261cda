"""A batch of commits as the script takes it: one packed argument, and every key that the script touches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any, Literal

from stead.transport._contract.commit import Commit, components_of, doubtful, in_batch_order

from .commit_signature import (
    Fed,
    Instances,
    Listed,
    Logged,
    Member,
    Messages,
    More,
    NewTask,
    Reindexed,
    Reindexing,
    Reservation,
    Unparking,
    Unqueued,
    WriteCommits,
)
from .keys import KeyNames
from .scripts import COMMIT

_REPLIES_MAX = 100_000  # answers that wait for one client; `reply_keep_ms` bounds their age


def calls_of(
    keys: KeyNames, commits: Sequence[Commit], dead_letters_max: int, reply_keep_ms: int, bytes_max: int
) -> Iterator[tuple[bytes, Sequence[int]]]:
    """The commands that apply a batch, each with the places of its members: one, unless the batch is larger than a call of
    the script may be (HAZARDS 37). A component is never split."""
    call = pack_batch(keys, commits, dead_letters_max, reply_keep_ms)
    if len(call) <= bytes_max or len(commits) < 2 or len(components := components_of(commits)) < 2:
        yield call, range(len(commits))
        return
    middle = len(components) // 2
    for half in (components[:middle], components[middle:]):
        places = list(chain.from_iterable(half))
        of_half = [commits[place] for place in places]
        for part, within in calls_of(keys, of_half, dead_letters_max, reply_keep_ms, bytes_max):
            yield part, [places[place] for place in within]


def pack_batch(keys: KeyNames, commits: Sequence[Commit], dead_letters_max: int, reply_keep_ms: int) -> bytes:
    """The command that applies a batch. Pure: the same batch gives the same bytes."""
    names: list[bytes] = []
    members: list[Member] = []
    inboxes: dict[int, list[Any]] = {}  # receiver -> place of the member, payload, ...
    answers: dict[tuple[int, str], list[Any]] = {}  # client -> the same
    batch_id = commits[0].commit_id
    assert len({commit.partition for commit in commits}) == len(commits), "a partition is in a batch once"
    linked = False
    with_more = with_indexes = 0
    stamped = any(commit.stamps for commit in commits)
    reserving = _send_in_order(commits, inboxes) if stamped else None
    for place, commit in enumerate(commits, 1):
        assert commit.commit_id == batch_id, "a batch has one ID"
        linked = linked or commit.component != 0
        own = keys.partitions[commit.partition]
        first = len(names) + 1
        names += (own.lease, own.inbox, own.state)
        reservations = _send(commit, place, inboxes, answers, reserving)
        more = _pack_more(keys, commit, names, reservations, inboxes)
        if more:
            with_more = 1
        indexing: Reindexing | Literal[0] = 0
        if commit.indexed or commit.built or commit.feeds:
            indexing = _pack_indexing(keys, commit, names)
            with_indexes = 1
        states = commit.states
        # By their places: names cost more at a call than all the rest of it, and a test looks at each.
        members.append(
            Member(
                first,
                commit.token,
                commit.previous,
                commit.consumed,
                states[0] if len(states) == 1 else list(chain.from_iterable(states)),
                more,
                str(commit.catalogue),
                indexing,
            )
        )
    receivers = _named(names, ((keys.partitions[partition].inbox, sent) for partition, sent in inboxes.items()))
    replies = _named(names, ((keys.reply(*client), sent) for client, sent in answers.items()))
    components: Sequence[Sequence[int]] | Literal[0] = 0
    if linked:
        components = [[place + 1 for place in component] for component in components_of(commits)]
    arguments = WriteCommits(
        batch_id,
        members,
        components,
        receivers,
        replies,
        with_more,
        with_indexes,
        dead_letters_max,
        reply_keep_ms,
        _REPLIES_MAX,
    )
    return COMMIT.call(names, arguments)


def _named(names: list[bytes], streams: Iterable[tuple[bytes, list[Any]]]) -> list[Messages]:
    """What goes to each stream, by its place among the names, to which it is added."""
    found: list[Messages] = []
    for stream, messages in streams:
        names.append(stream)
        found.append(Messages(len(names), messages))
    return found


_Reserving = tuple[int, str, bytes, int]  # partition, target, message ID, place among what goes to that partition


def _send(
    commit: Commit,
    place: int,
    inboxes: dict[int, list[Any]],
    answers: dict[tuple[int, str], list[Any]],
    reserving: dict[int, list[_Reserving]] | None,
) -> Sequence[_Reserving]:
    """Send a commit's messages and answers; gives what the starts among them reserve. `reserving`: the messages of the whole batch
    have been sent, and this is what the starts of each commit reserve."""
    for reply in commit.replies:
        client = (reply.group, reply.client)
        if client in answers:
            answers[client] += (place, reply.payload)
        else:
            answers[client] = [place, reply.payload]
    if reserving is not None:
        return reserving.get(place, ())
    if commit.starts:
        return _send_in_order([commit], inboxes, place).get(place, ())
    for partition, payload in commit.sends:
        if partition in inboxes:
            inboxes[partition] += (place, payload)
        else:
            inboxes[partition] = [place, payload]
    return ()


def _send_in_order(
    commits: Sequence[Commit], inboxes: dict[int, list[Any]], first: int = 1
) -> dict[int, list[_Reserving]]:
    """Send the messages of commits, of which the first has that place; gives what the starts among them reserve, by the place
    of their commit."""
    reserving: dict[int, list[_Reserving]] = {}
    for nth, partition, payload, start in in_batch_order(commits):
        messages = inboxes.setdefault(partition, [])
        messages += (first + nth, payload)
        if start is not None:
            reservation = (partition, start.target, start.message_id, len(messages))
            reserving.setdefault(first + nth, []).append(reservation)
    return reserving


def _pack_more(
    keys: KeyNames,
    commit: Commit,
    names: list[bytes],
    reservations: Sequence[_Reserving],
    inboxes: dict[int, list[Any]],
) -> More | Literal[0]:
    """What only some commits have. Adds the keys to `names`."""
    uncertain = doubtful(commit)
    of_instances = (
        commit.logs or commit.tasks or commit.dropped or commit.ending or reservations or commit.started or uncertain
    )
    if not (
        of_instances
        or commit.created
        or commit.deleted
        or commit.timers
        or commit.cancelled
        or commit.dead
        or commit.unparked
        or commit.blocked
        or commit.unblocked
        or commit.suspect_passed
        or commit.clear_running
    ):
        return 0
    own = keys.partitions[commit.partition]
    names += (own.index, own.timers, own.payloads, own.parked, own.blocked, own.dead)
    index = len(names) - 5
    unparked: list[Unparking] = []
    for park in commit.unparked:
        names.append(own.park(park.target))
        unparked.append(Unparking(len(names), park.target, park.stream_ids))
    return More(
        index,
        _scored(commit.created),
        commit.deleted,
        [word for timer in commit.timers for word in (str(timer.due_ms), timer.timer_id)],
        [word for timer in commit.timers for word in (timer.timer_id, timer.payload)],
        commit.cancelled,
        commit.dead,
        unparked,
        list(chain.from_iterable(commit.blocked)),
        commit.unblocked,
        int(commit.suspect_passed),
        int(commit.clear_running),
        _pack_instances(keys, commit, names, reservations, list(inboxes), uncertain) if of_instances else 0,
    )


def _pack_indexing(keys: KeyNames, commit: Commit, names: list[bytes]) -> Reindexing:
    """What changes in indexes and feeds. Adds the keys to `names`: those that it touches, and no others."""
    own = keys.partitions[commit.partition]
    built = 0
    if commit.built:
        names.append(own.built)
        built = len(names)
    sets: list[Reindexed] = []
    for name, removed, added, rises in commit.indexed:
        names.append(own.entries(name))
        # A score goes as text: the server's Lua would keep 14 digits of a number.
        scored = [word for score, member in added for word in (repr(score), member)]
        sets.append(Reindexed(len(names), removed, scored, int(rises)))
    trimmed = 0
    if commit.feeds:
        names.append(own.trimmed)
        trimmed = len(names)
    feeds: list[Fed] = []
    for feed in commit.feeds:
        names.append(own.feed(feed.feed))
        feeds.append(Fed(len(names), *feed))
    return Reindexing(built, list(chain.from_iterable(commit.built)), sets, trimmed, feeds)


def _pack_instances(
    keys: KeyNames,
    commit: Commit,
    names: list[bytes],
    reservations: Sequence[_Reserving],
    receivers: Sequence[int],
    uncertain: Sequence[str],
) -> Instances:
    """What instances do. Adds the keys to `names`; `receivers` are those of all messages so far, in order."""
    own = keys.partitions[commit.partition]
    names += (own.tasks, own.tries, own.starts)
    first = len(names) - 2
    logs: list[Logged] = []
    for log in commit.logs:
        names.append(own.log(log.target))
        logs.append(Logged(len(names), int(log.reset), log.events))
    queues: dict[str, int] = {}
    for task in commit.tasks:
        if task.shared and task.queue not in queues:
            names.append(keys.queue(task.queue))
            queues[task.queue] = len(names)
    new_tasks = [
        NewTask(
            task.task_id,
            queues[task.queue] if task.shared else 0,
            task.payload,
            () if task.limit is None else task.limit.fields,
        )
        for task in commit.tasks
    ]
    reserving: dict[int, int] = {}
    entering: dict[int, list[str]] = {}
    reserved: list[Reservation] = []
    for partition, target, message_id, place in reservations:
        if partition not in reserving:
            names.append(keys.partitions[partition].starts)
            reserving[partition] = len(names)
        receiver = receivers.index(partition) + 1
        reserved.append(Reservation(reserving[partition], target, message_id, receiver, place))
        entering.setdefault(partition, []).append(target)
    listed: list[Listed] = []
    for partition, targets in entering.items():
        names.append(keys.partitions[partition].index)
        listed.append(Listed(len(names), _scored(targets)))
    return Instances(
        first,
        logs,
        new_tasks,
        commit.dropped,
        reserved,
        list(chain.from_iterable(commit.started)),
        str(commit.partition),
        listed,
        uncertain,
        _pack_unqueued(keys, commit.unqueued, names) if commit.unqueued else (),
        _pack_unqueued(keys, commit.ending, names) if commit.ending else (),
    )


def _pack_unqueued(keys: KeyNames, tasks: Sequence[tuple[str, bytes]], names: list[bytes]) -> list[Unqueued]:
    """What leaves the queue, or the limits behind which it waits. Adds the keys to `names`."""
    places: dict[str, int] = {}
    unqueued: list[Unqueued] = []
    for queue, task_id in tasks:
        if queue not in places:
            places[queue] = len(names) + 1
            names += keys.queue_and_limits(queue)[:3]
        unqueued.append(Unqueued(places[queue], task_id))
    return unqueued


def _scored(targets: Sequence[str]) -> list[int | str]:
    """Members of an index, which is in the order of their bytes: all have one score."""
    return [word for target in targets for word in (0, target)]
