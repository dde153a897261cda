"""An activity runner on a bench: a board, partitions and queues that do as they are told, and say what was asked of them."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import itertools
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar, cast

from stead.entities._partition.waking import Deaths
from stead.entities.extending import Board, Measures, Message, Partition, Turns, decode_message
from stead.orchestrations._activities.job import encode_task
from stead.orchestrations._activities.routes import Serving
from stead.orchestrations._activities.runner import ActivityRunner
from stead.transport import (
    NOTHING_SAID,
    ConnectionLost,
    DeclaredLimit,
    InvalidInput,
    Kept,
    LimitNumbers,
    ManualClock,
    Patience,
    Settings,
    Taken,
    Task,
    TaskLimit,
    WorkerView,
)
from support.guards import HANGS_S

T = TypeVar("T")


class FakeActivity:
    """A function as an activity, without types."""

    def __init__(self, function: Callable[..., Any], queue: str = "") -> None:
        self.function = function
        self.canonical = function.__name__.lower()
        self.is_async = inspect.iscoroutinefunction(function)
        self.queue = queue
        self.numbers: LimitNumbers | None = None

    def limit_of(self, args: Sequence[Any], kwargs: Mapping[str, Any] | None) -> str | None:
        if self.numbers is not None and not args:
            raise InvalidInput("its key", "no arguments")
        return self.canonical

    def prepare(self, args: Sequence[Any], kwargs: Mapping[str, Any] | None) -> partial[Any]:
        return partial(self.function, *args, **(kwargs or {}))

    def encode_result(self, value: Any) -> Any:
        return value


@dataclass
class FakeSuspects:
    active: bool = False
    careful: bool = False


@dataclass(eq=False)
class FakePartition:
    number: int = 0
    token: bytes = b"token"
    gone: bool = False
    draining: bool = False
    suspects: FakeSuspects = field(default_factory=FakeSuspects)
    deaths: Deaths = field(default_factory=lambda: Deaths(b"", None))
    alone: set[str] = field(default_factory=set[str])
    answered: list[list[Any]] = field(default_factory=list[list[Any]])  # within the turns that asked

    def deliver_local(self, target: str, message: Message) -> None:
        self.answered.append(list(message.args))

    def leaves_alone(self, target: str) -> bool:
        return target in self.alone

    def forgive(self, target: str) -> None:
        self.deaths.forget(target)


class FakeStore:
    """A store's activities. What is asked of it is in `asked`."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.own: dict[bytes, bytes] = {}
        self.tries: dict[bytes, int] = {}
        self.gone: set[bytes] = set()  # tasks that are not there any more
        self.queues: dict[str, list[Taken]] = {}
        self.idle: list[Taken] = []  # what dead workers have left
        self.arrived = asyncio.Event()
        self.unwanted: list[bytes] = []
        self.ending: list[bytes] = []
        self.said: list[Any] = []  # by heartbeats
        self.results: dict[bytes, list[Any]] = {}
        self.asked: list[tuple[str, Any]] = []
        self.page = 2
        self.lost_answers = 0  # so many of the next to what is given back
        self.opened: list[
            tuple[list[DeclaredLimit], bool]
        ] = []  # the limits that were declared, and whether by who joins
        self.behind: dict[bytes, TaskLimit] = {}  # what was put behind limits

    async def tasks(self, partition: int, after: bytes, count: int) -> tuple[list[tuple[bytes, bytes]], bytes]:
        await asyncio.sleep(0)
        keys = sorted(key for key in self.own if key > after)[: self.page]
        return [(key, self.own[key]) for key in keys], keys[-1] if len(keys) == self.page else b""

    async def mark_task(self, partition: int, token: bytes, task_id: bytes) -> int | None:
        await asyncio.sleep(0)
        if task_id in self.gone:
            return 0
        self.tries[task_id] = self.tries.get(task_id, 0) + 1
        self.asked.append(("mark", task_id))
        return self.tries[task_id]

    async def share_tasks(
        self, partition: int, token: bytes, worker: str, tasks: Sequence[tuple[bytes, str]]
    ) -> list[bytes] | None:
        await asyncio.sleep(0)
        self.asked.append(("share", list(tasks)))
        return [b"" if key in self.gone else b"1-0" for key, _ in tasks]

    async def open_queues(self, queues: Sequence[str], limits: Sequence[DeclaredLimit], joining: bool) -> None:
        self.asked.append(("open", list(queues)))
        self.opened.append((list(limits), joining))

    async def take_tasks(self, queues: Sequence[str], worker: str, count: int, block_ms: int) -> list[Taken]:
        self.asked.append(("take", count))
        while not any(self.queues.get(queue) for queue in queues):
            self.arrived.clear()
            await self.arrived.wait()
        taken: list[Taken] = []
        for queue in queues:
            there = self.queues.get(queue, [])
            taken += there[: count - len(taken)]
            del there[: len(taken)]
        return taken

    async def retake_tasks(self, queues: Sequence[str], worker: str, idle_ms: int, count: int) -> list[Taken]:
        taken, self.idle = self.idle[:count], self.idle[count:]
        return taken

    async def keep_tasks(self, worker: str, taken: Sequence[Taken], said: Mapping[bytes, bytes] = NOTHING_SAID) -> Kept:
        self.asked.append(("keep", sorted(one.task_id for one in taken)))
        self.said += [decode_message(message).args for message in said.values()]
        kept, self.unwanted, self.ending = Kept(self.unwanted, self.ending), [], []
        return kept

    async def give_back_tasks(
        self, worker: str, taken: Sequence[Taken], behind: Mapping[bytes, TaskLimit] | None = None
    ) -> int:
        await asyncio.sleep(0)
        self.behind.update(behind or {})
        self.asked.append(("give back", sorted(one.task_id for one in taken)))
        if self.lost_answers:
            self.lost_answers -= 1
            raise ConnectionLost("on purpose")
        return len(taken)

    async def complete_task(self, partition: int, task_id: bytes, payload: bytes, taken: Taken | None) -> bool:
        await asyncio.sleep(0)
        message = decode_message(payload)
        self.results[task_id] = [partition, message.target, *message.args, taken is not None]
        return True


