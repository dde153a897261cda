"""The client of a hub's orchestrations: start, wait, raise events, manage, purge, and what `reading` can.

What changes an instance is a message to it: durable when the method returns, carried out when the instance's turn comes.
Whether the instance exists, and whether it is finished, is looked at by the store when it takes the message, or by the client
before it sends one, so that whoever is wrong about that is told at once; what changes after that is for the instance to judge
(it drops what comes after its end).
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import Any, TypeVar, overload

from stead.entities import BacklogFull, CallTimeout, Registry
from stead.entities.extending import (
    SENDS_EVENT,
    SENDS_START,
    check_instance_id,
    check_tags,
    instant_in_ms,
    message_extras,
    sending,
)
from stead.orchestrations._definition.input import OMITTED, InstanceId
from stead.orchestrations._definition.orchestration import InputOptional, Orchestration
from stead.orchestrations._definition.registry import OrchestrationRegistry
from stead.orchestrations._definition.versions import check_version
from stead.orchestrations._history.errors import (
    InstanceExists,
    InstanceFinished,
    InstanceRunning,
    UnknownInstance,
    UnknownOrchestration,
)
from stead.orchestrations._history.ids import first_execution_id
from stead.orchestrations._history.messages import (
    CANCEL,
    EVENT,
    PURGE,
    RESUME,
    REWIND,
    RUNNING,
    START,
    SUSPEND,
    TERMINATE,
    WAIT,
    StartMessage,
)
from stead.orchestrations._history.record import RuntimeStatus, decode_instance_record
from stead.orchestrations._history.status import OrchestrationStatus
from stead.transport import PayloadLocked, Reuse, Settings, Store

from .begun import Begun, BegunInstances
from .queries import Filter, Look, finished_statuses
from .starts import ReusePolicy, Subject, check_reason, check_reuse, event_args, resolve_subject
from .telling import InstanceTeller

I = TypeVar("I")  # noqa: E741 - an orchestration's input
O = TypeVar("O")  # noqa: E741 - and its output

WAIT_LOOK_S_FIRST = 2.0
"""A waiting client is told; it looks by itself too, this long after it began and then less and less often, because the
answer may be lost with a server that failed over."""

WAIT_LOOK_S_MAX = 15.0

NOT_FINISHED = "it is not finished; wait again, or look at it (`get_status`, `stead status`)"
PURGES_AT_ONCE = 100


class InstanceClient(InstanceTeller):
    """Talks to the entities and orchestrations of one hub. Close it with `aclose`, or use it with `async with`."""

    def __init__(
        self, store: Store, registry: Registry, settings: Settings, orchestrations: OrchestrationRegistry
    ) -> None:
        """A client over an open store, which it does not close."""
        super().__init__(store, registry, settings, orchestrations)
        self._orchestrations = orchestrations
        self._begun = BegunInstances(store, self._calls)

    # -- starting ------------------------------------------------------------------------------------------------------

    @overload
    async def start_new(
        self,
        orchestration: InputOptional[I, O],
        input: I = ...,
        *,
        instance_id: str | None = None,
        at: datetime | None = None,
        version: str | None = None,
        tags: Mapping[str, str] | None = None,
        reuse: ReusePolicy = "finished",
    ) -> InstanceId[O]: ...

    @overload
    async def start_new(
        self,
        orchestration: Orchestration[I, O],
        input: I,
        *,
        instance_id: str | None = None,
        at: datetime | None = None,
        version: str | None = None,
        tags: Mapping[str, str] | None = None,
        reuse: ReusePolicy = "finished",
    ) -> InstanceId[O]: ...

    @overload
    async def start_new(
        self,
        orchestration: str,
        input: Any = ...,
        *,
        instance_id: str | None = None,
        at: datetime | None = None,
        version: str | None = None,
        tags: Mapping[str, str] | None = None,
        reuse: ReusePolicy = "finished",
    ) -> InstanceId[Any]: ...

    async def start_new(
        self,
        orchestration: Any,
        input: Any = OMITTED,
        *,
        instance_id: str | None = None,
        at: datetime | None = None,
        version: str | None = None,
        tags: Mapping[str, str] | None = None,
        reuse: ReusePolicy = "finished",
    ) -> InstanceId[Any]:
        """Start an instance of an orchestration and give its ID; the start is durable when this returns.

        `instance_id`: yours (a start is safe to repeat then), else a random one. `at`: not before that instant. `tags`:
        text by text, shown with the status and inherited by sub-orchestrations. `reuse`: what is done if the ID is
        taken: "finished" uses it again once that instance is finished and raises `InstanceExists` before, "never" always
        raises, "always" terminates the old instance.

        Raises `UnknownOrchestration` (by name: if the hub's workers have published names, but not this one) and
        `InvalidInput` before anything is sent, `PayloadTooLarge`, and what `signal_entity` raises of the store.
        """
        subject = resolve_subject(self._orchestrations, orchestration, check_version(version))
        given = subject.encode(input)  # before anything is awaited
        if subject.published:
            await self._check_published(subject.name)
        definition = subject.definition
        if instance_id is None:
            instance_id = definition.instance_id if definition is not None else None
        return await self._start(
            subject,
            given,
            uuid.uuid4().hex if instance_id is None else check_instance_id(instance_id),
            None if at is None else instant_in_ms(at),
            check_tags({**((definition.tags if definition is not None else None) or {}), **(tags or {})}),
            check_reuse(reuse),
        )

    async def _start(
        self,
        subject: Subject,
        given: object,
        instance_id: str,
        at_ms: int | None,
        tags: Mapping[str, str] | None,
        reuse: Reuse,
    ) -> InstanceId[Any]:
        version = subject.version or self._settings.default_version or None
        now_ms = self._store.clock.now_ms()
        tags = None if tags is None else dict(tags)
        start = StartMessage(subject.name, version, given, now_ms, at_ms, tags, None, int(reuse))
        message_id = self._outgoing.next_message_id()
        told, generation = await self._begun.call(instance_id), self._store.generation
        try:
            with sending(SENDS_START, instance_id, subject.name) as trace:
                waiter = None if told is None else self._calls.reply_to(told)
                extras = message_extras(waiter=waiter, trace=trace)
                payload = self._outgoing.encode(instance_id, START, list(start), extras, message_id)
                partition = self._outgoing.partition(instance_id)
                sender = await self._roomy_sender()
                ticket = sender.put_start(partition, payload, instance_id, message_id, reuse)
                if not await sender.wait_judged(ticket):
                    raise InstanceExists(instance_id)
        except BaseException:
            if told is not None:
                self._calls.end(told)
            raise
        look = Look(instance_id, None, start, (), first_execution_id(message_id))
        self._begun.note(Begun(look, told, generation))
        return InstanceId(instance_id)

    async def restart(self, instance_id: str, new_instance_id: bool = True) -> InstanceId[Any]:
        """Start an instance anew, with the name, version, input and tags of this one; gives its ID.

        Under a new ID, or under the same one: then the old one has to be finished (`InstanceExists` otherwise), and its
        history is dropped. Raises `UnknownInstance`.
        """
        look = await self._look(instance_id, events=1)
        known = look.known
        subject = Subject(known.name, known.version)
        new_id = uuid.uuid4().hex if new_instance_id else instance_id
        return await self._start(subject, look.input, new_id, None, known.tags, Reuse.FINISHED)

    async def _check_published(self, name: str) -> None:
        if not await self._outgoing.names.knows(f"orchestration/{name.lower()}"):
            raise UnknownOrchestration(name, self._outgoing.names.known("orchestration"))

    # -- waiting -------------------------------------------------------------------------------------------------------

    @overload
    async def wait_for_completion(
        self, instance_id: InstanceId[O], timeout: float | None = ...
    ) -> OrchestrationStatus[O]: ...

    @overload
    async def wait_for_completion(self, instance_id: str, timeout: float | None = ...) -> OrchestrationStatus[Any]: ...

    async def wait_for_completion(self, instance_id: str, timeout: float | None = 30.0) -> OrchestrationStatus[Any]:
        """Wait until an instance is finished, however it ends, and give its status.

        Raises `CallTimeout` after `timeout` seconds (None: never; 0: unless it is finished now) and `UnknownInstance` if it
        does not exist. It goes on over restarts of workers and of the server, and while the server's memory is full.
        """
        look = await self._look(instance_id, events=1) if timeout is not None and timeout <= 0 else None
        scope = asyncio.timeout(timeout)
        try:
            async with scope:
                begun = None if look is not None else self._begun.take(instance_id)
                if begun is not None:
                    look = await self._wait(begun.look, begun)
                look = look or await self._look(instance_id, events=1)
                if not look.finished:
                    look = await self._wait(look)
        except TimeoutError:
            if timeout is None or not scope.expired():
                raise
            raise CallTimeout(f"waiting for instance {instance_id}", timeout, NOT_FINISHED) from None
        return self._instances.status(look, strict=isinstance(instance_id, InstanceId))

    async def _wait(self, look: Look, begun: Begun | None = None) -> Look:
        """The instance once it is finished: it answers, and now and then this looks by itself."""
        instance_id = look.instance_id
        told = None if begun is None else begun.told
        pending = told or await self._begun.wait(instance_id)
        try:
            seconds = WAIT_LOOK_S_FIRST
            # If the start has said who waits, only another server than the one that took it has to be told.
            trusting = told is not None and await self._begun.all_workers_tell()
            generation = begun.generation if begun is not None and trusting else -1
            while not look.finished:
                if self._store.generation != generation:
                    # Another server than the one that took the message may not have it.
                    generation = self._store.generation
                    extras = message_extras(reply_to=self._calls.reply_to(pending))
                    await self._send_call(pending, self._outgoing.encode(instance_id, WAIT, [], extras))
                if not (await asyncio.wait((pending.future,), timeout=seconds))[0]:
                    seconds = min(2 * seconds, WAIT_LOOK_S_MAX)
                    if trusting:  # whoever runs it may not know that somebody waits
                        trusting, generation = False, -1
                elif isinstance(pending.future.exception(), (BacklogFull, PayloadLocked)):
                    # There is no room for the question, or the answer cannot be decoded: look by itself, and ask again after that.
                    await asyncio.sleep(WAIT_LOOK_S_FIRST)
                    self._calls.end(pending)
                    pending, generation = await self._begun.wait(instance_id), -1
                else:
                    answer: object = pending.future.result()
                    if not isinstance(answer, bytes):
                        raise UnknownInstance(instance_id)
                    return await self._read(partial(self._instances.answered, look, decode_instance_record(answer)))
                look = await self._look(instance_id, events=1)
            return look
        finally:
            self._calls.end(pending)

    # -- managing ------------------------------------------------------------------------------------------------------

    async def raise_event(self, instance_id: str, name: str, data: Any = None) -> None:
        """Send an external event to an instance: durable when it returns.

        An instance that does not wait for it yet keeps it. Names match without regard to case. Raises `UnknownInstance`,
        `InstanceFinished`, and what `signal_entity` raises of the store.
        """
        args = event_args(name, data)
        with sending(SENDS_EVENT, check_instance_id(instance_id), name) as trace:
            payload = self._outgoing.encode(instance_id, EVENT, args, message_extras(trace=trace))
            ended = await self._send_unless_ended(instance_id, payload)
            if ended is not None:
                raise InstanceFinished(instance_id, ended.status)

    async def terminate(self, instance_id: str, reason: str = "", *, recursive: bool = True) -> None:
        """End an instance as it is: its status becomes Terminated, with the reason as its output. `recursive`: its
        sub-orchestrations too. Activities that run are not waited for. Nothing happens to a finished one.

        Raises `UnknownInstance`.
        """
        await self._tell(instance_id, TERMINATE, check_reason(reason), recursive)

    async def cancel(self, instance_id: str, reason: str = "") -> None:
        """Ask an instance to end: its code finds itself cancelled where it waits (`asyncio.CancelledError`, with the reason),
        may undo what it has done, and the instance is Canceled when the error has left it, with the reason as its output.

        One that has not begun is Canceled at once; one that is suspended hears of it when it goes on. Its sub-orchestrations
        are asked as well when it has ended, unless their `parent_close` says otherwise. Nothing happens to a finished one, or
        to one that was asked before: `terminate` ends it whatever it does. Raises `UnknownInstance`.
        """
        await self._tell(instance_id, CANCEL, check_reason(reason))

    async def suspend(self, instance_id: str, reason: str = "") -> None:
        """Let an instance pause: what arrives is kept, and its code does not run, until `resume`. Nothing happens to a
        suspended or finished one. Raises `UnknownInstance`.
        """
        await self._tell(instance_id, SUSPEND, check_reason(reason))

    async def resume(self, instance_id: str, reason: str = "") -> None:
        """Let a suspended instance go on. Nothing happens to another one. Raises `UnknownInstance`."""
        await self._tell(instance_id, RESUME, check_reason(reason))

    async def rewind(self, instance_id: str, reason: str = "") -> None:
        """Let a failed instance go on from its last good state: what failed is tried again, what succeeded is kept.

        Returns once it goes on. Raises `UnknownInstance`, `InstanceFinished` if it ended otherwise, `InstanceRunning` if it
        has not ended, and `CallTimeout` if no worker answers: the instance is rewound when one comes.
        """
        look = await self._look(instance_id)
        if not look.finished:
            raise InstanceRunning(instance_id, look.status)
        if look.status is not RuntimeStatus.FAILED:
            raise InstanceFinished(instance_id, look.status)
        with suppress(PayloadLocked):
            await self._call_instance(instance_id, REWIND, check_reason(reason))

    # -- purging -------------------------------------------------------------------------------------------------------

    async def purge(self, instance_id: str, *, recursive: bool = False) -> bool:
        """Delete a finished instance with its history; `recursive`: its sub-orchestrations too. Whether something was
        deleted: False if there is no such instance. Raises `InstanceRunning`, and `CallTimeout` if no worker answers.
        """
        check_instance_id(instance_id)
        look = await self._read(lambda: self._instances.look(instance_id))
        if look is None:
            return False
        if not look.finished:
            raise InstanceRunning(instance_id, look.status)
        return await self._purge(instance_id, recursive=recursive)

    async def purge_instances(
        self,
        *,
        statuses: Iterable[RuntimeStatus | str] | None = None,
        name: Any = None,
        prefix: str = "",
        created_from: datetime | None = None,
        created_to: datetime | None = None,
        tags: Mapping[str, str] | None = None,
        recursive: bool = False,
        progress: Callable[[int], None] | None = None,
    ) -> int:
        """Delete the finished instances that match all of what is given (as for `list_instances`); gives how many.

        Without `statuses` those of any end. `progress` is told the number so far after each bundle of them.
        """
        chosen = Filter.of(finished_statuses(statuses), name, created_from, created_to, tags)
        count = 0
        async for page in self._list_pages(self._store.list_instances, prefix):
            targets = [look.instance_id for look in self._instances.matching(page, chosen)]
            for first in range(0, len(targets), PURGES_AT_ONCE):
                bundle = targets[first : first + PURGES_AT_ONCE]
                count += sum(await asyncio.gather(*(self._purge_quietly(target, recursive) for target in bundle)))
                if progress is not None:
                    progress(count)
        return count

    async def _purge(self, instance_id: str, *, recursive: bool) -> bool:
        try:
            answer = await self._call_instance(instance_id, PURGE, recursive)
        except PayloadLocked:
            status = await self.get_status(instance_id)
            answer = True if status is None else not status.is_finished and RUNNING
        if answer == RUNNING:
            raise InstanceRunning(instance_id)
        return answer is True

    async def _purge_quietly(self, instance_id: str, recursive: bool) -> bool:
        try:
            return await self._purge(instance_id, recursive=recursive)
        except InstanceRunning:
            return False  # it was started anew meanwhile
