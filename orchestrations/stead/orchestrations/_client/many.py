"""The client of a hub's orchestrations, with what is done to many instances at once: all that match, with an account; and many
events in a stream."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, TypeAlias, get_args, overload

from stead.orchestrations._history.errors import InstanceFinished, InstanceRunning, UnknownInstance
from stead.orchestrations._history.record import FINISHED, RuntimeStatus
from stead.transport import InvalidInput, SteadError
from stead.transport.describing import text_of

from .client import InstanceClient
from .producer import InstanceProducer, InstanceSourceProducer
from .queries import Filter, Look
from .starts import check_reason, event_args

InstanceAction: TypeAlias = Literal["terminate", "cancel", "suspend", "resume", "rewind", "raise_event"]
"""What can be done to many instances at once."""

AT_ONCE = 100

_OF_USE: Mapping[str, frozenset[RuntimeStatus]] = {
    "resume": frozenset({RuntimeStatus.SUSPENDED}),
    "rewind": frozenset({RuntimeStatus.FAILED}),
    "suspend": frozenset(RuntimeStatus) - FINISHED - {RuntimeStatus.SUSPENDED},
}
_UNFINISHED = frozenset(RuntimeStatus) - FINISHED


@dataclass(slots=True)
class Account:
    """What became of the instances that matched.

    `matched`: how many there were; `done`: to how many it was done (in a dry run: would be); `passed_over`: how many it is of no use
    to, as of a finished one that is to end; `failed`: why it could not be done to an instance, by its ID.
    """

    matched: int = 0
    done: int = 0
    passed_over: int = 0
    failed: dict[str, str] = field(default_factory=dict[str, str])


class OrchestrationClient(InstanceClient):
    """Talks to the entities and orchestrations of one hub. Close it with `aclose`, or use it with `async with`."""

    @overload
    def producer(self, source: None = None) -> InstanceProducer: ...

    @overload
    def producer(self, source: str) -> InstanceSourceProducer: ...

    def producer(self, source: str | None = None) -> InstanceProducer | InstanceSourceProducer:
        """A producer of signals and events in a stream: `async with client.producer() as producer`.

        With a `source`, they carry sequence numbers of an at-least-once source and are accepted once, whatever restarts in
        between; one producer per source at a time.
        """
        if source is None:
            return self._produced_by(InstanceProducer, None)
        return self._produced_by(InstanceSourceProducer, source)

    async def manage_instances(
        self,
        action: InstanceAction,
        *,
        reason: str = "",
        event: str = "",
        data: Any = None,
        recursive: bool = True,
        statuses: Iterable[RuntimeStatus | str] | None = None,
        name: Any = None,
        prefix: str = "",
        created_from: datetime | None = None,
        created_to: datetime | None = None,
        tags: Mapping[str, str] | None = None,
        dry_run: bool = False,
        progress: Callable[[int], None] | None = None,
    ) -> Account:
        """Do the same to all instances that match (as for `list_instances`), and give an account of it.

        `action`: what the method of that name does to one, with `reason` (`event` and `data` for "raise_event", `recursive` for
        "terminate"). What it is of no use to is passed over, and what fails for one does not keep it from the others. `dry_run`:
        only count. `progress` is told how many have been gone through, after each bundle of them. Each instance is seen at its
        own moment. Raises `InvalidInput`.
        """
        if action not in get_args(InstanceAction):
            raise InvalidInput(f"action {action!r}", f"write one of {', '.join(get_args(InstanceAction))}")
        check_reason(reason)
        if action == "raise_event":
            event_args(event, data)
        chosen = Filter.of(statuses, name, created_from, created_to, tags)
        of_use = _OF_USE.get(action, _UNFINISHED)
        account = Account()

        async def act(look: Look) -> None:
            if dry_run:
                account.done += 1
                return
            try:
                await self._act(action, look.instance_id, reason, event, data, recursive=recursive)
                account.done += 1
            except (InstanceFinished, InstanceRunning, UnknownInstance):  # it has changed since
                account.passed_over += 1
            except SteadError as error:
                account.failed[look.instance_id] = text_of(error)

        async for page in self._list_pages(self._store.list_instances, prefix):
            found = list(self._instances.matching(page, chosen))
            for first in range(0, len(found), AT_ONCE):
                bundle = found[first : first + AT_ONCE]
                useful = [look for look in bundle if look.status in of_use]
                account.matched += len(bundle)
                account.passed_over += len(bundle) - len(useful)
                await asyncio.gather(*map(act, useful))
                if progress is not None:
                    progress(account.matched)
        return account

    async def _act(
        self, action: InstanceAction, instance_id: str, reason: str, event: str, data: Any, *, recursive: bool
    ) -> None:
        match action:
            case "terminate":
                await self.terminate(instance_id, reason, recursive=recursive)
            case "cancel":
                await self.cancel(instance_id, reason)
            case "suspend":
                await self.suspend(instance_id, reason)
            case "resume":
                await self.resume(instance_id, reason)
            case "rewind":
                await self.rewind(instance_id, reason)
            case "raise_event":
                await self.raise_event(instance_id, event, data)
