"""Random steps of a hub, and how to carry them out on any store so that the answers can be compared.

Two stores give different stream IDs and times to the same things. So a step names a message by its place in the order of
arrival, and answers are compared with IDs replaced by those places.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from hypothesis import strategies as st

from stead.transport import (
    Acquired,
    Batch,
    Commit,
    CommitVerdict,
    DeadLetter,
    DeclaredLimit,
    LogWrite,
    Recipient,
    Reply,
    Reuse,
    Running,
    SentStart,
    SourceSuperseded,
    Start,
    Store,
    StreamId,
    Taken,
    Task,
    Timer,
    Unpark,
    stream_order,
)
from support.redis_steps import reservations
from support.twin_names import BEGINNING, FAR_MS, INSTANCES, LIMITS, PARTITIONS, QUEUES, TARGETS, TASKS

Step = tuple[str, dict[str, Any]]


# -- what may happen ---------------------------------------------------------------------------------------------------

_places = st.integers(0, PARTITIONS - 1)
_picks = st.lists(st.integers(0, 30), max_size=4)
_targets = st.sampled_from(TARGETS)
_payloads = st.binary(max_size=3)
_instances = st.sampled_from(INSTANCES)
_records = st.sampled_from(
    [bytes([status]) + b"rest" for status in range(9)]
)  # the first byte says whether it is finished
_tasks = st.sampled_from(list(TASKS))
_messages = st.sampled_from([b"m", b"mm", b""])
_effects = st.fixed_dictionaries(
    {},
    optional={
        "consumed": _picks,
        "states": st.dictionaries(_targets, _payloads, max_size=2),
        "created": st.lists(_targets, max_size=2, unique=True),
        "deleted": st.lists(st.sampled_from([*TARGETS, *INSTANCES]), max_size=1),
        "timers": st.dictionaries(st.sampled_from([b"1", b"2", b"\xff"]), st.sampled_from([1, 2, FAR_MS]), max_size=3),
        "cancelled": st.lists(st.sampled_from([b"1", b"2"]), max_size=1),
        "sends": st.lists(st.tuples(_places, _payloads), max_size=4),
        "replies": st.lists(st.tuples(st.sampled_from([0, 1]), st.sampled_from(["c", "d"]), _payloads), max_size=3),
        "dead": st.lists(_payloads, max_size=3),
        "unparked": st.dictionaries(_targets, st.tuples(_picks, st.booleans()), max_size=2),
        "blocked": st.dictionaries(_targets, st.sampled_from(["why", ""]), max_size=2),
        "unblocked": st.lists(_targets, max_size=1),
        "instances": st.dictionaries(_instances, _records, max_size=2),
        "logs": st.lists(st.tuples(_instances, st.lists(_payloads, max_size=3), st.booleans()), max_size=2),
        "tasks": st.dictionaries(_tasks, st.tuples(st.booleans(), _payloads), max_size=2),
        "dropped": st.lists(_tasks, max_size=2, unique=True),
        "left": st.booleans(),
        "ending": st.lists(_tasks, max_size=2, unique=True),
        "starts": st.lists(st.tuples(_places, _instances, _messages, _payloads, st.integers(0, 4)), max_size=3),
        "started": st.lists(st.tuples(_instances, _messages), max_size=2),
        "suspect_passed": st.booleans(),
        "clear_running": st.booleans(),
    },
)


def _step(name: str, **values: st.SearchStrategy[Any]) -> st.SearchStrategy[Step]:
    return st.tuples(st.just(name), st.fixed_dictionaries(values))


_likely = st.sampled_from([True] * 9 + [False])
_rarely = st.sampled_from([False] * 9 + [True])
_enqueue = _step(
    "enqueue",
    place=_places,
    session=st.sampled_from(["s", "source:g"]),
    incarnation=st.sampled_from([0] * 5 + [1]),
    chained=st.sampled_from(["next"] * 5 + ["again", "gap"]),
    payloads=st.lists(_payloads, min_size=1, max_size=4),
    starts=st.dictionaries(st.integers(0, 3), st.tuples(_instances, _messages, st.sampled_from(Reuse)), max_size=2),
    recipients=st.dictionaries(st.integers(0, 3), _instances, max_size=3),
    backlog_max=st.sampled_from([100, 100, 12]),
)
_queues = st.lists(st.sampled_from(QUEUES), min_size=1, max_size=1)  # of several each store has another one first
_workers = st.sampled_from(["w", "v"])
_member = st.fixed_dictionaries({"owner": _likely, "chained": _likely, "effects": _effects})
_commit = _step(
    "commit",
    members=st.dictionaries(_places, _member, min_size=1, max_size=PARTITIONS),
    linked=st.sets(_places),
    again=_rarely,
)
_acquire = _step("acquire", place=_places, expected=_likely, again=_rarely)
_park = _step("park", place=_places, owner=_likely, target=_targets, picks=_picks)
_fire = _step("fire", place=_places, owner=_likely, limit=st.integers(1, 3))

STEPS: st.SearchStrategy[list[Step]] = st.lists(
    st.one_of(
        _step("renew"),  # the first: what a failing example does not need becomes this
        *[_enqueue] * 4,
        *[_acquire] * 2,
        *[_commit] * 8,
        *[_park] * 4,
        *[_fire] * 2,
        _step("mark", place=_places, owner=_likely, target=_targets, pick=st.integers(0, 5)),
        _step("release", place=_places, owner=_likely),
        *[_step("take", queues=_queues, worker=_workers, count=st.integers(1, 3))] * 3,
        _step(
            "retake", queues=_queues, worker=_workers, idle_ms=st.sampled_from([0, 600_000]), count=st.integers(1, 3)
        ),
        _step("declare", most=st.integers(0, 2), joining=st.booleans()),
        _step("keep", worker=_workers),
        _step("give_back", worker=_workers),
        *[_step("complete", place=_places, task=_tasks, pick=st.integers(-1, 3), payload=_payloads)] * 2,
        _step(
            "share",
            place=_places,
            owner=_likely,
            worker=_workers,
            tasks=st.lists(_tasks, max_size=2),
        ),
        _step("mark_task", place=_places, owner=_likely, task=_tasks),
        _step("open_source", place=_places, incarnation=st.integers(0, 2)),
        _step("drop_letter", place=_places, pick=st.integers(0, 5)),
        _step("resend_letter", place=_places, pick=st.integers(0, 5), destination=_places, payload=_payloads),
        _step(
            "trim_replies", group=st.sampled_from([0, 1]), client=st.sampled_from(["c", "d"]), pick=st.integers(0, 3)
        ),
        _step("drop_replies", group=st.sampled_from([0, 1]), client=st.sampled_from(["c", "d"])),
        _step("beat", worker=st.sampled_from(["w", "v"]), info=st.dictionaries(st.text(max_size=2), _payloads)),
        _step("leave", worker=st.sampled_from(["w", "v"])),
        _step("publish", names=st.dictionaries(st.text(max_size=2), st.just({"a": [1, None]}), max_size=2)),
    ),
    min_size=15,
    max_size=50,
)


def own_target(place: int, target: str) -> str:
    """A target of a partition of its own, as every target has in a hub."""
    return f"{target}{place}"


def own_task(place: int, task: bytes) -> bytes:
    """A task of a partition of its own, as every task has in a hub."""
    return b"%s%d" % (task, place)


# -- how it is done ----------------------------------------------------------------------------------------------------


@dataclass
class Side:
    """One of the stores, what is known of its hub, and the order in which its stream IDs were seen."""

    store: Store
    seen: list[list[StreamId]] = field(default_factory=lambda: [[] for _ in range(PARTITIONS)])
    tokens: list[bytes] = field(default_factory=lambda: [b""] * PARTITIONS)
    commit_ids: list[bytes] = field(default_factory=lambda: [b""] * PARTITIONS)
    last_commits: list[Commit] = field(default_factory=list[Commit])
    numbers: dict[tuple[int, str], int] = field(default_factory=dict[tuple[int, str], int])
    last_batch: dict[tuple[int, str], Batch] = field(default_factory=dict[tuple[int, str], Batch])
    drawn: int = 0
    taken: list[Taken] = field(default_factory=list[Taken])  # of all workers, the latest last

    async def begin(self) -> None:
        """Own every partition, with some messages in each: where most of what may go wrong begins."""
        for place in range(PARTITIONS):
            await self.perform(("acquire", {"place": place, "expected": True, "again": False}))
            batch = Batch(place, "begin", 0, -1, 5, [b"%d" % number for number in range(6)], 100, 600_000)
            await self.store.enqueue([batch])
            member = {"owner": True, "chained": True, "effects": BEGINNING}
            await self._commit({place: member}, linked=set(), again=False)
        await self._look()

    async def perform(self, step: Step) -> Any:
        """Carry out a step; gives the answer in a comparable form, and what has newly come into the inboxes."""
        name, values = step
        method: Callable[..., Any] = getattr(self, f"_{name}")
        try:
            answer = await method(**values)
        except SourceSuperseded as error:
            answer = str(error)
        return answer, await self._look()

    async def _look(self) -> list[tuple[int, list[bytes]]]:
        """What has come into the inboxes since the last look."""
        positions = {place: (ids[-1] if ids else b"0") for place, ids in enumerate(self.seen)}
        news: list[tuple[int, list[bytes]]] = []
        for place, entries in await self.store.read_inboxes(positions, 1_000, 0):
            self.seen[place] += [entry[0] for entry in entries]
            news.append((place, [entry[1][1] for entry in entries]))
        return sorted(news)

    def name(self, place: int, stream_id: StreamId) -> int:
        """The place of an ID in the order of arrival; -1 for none."""
        return -1 if stream_order(stream_id) == (0, 0) else self.seen[place].index(stream_id)

    def _pick(self, place: int, picks: list[int]) -> list[StreamId]:
        ids = self.seen[place]
        return [ids[pick] for pick in sorted({pick % len(ids) for pick in picks})] if ids else []

    def _draw(self) -> bytes:
        self.drawn += 1
        return b"%d" % self.drawn

    def _token(self, place: int, owner: bool) -> bytes:
        return self.tokens[place] if owner else b"another"

    async def _enqueue(
        self,
        place: int,
        session: str,
        incarnation: int,
        chained: str,
        payloads: list[bytes],
        starts: dict[int, tuple[str, bytes, Reuse]],
        recipients: dict[int, str],
        backlog_max: int,
    ) -> Any:
        chain = (place, session)
        previous = self.numbers.get(chain, -1)
        batch = Batch(place, session, incarnation, previous, previous + len(payloads), payloads, backlog_max, 600_000)
        reserving = [
            Start(position, own_target(place, target), message_id, reuse)
            for position, (target, message_id, reuse) in sorted(starts.items())
            if position < len(payloads)
        ]
        places = sorted({*range(len(payloads))} & recipients.keys() - starts.keys())
        receiving = [Recipient(position, own_target(place, recipients[position])) for position in places]
        batch = replace(batch, starts=reserving, recipients=receiving)
        if chained == "gap":
            batch = replace(batch, previous=previous + 2, last=previous + 2 + len(payloads))
        elif chained == "again":
            batch = self.last_batch.get(chain, batch)
        self.last_batch[chain] = batch
        [result] = await self.store.enqueue([batch])
        if result.verdict.value == "accepted":
            self.numbers[chain] = batch.last
        return result

    async def _open_source(self, place: int, incarnation: int) -> Any:
        return await self.store.open_source(place, "g", incarnation, 600_000)

    async def _acquire(self, place: int, expected: bool, again: bool) -> Any:
        token = self.tokens[place] if again and self.tokens[place] else self._draw()
        expecting = self.tokens[place] if expected else b"another"
        acquired = await self.store.acquire(place, "worker", token, expecting, 60_000)
        if acquired is None:
            return None
        self.tokens[place] = token
        return self._plain_acquired(acquired)

    def _plain_acquired(self, acquired: Acquired) -> Any:
        place = acquired.partition
        running = acquired.running
        return (
            (acquired.epoch, acquired.commit_id, acquired.next_due_ms, acquired.blocked, acquired.unclean),
            {target: self.name(place, first) for target, first in acquired.parked.items()},
            self.name(place, acquired.suspect_until),
            running and (running.target, self.name(place, running.stream_id), running.tries),
        )

    async def _release(self, place: int, owner: bool) -> Any:
        released = await self.store.release(place, self._token(place, owner))
        if released:
            self.tokens[place] = b""
        return released

    async def _renew(self) -> Any:
        renewer = self.store.renewer()
        try:
            return renewer.renew(dict(enumerate([*self.tokens[:-1], b"another"])), 60_000)
        finally:
            renewer.close()

    async def _commit(self, members: dict[int, dict[str, Any]], linked: set[int], again: bool) -> Any:
        batch_id = self._draw()
        commits = [
            Commit(
                place,
                self._token(place, member["owner"]),
                self.commit_ids[place] if member["chained"] else b"lost",
                batch_id,
                component=int(place in linked),
                **self._effects(place, member["effects"]),
            )
            for place, member in members.items()
        ]
        if again and self.last_commits:
            commits = self.last_commits
        self.last_commits = commits
        verdicts = await self.store.commit(commits, self.store.generation)
        for commit, verdict in zip(commits, verdicts, strict=True):
            if verdict is CommitVerdict.APPLIED:
                self.commit_ids[commit.partition] = commit.commit_id
        return verdicts

    def _effects(self, place: int, drawn: dict[str, Any]) -> dict[str, Any]:
        effects = dict(drawn)

        def own(targets: Iterable[str]) -> list[str]:
            return [own_target(place, target) for target in targets]

        makers: dict[str, Callable[[Any], Any]] = {
            "consumed": lambda picks: self._pick(place, picks),
            "states": lambda states: list(zip(own(states), states.values(), strict=True)),
            "created": own,
            "deleted": own,
            "unblocked": own,
            "timers": lambda timers: [Timer(name, due_ms, name) for name, due_ms in timers.items()],
            "replies": lambda replies: [Reply(*reply) for reply in replies],
            "unparked": lambda parks: [
                Unpark(own_target(place, target), self._pick(place, picks), drained)
                for target, (picks, drained) in parks.items()
            ],
            "blocked": lambda blocked: list(zip(own(blocked), blocked.values(), strict=True)),
            "logs": lambda logs: [LogWrite(own_target(place, name), events, reset) for name, events, reset in logs],
            "tasks": lambda tasks: [
                Task(own_task(place, name), TASKS[name], is_shared, payload, LIMITS.get(name) if is_shared else None)
                for name, (is_shared, payload) in tasks.items()
            ],
            "dropped": lambda names: [own_task(place, name) for name in names],
            "unqueued": lambda names: [(TASKS[name], own_task(place, name)) for name in names],
            "ending": lambda names: [(TASKS[name], own_task(place, name)) for name in names],
            "starts": lambda starts: [SentStart(to, own_target(to, name), *rest) for to, name, *rest in starts],
            "started": lambda started: [(own_target(place, name), message_id) for name, message_id in started],
        }
        instances = effects.pop("instances", {})
        if not effects.pop("left", False):  # else what waits is found to be unwanted when it is taken
            effects["unqueued"] = [name for name in effects.get("dropped", ()) if name in LIMITS]
        for name, maker in makers.items():
            if name in effects:
                effects[name] = maker(effects[name])
        if instances:
            names = own(instances)
            effects["states"] = [*effects.get("states", ()), *zip(names, instances.values(), strict=True)]
            effects["created"] = [*effects.get("created", ()), *names]
        return effects

    async def _park(self, place: int, owner: bool, target: str, picks: list[int]) -> Any:
        ids = self._pick(place, picks)
        name = own_target(place, target)
        return await self.store.park(place, self._token(place, owner), name, ids) if ids else None

    async def _fire(self, place: int, owner: bool, limit: int) -> Any:
        return await self.store.fire_timers(place, self._token(place, owner), limit)

    async def _mark(self, place: int, owner: bool, target: str, pick: int) -> Any:
        for stream_id in self._pick(place, [pick]):
            return await self.store.mark_running(place, self._token(place, owner), Running(target, stream_id, pick + 1))
        return None

    async def _take(self, queues: list[str], worker: str, count: int) -> Any:
        return self._plain_taken(await self.store.take_tasks(queues, worker, count, 0))

    async def _retake(self, queues: list[str], worker: str, idle_ms: int, count: int) -> Any:
        return self._plain_taken(await self.store.retake_tasks(queues, worker, idle_ms, count))

    def _plain_taken(self, taken: list[Taken]) -> Any:
        self.taken += taken
        return [replace(task, entry=b"") for task in taken]

    async def _declare(self, most: int, joining: bool) -> Any:
        limits = [DeclaredLimit("q", "one", f"{most}:0:0"), DeclaredLimit("r", "two", f"{most}:0:0")]
        await self.store.open_queues(QUEUES, limits, joining)

    async def _keep(self, worker: str) -> Any:
        said = {task.task_id: b"said by " + task.task_id for task in self.taken[-2:]}
        return await self.store.keep_tasks(worker, self.taken[-4:], said)

    async def _give_back(self, worker: str) -> Any:
        return await self.store.give_back_tasks(worker, self.taken[-4:])

    async def _complete(self, place: int, task: bytes, pick: int, payload: bytes) -> Any:
        if 0 <= pick < len(self.taken):
            taken = self.taken[-1 - pick]
            return await self.store.complete_task(taken.partition, taken.task_id, payload, taken)
        return await self.store.complete_task(place, own_task(place, task), payload, None)

    async def _share(self, place: int, owner: bool, worker: str, tasks: list[bytes]) -> Any:
        named = [(own_task(place, task), TASKS[task]) for task in tasks]
        entries = await self.store.share_tasks(place, self._token(place, owner), worker, named)
        if entries is None:
            return None
        for (task_id, queue), entry in zip(named, entries, strict=True):
            if entry:
                self.taken.append(Taken(queue, entry, place, task_id, b"", 1))
        return [bool(entry) for entry in entries]

    async def _mark_task(self, place: int, owner: bool, task: bytes) -> Any:
        return await self.store.mark_task(place, self._token(place, owner), own_task(place, task))

    async def _letter(self, place: int, pick: int) -> DeadLetter:
        letters = [*await self.store.dead_letters(place, b"0", 100), DeadLetter(place, b"7-7", b"")]
        return letters[pick % len(letters)]

    async def _drop_letter(self, place: int, pick: int) -> Any:
        return await self.store.drop_dead_letter(place, (await self._letter(place, pick)).stream_id)

    async def _resend_letter(self, place: int, pick: int, destination: int, payload: bytes) -> Any:
        return await self.store.resend_dead_letter(await self._letter(place, pick), destination, payload)

    async def _trim_replies(self, group: int, client: str, pick: int) -> Any:
        replies = await self.store.read_replies(group, client, b"0", 0)
        if pick < len(replies):
            await self.store.trim_replies(group, client, replies[pick][0])

    async def _drop_replies(self, group: int, client: str) -> Any:
        await self.store.drop_replies(group, client)

    async def _beat(self, worker: str, info: dict[str, bytes]) -> Any:
        _, views = await self.store.heartbeat(worker, info, 600_000)
        await self.store.wish(worker, b"".join(info.values()), 600_000)
        return [(view.worker, view.info) for view in views]

    async def _leave(self, worker: str) -> Any:
        await self.store.leave(worker)

    async def _publish(self, names: dict[str, Any]) -> Any:
        await self.store.publish(names, 600_000)

    async def everything(self) -> dict[str, Any]:
        """All that can be read of the hub."""
        store = self.store
        inboxes = await store.read_inboxes(dict.fromkeys(range(PARTITIONS), b"0"), 1_000, 0)
        info = [
            replace(
                place,
                lease=replace(place.lease, expires_ms=0, free_since_ms=bool(place.lease.free_since_ms)),
                oldest_ms=place.oldest_ms and 0,
            )
            for place in await store.info()
        ]
        return {
            "info": info,
            "inboxes": sorted((p, [(self.name(p, e[0]), e[1][1]) for e in entries]) for p, entries in inboxes),
            "parks": [
                [
                    (self.name(p, entry[0]), entry[1][1])
                    for entry in await store.read_park(p, own_target(p, target), b"0", 1_000)
                ]
                for p in range(PARTITIONS)
                for target in TARGETS
            ],
            "records": [
                await store.read_records(place, [own_target(place, target) for target in TARGETS])
                for place in range(PARTITIONS)
            ],
            "logs": [
                await store.read_log(place, own_target(place, name), 0, 1_000)
                for place in range(PARTITIONS)
                for name in INSTANCES
            ],
            "reservations": [
                await reservations(store, place, [own_target(place, name) for name in INSTANCES])
                for place in range(PARTITIONS)
            ],
            "loaded": await store.load(
                {place: [own_target(place, name) for name in (*INSTANCES, TARGETS[0])] for place in range(PARTITIONS)}
            ),
            "limits": [replace(view, due_ms=view.due_ms and 0) for view in await store.limits(QUEUES, 100)],
            "tasks": [sorted((await store.tasks(place, b"", 1_000))[0]) for place in range(PARTITIONS)],
            "instances": [found async for page in store.list_instances("", 3) for found in page],
            "waiting": [
                [replace(task, entry=b"") for task in await store.take_tasks([queue], "last", 1_000, 0)]
                for queue in QUEUES
            ],
            "taken": [
                [replace(task, entry=b"") for task in await store.retake_tasks([queue], "last", 0, 1_000)]
                for queue in QUEUES
            ],
            "listed": [page async for page in store.list_targets("@e", 2)],
            "letters": [[d.letter for d in await store.dead_letters(p, b"0", 100)] for p in range(PARTITIONS)],
            "replies": [
                [payload for _, payload in await store.read_replies(group, client, b"0", 0)]
                for group in (0, 1)
                for client in ("c", "d")
            ],
            "workers": [(view.worker, view.info) for view in await store.workers()],
            "published": (await store.published(), await store.wishes()),
        }
