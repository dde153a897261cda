"""A worker that runs instances with local activities, on the bench of `hop_bench`: real partitions, the real kind of instances and
the steps of a hub in memory, and nothing happens by itself.

Activities are functions of a test: they end at once with what they return, unless that is `WAITS`; then they end when the
test says so. When each began is noted, with whether the store had it by then.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, NamedTuple

from stead.entities._partition.activation import Kind
from stead.entities._partition.partition import Partition, Started
from stead.entities._worker.at_once import turns_at_once
from stead.entities._worker.hooks import Hooks
from stead.entities.extending import Measures, Message, encode_message
from stead.orchestrations._activities.job import Job
from stead.orchestrations._activities.own_task import OwnTask
from stead.orchestrations._definition.activity import Activity
from stead.orchestrations._history.event_codec import decode_event
from stead.orchestrations._history.event_table import name_of
from stead.orchestrations._history.messages import StartMessage, encode_start
from stead.orchestrations._history.record import InstanceRecord, decode_instance_record
from stead.orchestrations._instance.kind import OrchestrationKind
from stead.transport import Commit, CommitAnswer, CommitVerdict, Loaded, Task, partition_of
from stead.transport._memory import steps
from support.hop_bench import LEASE_MS, Flight, HopBench
from support.instance_driver import PlainCode, make_types
from support.kind_bench import FakeRegistry
from support.left_open import close_later

WAITS = object()
"""What an activity gives that waits."""

FOREVER = float("inf")


class Began(NamedTuple):
    """An activity began."""

    name: str
    number: int
    stored: bool
    """The store had it."""


async def _never(*args: Any) -> Any:
    raise AssertionError("the bench calls what the test has given")


def handed_on(task: Task) -> bytes | OwnTask:
    """What whoever runs an activity makes its job of."""
    return task if type(task) is OwnTask else task.payload


class _Asked(Hooks):
    """What the turns tell of tasks that may begin."""

    def __init__(self, begin: Callable[[Partition, Sequence[Task]], None]) -> None:
        self._begin = begin

    def may_begin(self, partition: Partition, tasks: Sequence[Task]) -> None:
        self._begin(partition, tasks)


class LocalBench(HopBench):
    """See the module's head."""

    def __init__(
        self, *functions: Callable[..., Coroutine[Any, Any, Any]], partitions: int = 1, **settings: Any
    ) -> None:
        super().__init__(partitions, **settings)
        registry = FakeRegistry()
        for function in functions:
            registry.codes[function.__name__, None] = PlainCode(function, function.__name__)
        self.activities: dict[str, Callable[..., Any]] = {}
        self.began: list[Began] = []
        self.commits: list[Commit] = []
        self.jobs: dict[Partition, dict[bytes, Job]] = {}
        self.stop_at = FOREVER  # of a slice
        self._starts = itertools.count(1)
        self._asked = _Asked(self._may_begin)
        self.measures = Measures()
        self.instances = OrchestrationKind(
            registry,  # type: ignore[arg-type]
            self.settings,
            lambda: self.now_ms,
            lambda name, queue: "own",
            make_types(),
            self.measures,
        )
        close_later(self)

    def kind_of(self, target: str) -> Kind:
        return self.kind if target.startswith("@") else self.instances

    def activity(self, name: str, function: Callable[..., Any], *, local: bool = True) -> Activity[..., Any]:
        """An activity, to be called by what this gives."""
        self.activities[name] = function
        return Activity(_never, name, local=local)

    # -- clients -------------------------------------------------------------------------------------------------------

    def instance(self, partition: int, name: str = "flow") -> str:
        """An ID in a partition."""
        names = (f"{name}{number}" for number in itertools.count())
        return next(each for each in names if partition_of(each, self.settings.partitions) == partition)

    def start(self, name: str, input: Any = None, instance_id: str = "one") -> None:
        message_id = b"start%d" % next(self._starts)
        start = StartMessage(name, None, input, self.now_ms)
        self._enter(instance_id, encode_start(instance_id, start, message_id))

    def tell(self, instance_id: str, operation: str, *args: Any) -> None:
        """A message to an instance."""
        self._enter(instance_id, encode_message(instance_id, operation, list(args), b"m%d" % next(self._starts)))

    def _enter(self, target: str, envelope: bytes) -> None:
        self.hub.partitions[partition_of(target, self.settings.partitions)].inbox.append(self.now_ms, envelope)

    def record(self, instance_id: str = "one") -> InstanceRecord:
        number = partition_of(instance_id, self.settings.partitions)
        return decode_instance_record(self.hub.partitions[number].records[instance_id])

    def log(self, instance_id: str = "one") -> list[bytes]:
        """The history as it is stored."""
        return self.hub.partitions[partition_of(instance_id, self.settings.partitions)].logs.get(instance_id, [])

    def names(self, instance_id: str = "one") -> list[str]:
        return [name_of(decode_event(data)) for data in self.log(instance_id)]

    def stored_tasks(self) -> list[bytes]:
        return [key for state in self.hub.partitions for key in state.tasks]

    # -- tenures -------------------------------------------------------------------------------------------------------

    def hold(self, *numbers: int) -> None:
        super().hold(*numbers)
        for number in numbers:
            partition = self.held[number]
            for key, task in list(self.hub.partitions[number].tasks.items()):
                self._begin(partition, key, task.payload)

    def steal(self, number: int) -> None:
        """Another worker takes a partition, and gives it back as planned; nobody here knows yet."""
        super().steal(number)
        state = self.hub.partitions[number]
        steps.release(state, state.lease.token, self.now_ms)
        state.unclean = 0

    def drop(self, number: int) -> None:
        self.jobs.pop(self.held[number], None)
        super().drop(number)

    def die(self) -> None:
        """The process ends: nothing of it is left but what is stored. Nobody has given anything back."""
        for number in list(self.held):
            if number in self.held:
                self.drop(number)
        self.now_ms = self.now_ms + LEASE_MS + 1

    def load(self, partition: Partition) -> None:
        state = self.hub.partitions[partition.number]
        for activation in partition.take_loads():
            loaded = Loaded(state.records.get(activation.target), tuple(state.logs.get(activation.target, ())))
            done = partition.loaded(activation, loaded)
            while not done:
                done = partition.load_on(activation)

    # -- turns and commits ---------------------------------------------------------------------------------------------

    def turn(self, number: int) -> list[Started]:
        partition = self.held[number]
        started = turns_at_once(partition, self.stop_at, self._asked)
        if partition.suspects.active:
            partition.settle_suspects()
        return started

    def build(self, *numbers: int) -> Flight:
        flight = super().build(*numbers)
        self.commits += flight.commits
        return flight

    def hear(self, flight: Flight) -> None:
        super().hear(flight)
        told: Sequence[tuple[Partition, Commit, CommitAnswer]] = list(
            zip(flight.partitions, flight.commits, flight.answers, strict=True)
        )
        for partition, commit, answer in told:
            if partition.gone or answer not in (CommitVerdict.APPLIED, CommitVerdict.ALREADY):
                continue
            for key in (*commit.dropped, *partition.effects.at_once.take_settled()):
                self.jobs.get(partition, {}).pop(key, None)
            for task in commit.tasks:
                if task.task_id not in self.jobs.get(partition, {}):
                    self._begin(partition, task.task_id, handed_on(task))

    # -- activities ----------------------------------------------------------------------------------------------------

    def _may_begin(self, partition: Partition, tasks: Sequence[Task]) -> None:
        for task in tasks:
            self._begin(partition, task.task_id, handed_on(task))

    def _begin(self, partition: Partition, key: bytes, payload: bytes | OwnTask) -> None:
        jobs = self.jobs.setdefault(partition, {})
        assert key not in jobs, "it has begun in this tenure"
        job = jobs[key] = Job(key, payload)
        stored = key in self.hub.partitions[partition.number].tasks
        self.began.append(Began(job.name, job.context.task_id, stored))
        value = self.activities[job.name](*job.args)
        if value is not WAITS:
            self._answer(partition, job, value)

    def end_activity(self, name: str, value: Any = None) -> None:
        """One that waits does not any more."""
        found = [(p, job) for p, jobs in self.jobs.items() for job in jobs.values() if job.name == name]
        ((partition, job),) = found
        self._answer(partition, job, value)

    def _answer(self, partition: Partition, job: Job, value: Any) -> None:
        context = job.context
        args = [context.execution_id, context.task_id, True, value]
        message = Message(context.instance_id, "task", args, b"", None, None, None, None, None)
        partition.deliver_local(context.instance_id, message)

    def close(self) -> None:
        """Leave nothing of the code behind."""
        for partition in self.held.values():
            partition.end()
