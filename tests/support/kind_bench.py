"""A hub of instances in one partition, without workers and without a store's own code: what the kind says is done at once.

It commits after each message or after all that wait, and can forget every activation after each commit: nothing of that
may make a difference.
"""

from __future__ import annotations

import itertools
import time
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, cast

from stead.entities.extending import (
    Activation,
    Blocked,
    Effects,
    Message,
    Opening,
    Pending,
    ReplyAddress,
    Slice,
    decode_message,
    decode_reply,
    encode_message,
    message_extras,
)
from stead.orchestrations._activities.job import Job
from stead.orchestrations._history.event_codec import decode_event
from stead.orchestrations._history.event_table import name_of
from stead.orchestrations._history.failures import FailureDetails
from stead.orchestrations._history.messages import StartMessage, encode_start
from stead.orchestrations._history.record import InstanceRecord, decode_instance_record
from stead.orchestrations._history.well_formed import ill_formed
from stead.orchestrations._instance.kind import OrchestrationKind
from stead.orchestrations._instance.turn import Body
from stead.orchestrations._instance.well_formed import ill_formed as ill_formed_body
from stead.transport import Commit, Reuse, Settings, Timer
from support.core_bench import built
from support.instance_driver import START_MS, PlainCode, make_types
from support.left_open import close_later

CALLER = ReplyAddress(0, "client", 1)


class FakeRegistry:
    def __init__(self) -> None:
        self.codes: dict[tuple[str, str | None], PlainCode] = {}

    def orchestration(self, name: str, version: str | None = None) -> PlainCode | None:
        return self.codes.get((name.lower(), version))

    def knows(self, name: str) -> bool:
        return any(known == name.lower() for known, _ in self.codes)


