"""The part of `SyncClient` that is about orchestrations: the asynchronous client's methods, without `await`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, ParamSpec, TypeAlias, TypeVar, overload

from stead.orchestrations import OMITTED

from .portal import Asked, Portal

if TYPE_CHECKING:
    from stead.app._hub.client import Client
    from stead.orchestrations import (
        Account,
        InputOptional,
        InstanceAction,
        InstanceId,
        Orchestration,
        OrchestrationQuery,
        OrchestrationStatus,
        OrchestrationUpdate,
        RuntimeStatus,
    )
    from stead.orchestrations.histories import Event

T = TypeVar("T")
P = ParamSpec("P")
R = TypeVar("R")
I = TypeVar("I")  # noqa: E741 - an orchestration's input
O = TypeVar("O")  # noqa: E741 - and its output

ReusePolicy: TypeAlias = Literal["finished", "never", "always"]

LIST_CHUNK = 200  # what is fetched from the client's thread at a time


class SyncOrchestrations:
    """Starts and manages orchestrations, each method waiting for its result."""

    _portal: Portal
    _seconds: float | None  # the deadline of each request, None: the default

    @overload
    def start_new(
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
    def start_new(
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
    def start_new(
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

    def start_new(
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
        """Start an instance of an orchestration and give its ID. The start is durable when it returns."""
        return self._portal.run(
            lambda client: client.start_new(
                orchestration, input, instance_id=instance_id, at=at, version=version, tags=tags, reuse=reuse
            ),
            self._seconds,
        )

    def restart(self, instance_id: str, new_instance_id: bool = True) -> InstanceId[Any]:
        """Start an instance anew with its input, under a new ID (or under its own, once it is finished); gives the ID."""
        return self._portal.run(lambda client: client.restart(instance_id, new_instance_id), self._seconds)

    @overload
    def get_status(
        self, instance_id: InstanceId[O], show_history: bool = ..., show_input: bool = ...
    ) -> OrchestrationStatus[O] | None: ...

    @overload
    def get_status(
        self, instance_id: str, show_history: bool = ..., show_input: bool = ...
    ) -> OrchestrationStatus[Any] | None: ...

    def get_status(
        self, instance_id: str, show_history: bool = False, show_input: bool = True
    ) -> OrchestrationStatus[Any] | None:
        """An instance's status, None if it does not exist. Never waits for the instance."""
        return self._portal.run(lambda client: client.get_status(instance_id, show_history, show_input), self._seconds)

    def read_history(self, instance_id: str) -> list[Event]:
        """An instance's history as it is stored."""
        return self._portal.run(lambda client: client.read_history(instance_id), self._seconds)

    @overload
    def wait_for_completion(
        self, instance_id: InstanceId[O], timeout: float | None = ...
    ) -> OrchestrationStatus[O]: ...

    @overload
    def wait_for_completion(self, instance_id: str, timeout: float | None = ...) -> OrchestrationStatus[Any]: ...

    def wait_for_completion(self, instance_id: str, timeout: float | None = 30.0) -> OrchestrationStatus[Any]:
        """Wait until an instance is finished, however it ends, and give its status; `CallTimeout` after `timeout`."""
        own = self._seconds
        seconds = own if timeout is None or (own is not None and own < timeout) else timeout
        return self._portal.run(lambda client: client.wait_for_completion(instance_id, seconds))

    def raise_event(self, instance_id: str, name: str, data: Any = None) -> None:
        """Send an external event to an instance. Durable when it returns."""
        self._portal.run(lambda client: client.raise_event(instance_id, name, data), self._seconds)

    def terminate(self, instance_id: str, reason: str = "", *, recursive: bool = True) -> None:
        """End an instance as it is, and its sub-orchestrations unless `recursive` is False."""
        self._portal.run(lambda client: client.terminate(instance_id, reason, recursive=recursive), self._seconds)

    def cancel(self, instance_id: str, reason: str = "") -> None:
        """Ask an instance to end, so that it may undo what it has done; its sub-orchestrations after it."""
        self._portal.run(lambda client: client.cancel(instance_id, reason), self._seconds)

    def suspend(self, instance_id: str, reason: str = "") -> None:
        """Let an instance pause until `resume`."""
        self._portal.run(lambda client: client.suspend(instance_id, reason), self._seconds)

    def resume(self, instance_id: str, reason: str = "") -> None:
        """Let a suspended instance go on."""
        self._portal.run(lambda client: client.resume(instance_id, reason), self._seconds)

    def rewind(self, instance_id: str, reason: str = "") -> None:
        """Let a failed instance try again what failed."""
        asked = Asked(f"rewinding {instance_id}", instance_id)
        self._portal.run(lambda client: client.rewind(instance_id, reason), self._seconds, asked)

    @overload
    def ask(self, query: OrchestrationQuery[P, R], instance_id: str, /, *args: P.args, **kwargs: P.kwargs) -> R: ...

    @overload
    def ask(self, query: str, instance_id: str, /, *args: Any, **kwargs: Any) -> Any: ...

    def ask(self, query: Any, instance_id: str, /, *args: Any, **kwargs: Any) -> Any:
        """Ask an instance something that its code shares. Nothing of it is kept."""
        asked = Asked(f"asking {instance_id}", instance_id)
        return self._portal.run(lambda client: client.ask(query, instance_id, *args, **kwargs), self._seconds, asked)

    @overload
    def update(
        self, update: OrchestrationUpdate[Any, P, R], instance_id: str, /, *args: P.args, **kwargs: P.kwargs
    ) -> R: ...

    @overload
    def update(self, update: str, instance_id: str, /, *args: Any, **kwargs: Any) -> Any: ...

    def update(self, update: Any, instance_id: str, /, *args: Any, **kwargs: Any) -> Any:
        """Tell an instance something, and wait for what comes of it."""
        told = Asked(f"telling {instance_id} something", instance_id)
        return self._portal.run(lambda client: client.update(update, instance_id, *args, **kwargs), self._seconds, told)

    def purge(self, instance_id: str, *, recursive: bool = False) -> bool:
        """Delete a finished instance with its history; whether there was one."""
        asked = Asked(f"purging {instance_id}", instance_id)
        return self._portal.run(lambda client: client.purge(instance_id, recursive=recursive), self._seconds, asked)

    def purge_instances(
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
        """Delete the finished instances that match all of what is given; gives how many. `progress` is called in the
        client's thread.
        """
        return self._portal.run(
            lambda client: client.purge_instances(
                statuses=statuses,
                name=name,
                prefix=prefix,
                created_from=created_from,
                created_to=created_to,
                tags=tags,
                recursive=recursive,
                progress=progress,
            ),
            self._seconds,
        )

    def manage_instances(
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
        """Do the same to all instances that match; gives an account. `progress` is called in the client's thread."""
        return self._portal.run(
            lambda client: client.manage_instances(
                action,
                reason=reason,
                event=event,
                data=data,
                recursive=recursive,
                statuses=statuses,
                name=name,
                prefix=prefix,
                created_from=created_from,
                created_to=created_to,
                tags=tags,
                dry_run=dry_run,
                progress=progress,
            ),
            self._seconds,
        )

    def list_instances(
        self,
        *,
        statuses: Iterable[RuntimeStatus | str] | None = None,
        name: Any = None,
        prefix: str = "",
        created_from: datetime | None = None,
        created_to: datetime | None = None,
        tags: Mapping[str, str] | None = None,
        show_input: bool = False,
        after: str = "",
    ) -> Iterator[OrchestrationStatus[Any]]:
        """The instances that match all of what is given, ascending by ID, from after `after` on."""

        async def begin(client: Client) -> AsyncIterator[OrchestrationStatus[Any]]:
            return client.list_instances(
                statuses=statuses,
                name=name,
                prefix=prefix,
                created_from=created_from,
                created_to=created_to,
                tags=tags,
                show_input=show_input,
                after=after,
            )

        return in_chunks(self._portal, self._portal.run(begin, self._seconds), self._seconds)

    def count_instances(
        self,
        *,
        statuses: Iterable[RuntimeStatus | str] | None = None,
        name: Any = None,
        prefix: str = "",
        created_from: datetime | None = None,
        created_to: datetime | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> dict[tuple[str, RuntimeStatus], int]:
        """How many instances there are of each orchestration in each status, of those that match."""
        return self._portal.run(
            lambda client: client.count_instances(
                statuses=statuses,
                name=name,
                prefix=prefix,
                created_from=created_from,
                created_to=created_to,
                tags=tags,
            ),
            self._seconds,
        )


def in_chunks(portal: Portal, iterator: AsyncIterator[T], seconds: float | None) -> Iterator[T]:
    """What an iterator of the client's thread gives, fetched a chunk at a time."""
    more = True
    while more:
        chunk = portal.run(lambda _: _take(iterator, LIST_CHUNK), seconds)
        yield from chunk
        more = len(chunk) == LIST_CHUNK


async def _take(iterator: AsyncIterator[T], count: int) -> list[T]:
    taken: list[T] = []
    async for item in iterator:
        taken.append(item)
        if len(taken) == count:
            break
    return taken
