"""What the parts of `MemoryStore` share: the hub's data, how calls are made on it, and what tests may do to it."""

from __future__ import annotations

import copy
import secrets
import threading
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from operator import itemgetter
from typing import TypeVar

from stead.transport._contract.clock import Clock, ServerClock
from stead.transport._contract.errors import ConnectionLost, ServerChanged
from stead.transport._contract.indexes import TIMED
from stead.transport._contract.layout import FORMAT, FORMAT_CASKETS
from stead.transport._contract.left_out import LeftOut
from stead.transport._contract.records import HubLayout, ServerFacts
from stead.transport._contract.settings import Settings

from .faults import Faults
from .instances import has_work, soonest_due_ms
from .state import HubState, PartitionState
from .waiting import Topic, Waiters, pause

_T = TypeVar("_T")


class MemoryBase:
    """A server in this process."""

    def __init__(self, hub: str, settings: Settings, clock: Clock | None = None) -> None:
        self._settings = settings
        self._clock: Clock = clock if clock is not None else ServerClock()
        layout = HubLayout(
            name=hub,
            hub_id=secrets.token_hex(8),
            partitions=settings.partitions,
            slot_groups=min(settings.slot_groups, settings.partitions),
            mode="direct",
            format=FORMAT,
            created_ms=self._clock.now_ms(),
        )
        self._layout = layout
        self.join(settings)
        self._state = HubState(layout, [PartitionState() for _ in range(layout.partitions)])
        self._lock = threading.RLock()
        self._waiters = Waiters(self._clock, self._lock)
        self._run_id = secrets.token_hex(20)
        self._generation = 1
        self.left_out = LeftOut()
        self.faults = Faults()
        """What is to go wrong."""
        self.requests = 0
        """So many there have been: while it does not grow, nobody asks for anything."""

    def join(self, settings: Settings) -> None:
        """Somebody opens the hub. Who has a codec of payloads, or a place for large ones, says so for good."""
        coded = self._layout.coded or settings.payload_codec is not None
        apart = self._layout.apart or settings.large_payloads is not None
        if coded or apart:
            least = max(self._layout.format, FORMAT_CASKETS)
            self._layout = replace(self._layout, coded=coded, apart=apart, format=least)

    @property
    def layout(self) -> HubLayout:
        return self._layout

    @property
    def clock(self) -> Clock:
        return self._clock

    @property
    def generation(self) -> int:
        return self._generation

    @property
    def facts(self) -> ServerFacts:
        return ServerFacts(
            version="memory",
            run_id=self._run_id,
            maxmemory_policy="noeviction",
            appendonly=False,
            appendfsync="",
            cluster=False,
            replicas=0,
            used_memory_bytes=0,
        )

    def key_of_replies(self, group: int, client: str) -> bytes:
        """There are no keys here; the name is as good as one."""
        return f"reply:{group}:{client}".encode()

    def is_key_of_queue(self, queue: str, key: bytes) -> bool:
        """There are no keys here; the name is as good as one."""
        return key == f"queue:{queue}".encode()

    async def close(self) -> None:
        """Nothing: others in this process may still use the hub, and its data ends with the process."""

    # -- for tests -----------------------------------------------------------------------------------------------------

    def is_idle(self) -> bool:
        """No message waits, but for those of blocked targets, no timer is due, and no activity is to be carried out, but for
        those of queues that nobody serves."""
        now_ms = self._clock.now_ms()
        with self._lock:
            return not any(
                state.inbox
                or (state.timers and state.timers.order[0][0] <= now_ms)
                or any(target not in state.blocked for target in state.parks)
                for state in self._state.partitions
            ) and not has_work(self._state, now_ms)

    def next_due_ms(self) -> int | None:
        """When the hub's earliest timer is due, an activity may begin that waits for its rate, or the next entity expires: of the
        last, none whose time has come already, since nobody may be there to whom it is said."""
        now_ms = self._clock.now_ms()
        with self._lock:
            dues = [state.timers.next_due_ms for state in self._state.partitions]
            dues += [due_ms for state in self._state.partitions for due_ms in _timed_after(state, now_ms)]
            served = (name for name, queue in self._state.queues.items() if queue.opened)
            dues.append(soonest_due_ms(self._state, served))
        return min((due_ms for due_ms in dues if due_ms is not None), default=None)

    def snapshot(self) -> HubState:
        """The hub as it is now, to be given to `restore`."""
        with self._lock:
            return copy.deepcopy(self._state)

    def restart(self) -> None:
        """The server restarts with all its data: it has a new run ID, and whoever waits loses the connection."""
        with self._lock:
            self._run_id = secrets.token_hex(20)
            self._generation += 1
            self._waiters.fail(ConnectionLost("the server restarts"))

    def restore(self, snapshot: HubState) -> None:
        """Fail over to a replica that lagged: what was written since the snapshot is lost (HAZARDS 1, 2)."""
        with self._lock:
            self._state = copy.deepcopy(snapshot)
            self.restart()

    def expire_leases(self, *partitions: int) -> None:
        """Leases (of all partitions, if none is given) run out now."""
        with self._lock:
            for partition in partitions or range(self._layout.partitions):
                lease = self._state.partitions[partition].lease
                if lease.token:
                    lease.expires_ms = self._clock.now_ms() - 1

    def tear(self, partition: int) -> None:
        """The partition looks as if a commit had stopped in the middle (HAZARDS 4)."""
        with self._lock:
            self._state.partitions[partition].applying = secrets.token_bytes(16)

    def damage(self, partition: int, *, mended: bool = False) -> None:
        """Another program writes its own to where the partition's inbox is; `mended`: it is put right."""
        with self._lock:
            self._state.partitions[partition].damaged = not mended

    # -- how calls are made --------------------------------------------------------------------------------------------

    async def _call(self, method: str, step: Callable[[], _T]) -> _T:
        """One step of the server, with what is to go wrong. Suspends, as a request over a network does."""
        self.requests += 1
        fault = self.faults.take(method)
        await pause(self._clock, fault.delay_seconds if fault is not None else 0.0)
        if fault is not None and (fault.refused or fault.parts == 0):
            raise ConnectionLost(f"{method} was refused")
        with self._lock:
            answer = step()
        if fault is not None and fault.lost:
            raise ConnectionLost(f"the answer to {method} was lost")
        return answer

    async def _pipeline(
        self, method: str, parts: Sequence[Callable[[], _T]], generation: int | None = None
    ) -> list[_T]:
        """Several steps in one request. A connection that is lost meanwhile may have carried some of them."""
        self.requests += 1
        fault = self.faults.take(method)
        await pause(self._clock, fault.delay_seconds if fault is not None else 0.0)
        if fault is not None and fault.refused:
            raise ConnectionLost(f"{method} was refused")
        answers: list[_T] = []
        with self._lock:
            if generation is not None and generation != self._generation:
                raise ServerChanged(f"the server is of generation {self._generation}, not {generation}")
        for part in parts if fault is None else parts[: fault.parts]:
            with self._lock:
                answers.append(part())
        if fault is not None and fault.lost:
            raise ConnectionLost(f"the answer to {method} was lost")
        return answers

    async def _read(
        self,
        method: str,
        topics: Sequence[Topic],
        read: Callable[[], list[_T]],
        block_ms: int,
        due_ms: Callable[[], int | None] = lambda: None,
    ) -> list[_T]:
        """A read that waits while there is nothing, and looks again when something is due."""
        deadline = self._clock.monotonic() + block_ms / 1000
        found = await self._call(method, read)
        while not found:
            seconds = deadline - self._clock.monotonic()
            if seconds <= 0:
                break
            with self._lock:  # between looking and waiting nothing can come
                found = read()
                due = None if found else due_ms()
                waiter = None if found else self._waiters.enter(topics)
            if waiter is not None:
                if due is not None:
                    seconds = min(seconds, max(due - self._clock.now_ms(), 0) / 1000)
                await waiter.wait(seconds)
        return found

    def call_blocking(self, method: str, step: Callable[[HubState], _T]) -> _T:
        """One step from a thread without an event loop. For the renewer."""
        fault = self.faults.take(method)
        if fault is not None and fault.refused:
            raise ConnectionLost(f"{method} was refused")
        with self._lock:
            answer = step(self._state)
        if fault is not None and fault.lost:
            raise ConnectionLost(f"the answer to {method} was lost")
        return answer


def _timed_after(state: PartitionState, now_ms: int) -> Iterator[int]:
    """The first time after now in each set of times."""
    for name, entries in state.entries.items():
        place = bisect_right(entries.order, now_ms, key=itemgetter(0)) if name.startswith(TIMED) else len(entries.order)
        if place < len(entries.order):
            yield int(entries.order[place][0])