class KindHub:
    """See the module. `inbox` holds what is not consumed, in order."""

    def __init__(
        self,
        *functions: Callable[..., Coroutine[Any, Any, Any]],
        batched: bool = True,
        forgetful: bool = False,
        **settings: Any,
    ) -> None:
        self.settings = Settings(**settings)
        self.batched = batched
        self.forgetful = forgetful
        self.registry = FakeRegistry()
        for function in functions:
            self.register(function)
        self.activities: dict[str, Callable[..., Any]] = {}
        self.places: dict[str, str] = {}
        self.now_ms = START_MS
        self.ids = itertools.count(1)
        self.inbox: deque[tuple[bytes, bytes]] = deque()
        self.local: deque[Message] = deque()
        self.states: dict[str, bytes] = {}
        self.logs: dict[str, list[bytes]] = {}
        self.timers: dict[bytes, Timer] = {}
        self.tasks: dict[bytes, Any] = {}
        self.reserved: dict[str, bytes] = {}
        self.blocked: dict[str, str] = {}
        self.outgoing: list[Message] = []  # to entities
        self.replies: list[tuple[int, Any]] = []
        self.dead: list[bytes] = []
        self.commits: list[Commit] = []
        self.run_tasks = True
        self.start_worker()
        close_later(self)

    def register(self, function: Callable[..., Any], name: str | None = None, version: str | None = None) -> None:
        name = name or function.__name__
        self.registry.codes[name, version] = PlainCode(function, name, version)

    def start_worker(self) -> None:
        """A worker comes and takes over what there is."""
        self.kind = OrchestrationKind(
            self.registry,  # type: ignore[arg-type]
            self.settings,
            lambda: self.now_ms,
            self._route,  # type: ignore[arg-type]
            make_types(),
        )
        self.activations: dict[str, Activation] = {}
        self.effects = Effects(1, self.settings, lambda: self.now_ms, b"nonce%03d" % next(self.ids))
        self.slice = Slice(self.effects, self.settings, time.perf_counter)
        self.seen: set[bytes] = set()
        for target in list(self.blocked):
            self.activation(target).more = True

    def _route(self, name: str, queue: str) -> str:
        return self.places.get(name, "own" if name in self.activities else "unknown")

    # -- what clients do -----------------------------------------------------------------------------------------------

    def start(self, name: str, input: Any = None, instance_id: str = "one", **others: Any) -> str:
        reuse, waiter = others.pop("reuse", Reuse.FINISHED), others.pop("waiter", None)
        message_id = b"start%d" % next(self.ids)
        start = StartMessage(name, others.pop("version", None), input, self.now_ms, reuse=int(reuse), **others)
        self.reserved[instance_id] = message_id
        self._enter(encode_start(instance_id, start, message_id, waiter))
        return instance_id

    def send(self, target: str, operation: str, *args: Any, reply_to: ReplyAddress | None = None) -> None:
        extras = message_extras(reply_to=reply_to)
        self._enter(encode_message(target, operation, list(args), b"m%d" % next(self.ids), extras))

    def _enter(self, envelope: bytes) -> None:
        self.inbox.append((b"%d-0" % next(self.ids), envelope))

    def record(self, instance_id: str = "one") -> InstanceRecord:
        return decode_instance_record(self.states[instance_id])

    def status(self, instance_id: str = "one") -> str | None:
        state = self.states.get(instance_id)
        return None if state is None else str(decode_instance_record(state).status)

    def output(self, instance_id: str = "one") -> Any:
        return self.record(instance_id).output

    def history(self, instance_id: str = "one") -> list[Any]:
        return [decode_event(data) for data in self.logs.get(instance_id, [])]

    def names(self, instance_id: str = "one") -> list[str]:
        return [name_of(event) for event in self.history(instance_id)]

    # -- what a worker does --------------------------------------------------------------------------------------------

    def activation(self, target: str) -> Activation:
        activation = self.activations.get(target)
        if activation is None:
            activation = self.activations[target] = Activation(target)
            state = self.states.get(target)
            activation.stored = state is not None
            activation.body = self.kind.activate(target, state, tuple(self.logs.get(target, ())))
            while isinstance(activation.body, Opening):
                activation.body = activation.body.go_on()
            activation.kind = self.kind
        return activation

    def run(self, rounds: int = 10_000) -> KindHub:
        """Until nothing happens by itself any more."""
        for _ in range(rounds):
            if not self.step():
                return self
        raise AssertionError("it does not come to rest")

    def step(self) -> bool:
        """Let everything that is ready take its turns; false if nothing was."""
        self._receive()
        ready = [a for a in self.activations.values() if a.mailbox or a.express or a.more]
        for activation in ready:
            self.slice.one_turn = not self.batched
            assert self.kind.run(activation, self.effects, self.slice) is None
            if not self.batched or self.slice.full:
                self.commit()
        self.commit()
        return bool(ready)

    def _receive(self) -> None:
        while self.local:
            message = self.local.popleft()
            message.express = True
            self.activation(message.target).hear_express(Pending(b"", b"", message, False))
        for stream_id, envelope in self.inbox:
            if stream_id not in self.seen:
                self.seen.add(stream_id)
                message = decode_message(envelope)
                try:
                    activation = self.activation(message.target)
                except Blocked as blocked:
                    self.blocked[message.target] = blocked.reason
                    del self.activations[message.target]
                    continue
                activation.hear(Pending(stream_id, envelope, message, False))

    def build(self) -> Commit:
        """A commit of what there is, which is not applied."""
        return built(self.effects, *self.activations.values())[0]

    def commit(self) -> None:
        if self.effects.empty:
            return
        commit = self.build()
        self.commits.append(commit)
        self._apply(commit)
        self.check()
        if self.forgetful:
            for target, activation in list(self.activations.items()):
                if not (activation.mailbox or activation.express or activation.more):
                    self.kind.forget(activation)
                    del self.activations[target]

    def check(self) -> None:
        """What is stored of instances is well formed, and what is in memory; of those that have been purged nothing is left."""
        for instance_id, activation in self.activations.items():
            fault = ill_formed_body(cast("Body", activation.body))
            assert fault is None, f"{instance_id}: {fault}"
        for instance_id, state in self.states.items():
            fault = ill_formed(decode_instance_record(state), self.history(instance_id))
            assert fault is None, f"{instance_id}: {fault}"
        assert all(target in self.states for target, log in self.logs.items() if log), "a history has no record"

    def _apply(self, commit: Commit) -> None:
        consumed = set(commit.consumed)
        self.inbox = deque(entry for entry in self.inbox if entry[0] not in consumed)
        self.states.update(commit.states)
        for target in commit.deleted:
            del self.states[target]
        for log in commit.logs:
            if log.reset:
                self.logs[log.target] = []
            self.logs.setdefault(log.target, []).extend(log.events)
        for task_id in commit.dropped:
            self.tasks.pop(task_id, None)
        for target, message_id in commit.started:
            if self.reserved.get(target) == message_id:
                del self.reserved[target]
        for timer_id in commit.cancelled:
            self.timers.pop(timer_id, None)
        self.timers.update({timer.timer_id: timer for timer in commit.timers})
        for _, envelope in commit.sends:
            self._deliver(envelope)
        for sent in commit.starts:
            self.reserved.setdefault(sent.target, sent.message_id)
            self._enter(sent.payload)
        for target in commit.unblocked:
            self.blocked.pop(target, None)
        self.blocked.update(commit.blocked)
        for reply in commit.replies:
            call_id, value, _ = decode_reply(reply.payload)
            self.replies.append((call_id, value))
        self.dead += commit.dead
        for task in commit.tasks:
            self.tasks[task.task_id] = task
            if self.run_tasks:
                self.perform(task.task_id)

    def _deliver(self, envelope: bytes) -> None:
        message = decode_message(envelope)
        if message.target.startswith("@"):
            self.outgoing.append(message)
        else:
            self._enter(envelope)

    def perform(self, task_id: bytes) -> None:
        """Carry out an activity."""
        job = Job(task_id, self.tasks[task_id].payload)
        context = job.context
        ok, value = True, None
        try:
            value = self.activities[job.name](*job.args)
        except Exception as error:  # noqa: BLE001
            ok, value = False, FailureDetails.of(error).as_map()
        args = [context.execution_id, context.task_id, ok, value]
        self.local.append(Message(context.instance_id, "task", args, b"", None, None, None, None, None))

    def answer(self, message: Message, value: Any = None, *, ok: bool = True) -> None:
        """An entity answers what it was asked."""
        assert message.task is not None
        self.send(message.task.instance, "task", message.task.execution_id, message.task.task_id, ok, value)

    def advance(self, ms: int) -> KindHub:
        """Let time pass, and timers fire."""
        self.run()
        until = self.now_ms + ms
        while due := [timer for timer in self.timers.values() if timer.due_ms <= until]:
            timer = min(due, key=lambda timer: timer.due_ms)
            self.now_ms = max(self.now_ms, timer.due_ms)
            del self.timers[timer.timer_id]
            self._enter(timer.payload)
            self.run()
        self.now_ms = until
        return self.run()

    def close(self) -> None:
        """The worker forgets everything."""
        for activation in self.activations.values():
            self.kind.forget(activation)

    def crash(self) -> KindHub:
        """The worker dies, and another one takes over: what was not committed did not happen."""
        self.local.clear()
        self.close()
        self.start_worker()
        for task_id in list(self.tasks):
            if self.run_tasks:
                self.perform(task_id)
        return self


def messages_to(hub: KindHub, target: str) -> Sequence[Message]:
    """What an entity was sent."""
    return [message for message in hub.outgoing if message.target == target]