class FakeBoard:
    """A worker's board and its turns, with nothing behind them."""

    def __init__(self, settings: Settings) -> None:
        self.name = "here"
        self.settings = settings
        self.store = FakeStore()
        self.stopping = self.drained = False
        self.workers: list[WorkerView] = []
        self.info: dict[str, Any] = {}
        self.measures = Measures()
        self.now: list[Callable[[], Mapping[str, Any]]] = []
        self.delivered: list[tuple[str, list[Any]]] = []
        self.settles = True  # what comes of suspects is in the store at once
        self.suspicious: list[str] = []  # to whom something was delivered that may end whoever takes the turn
        self.woken = 0
        self.dropped: list[str] = []
        self.hooks: list[Any] = []
        self.failures: list[BaseException] = []
        self.fail = self.failures.append
        self._numbers = itertools.count()

    def listen(self, hooks: object, prefix: str) -> None:
        self.hooks.append(hooks)

    def is_of(self, prefix: str, task_id: bytes) -> bool:
        return True

    def draw(self, length: int) -> bytes:
        return next(self._numbers).to_bytes(length, "big")

    async def insist(self, step: Callable[[], Awaitable[T]], what: str) -> T:
        while True:
            try:
                return await step()
            except ConnectionLost:
                await asyncio.sleep(0)

    insist_on_any = insist

    def patience(self, what: str) -> Patience:
        return Patience(self.store.clock, self.settings, what)

    def check_generation(self) -> None: ...

    def deliver_local(self, partition: FakePartition, target: str, message: Message, suspicious: bool = False) -> None:
        assert message.operation == "task"
        self.delivered.append((target, list(message.args)))
        if suspicious:
            self.suspicious.append(target)
            if self.settles:
                asyncio.get_running_loop().call_soon(self.settle, partition, target, message)

    def settle(self, partition: FakePartition, target: str, message: Message) -> None:
        """The commit of the turn that took a result is in the store."""
        execution_id, number = cast("list[Any]", message.args)[:2]
        for hooks in self.hooks:
            hooks.unwanted(partition, [f"{target}|{execution_id}|{number}".encode()])

    def wake(self, partition: FakePartition) -> None:
        self.woken += 1

    def drop(self, partition: FakePartition, reason: str) -> None:
        partition.gone = True
        self.dropped.append(reason)
        for hooks in self.hooks:
            hooks.let_go(partition)


class ActivityBench:
    """A runner with the given functions as its activities."""

    def __init__(
        self,
        *functions: Callable[..., Any],
        queues: Sequence[str] = ("",),
        limits: Sequence[DeclaredLimit] = (),
        **settings: Any,
    ) -> None:
        self.settings = Settings(**settings)
        self.activities = {activity.canonical: activity for activity in map(FakeActivity, functions)}
        self.here = Serving(frozenset(self.activities), frozenset(queues))
        plain = any(not activity.is_async for activity in self.activities.values())
        self.runner = ActivityRunner(self.here, self.activities.get, self.settings, plain, limits)
        self.board = FakeBoard(self.settings)
        self.store = self.board.store
        self.partition = FakePartition()
        self.parts = self.runner.attach(cast("Board", self.board), cast("Turns", self.board))
        self._tasks: list[asyncio.Task[None]] = []
        self._numbers = itertools.count(1)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """With the parts that run beside the worker."""
        self._tasks = [asyncio.create_task(part(), name=name) for name, part in self.parts]
        try:
            yield
        finally:
            await self.end()

    async def stand_by(self) -> None:
        """As a worker does that has local activities."""
        self.runner.slots.stand_by()
        await settle()

    async def end(self) -> None:
        """End the parts as a worker does: one after the other."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    def task(self, name: str, *args: Any, queue: str = "", timeout_ms: int | None = None, **kwargs: Any) -> Task:
        number, limits = next(self._numbers), (timeout_ms, None, None)
        payload = encode_task(name, args, kwargs or None, ("i", "x", number), 1, queue, limits=limits)
        return Task(f"i|x|{number}".encode(), queue, False, payload)

    def taken(self, name: str, *args: Any, queue: str = "", deliveries: int = 1) -> Taken:
        task = self.task(name, *args, queue=queue)
        return Taken(queue, b"1-0", 3, task.task_id, task.payload, deliveries)

    def put(self, *tasks: Taken) -> None:
        """Put shared tasks into their queues."""
        for taken in tasks:
            self.store.queues.setdefault(taken.queue, []).append(taken)
        self.store.arrived.set()

    def grant(self, *tasks: Task) -> None:
        self.runner.granted(cast("Partition", self.partition), tasks)

    def begin(self, *tasks: Task) -> dict[int, Any]:
        """Turns ask for local activities: what those answered that have ended at once."""
        self.partition.answered.clear()
        self.runner.may_begin(cast("Partition", self.partition), tasks)
        return {args[1]: args[3] if args[2] else args[3]["type"] for args in self.partition.answered}

    def hold(self, *tasks: Task) -> None:
        """The partition was acquired with these tasks in it."""
        self.store.own.update((task.task_id, task.payload) for task in tasks)
        self.runner.held(cast("Partition", self.partition))

    def unwanted(self, *tasks: Task) -> None:
        self.runner.unwanted(cast("Partition", self.partition), [task.task_id for task in tasks])

    def end_tasks(self, *tasks: Task) -> None:
        """The code of their instance waits for their end."""
        self.runner.ending(cast("Partition", self.partition), [task.task_id for task in tasks])

    async def keep(self) -> None:
        """The time for the next sign of life passes."""
        await settle()
        self.store.clock.advance_to(self.store.clock.now_ms() + self.settings.activity_heartbeat_ms)
        await settle()

    async def give_back(self) -> None:
        self.partition.draining = True
        await self.runner.giving_back(cast("Partition", self.partition))

    def let_go(self) -> None:
        self.partition.gone = True
        self.runner.let_go(cast("Partition", self.partition))

    async def idle(self) -> None:
        async with asyncio.timeout(HANGS_S):
            await settle()
            while not self.runner.idle:
                await asyncio.sleep(0.001)
            await settle()

    async def idle_but(self, running: int) -> None:
        """Until nothing but so many activities runs, and all results are in the store."""
        async with asyncio.timeout(HANGS_S):
            await settle()
            while self.runner.slots.running > running or self.store.queues.get(""):
                await asyncio.sleep(0.001)
            await settle()

    @property
    def given_back(self) -> list[bytes]:
        """The shared tasks that went back into their queues, in that order."""
        return [key for what, keys in self.store.asked if what == "give back" for key in keys]

    @property
    def answers(self) -> dict[int, Any]:
        """Task ID -> result, or the type of its failure, of what was delivered locally."""
        return {args[1]: args[3] if args[2] else args[3]["type"] for _, args in self.board.delivered}

    @property
    def results(self) -> dict[int, Any]:
        """The same of what was completed in the store."""
        found = (result[2:] for result in self.store.results.values())
        return {args[1]: args[3] if args[2] else args[3]["type"] for args in found}

    def view(self, worker: str, names: Sequence[str], queues: Sequence[str] = ("",)) -> WorkerView:
        return WorkerView(worker, 0, {"kinds": {f"activity/{name}": {} for name in names}, "queues": list(queues)})


async def settle() -> None:
    """Let everything run that can run at once."""
    for _ in range(20):
        await asyncio.sleep(0)


def outside(run: Callable[[], Any]) -> asyncio.Future[Any]:
    """Run something where no task runs, as turns do."""
    done = asyncio.get_running_loop().create_future()

    def call() -> None:
        assert asyncio.current_task() is None
        try:
            done.set_result(run())
        except BaseException as error:  # noqa: BLE001 - for who waits
            done.set_exception(RuntimeError(type(error).__name__))

    asyncio.get_running_loop().call_soon(call)
    return done
