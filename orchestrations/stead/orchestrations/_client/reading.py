"""What a client sees of the instances of a hub: the status of one, its history, those that match, how many there are.

A read sees what is committed and waits for nobody.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from datetime import datetime
from functools import partial
from typing import Any, TypeVar, overload

from stead.entities import EntityClient, Page, Registry
from stead.entities.extending import PAGE_READ_LENGTH, check_instance_id, take_page
from stead.orchestrations._definition.input import InstanceId
from stead.orchestrations._definition.registry import OrchestrationRegistry
from stead.orchestrations._history.errors import UnknownInstance
from stead.orchestrations._history.events import Event
from stead.orchestrations._history.record import RuntimeStatus
from stead.orchestrations._history.status import OrchestrationStatus
from stead.orchestrations._schedules.schedule import schedule_type
from stead.transport import InstanceView, PayloadLocked, Settings, Store

from .queries import Filter, InstanceQueries, Look
from .schedules import Schedules

O = TypeVar("O")  # noqa: E741 - an orchestration's output

_FILTERED_READ_LENGTH = 500  # records that are read at a time for a page that most of them may not be on


class InstanceReader(EntityClient):
    """See the module. `OrchestrationClient` is one that can also change them."""

    def __init__(
        self, store: Store, registry: Registry, settings: Settings, orchestrations: OrchestrationRegistry
    ) -> None:
        """A reader over an open store, which it does not close."""
        super().__init__(store, registry, settings)
        self._instances = InstanceQueries(store, orchestrations)
        orchestrations.schedules()  # none may be half made
        registry.add_built_in(schedule_type())

    @property
    def schedules(self) -> Schedules:
        """The hub's schedules: make, see, pause, trigger, delete them."""
        pages = partial(self._list_pages, self._store.list_targets)
        return Schedules(self, self._store, self._registry, self._read, pages, self.get_status)

    @overload
    async def get_status(
        self, instance_id: InstanceId[O], show_history: bool = ..., show_input: bool = ...
    ) -> OrchestrationStatus[O] | None: ...

    @overload
    async def get_status(
        self, instance_id: str, show_history: bool = ..., show_input: bool = ...
    ) -> OrchestrationStatus[Any] | None: ...

    async def get_status(
        self, instance_id: str, show_history: bool = False, show_input: bool = True
    ) -> OrchestrationStatus[Any] | None:
        """An instance's status, None if it does not exist. Never waits for the instance.

        The output is checked against the orchestration's type where this program knows the orchestration; otherwise it is
        plain data. `show_history` reads the whole history as well.
        """
        check_instance_id(instance_id)
        if show_history:
            look = await self._read(lambda: self._instances.whole(instance_id))
        else:
            look = await self._read(lambda: self._instances.look(instance_id, 1 if show_input else 0))
        if look is None:
            return None
        return self._instances.status(
            look, show_history=show_history, show_input=show_input, strict=isinstance(instance_id, InstanceId)
        )

    async def read_history(self, instance_id: str) -> list[Event]:
        """An instance's history as it is stored, for export and replay. Raises `UnknownInstance`, and `PayloadLocked` where this
        process cannot decode it."""
        check_instance_id(instance_id)
        look = await self._read(lambda: self._instances.whole(instance_id))
        if look is None:
            raise UnknownInstance(instance_id)
        if look.record is not None and look.record.locked:
            raise PayloadLocked(look.record.locked, instance_id)
        return list(look.events)

    async def list_instances(
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
    ) -> AsyncIterator[OrchestrationStatus[Any]]:
        """The instances that match all of what is given, ascending by ID.

        `statuses`: members of `RuntimeStatus` or their names; `name`: an orchestration or its name; `prefix`: of the IDs;
        `created_from`, `created_to`: both included; `tags`: which it has to have; `after`: only those that come after that
        ID. What exists throughout is given exactly once; one whose start no worker has taken up yet is Pending.
        """
        wanted = Filter.of(statuses, name, created_from, created_to, tags)
        async for page in self._list_pages(self._store.list_instances, prefix, after):
            found = self._instances.matching(page, wanted)
            if show_input and found:
                found = await self._read(partial(self._instances.with_input, found))
            for look in found:
                yield self._instances.status(look, show_input=show_input)

    async def page_instances(
        self,
        *,
        statuses: Iterable[RuntimeStatus | str] | None = None,
        name: Any = None,
        prefix: str = "",
        created_from: datetime | None = None,
        created_to: datetime | None = None,
        tags: Mapping[str, str] | None = None,
        show_input: bool = False,
        length: int = 100,
        after: str = "",
    ) -> Page[OrchestrationStatus[Any]]:
        """A page of what `list_instances` gives, for those who cannot keep a listing open. `after`: what the page before
        said, or the ID of an instance.
        """
        wanted = Filter.of(statuses, name, created_from, created_to, tags)

        def choose(target: str, view: InstanceView) -> Look | None:
            return self._instances.chosen(target, view, wanted)

        least = PAGE_READ_LENGTH if wanted == Filter() else _FILTERED_READ_LENGTH
        pages = self._list_pages(self._store.list_instances, prefix, after, max(length + 1, least))
        page = await take_page(pages, after, length, choose, self._store.left_out, "instances")
        looks = page.items
        if show_input and looks:
            looks = await self._read(partial(self._instances.with_input, looks))
        return Page([self._instances.status(look, show_input=show_input) for look in looks], page.after, page.left_out)

    async def count_instances(
        self,
        *,
        statuses: Iterable[RuntimeStatus | str] | None = None,
        name: Any = None,
        prefix: str = "",
        created_from: datetime | None = None,
        created_to: datetime | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> dict[tuple[str, RuntimeStatus], int]:
        """How many instances there are of each orchestration in each status, of those that `list_instances` gives."""
        wanted = Filter.of(statuses, name, created_from, created_to, tags)
        counts: dict[tuple[str, RuntimeStatus], int] = {}
        async for page in self._list_pages(self._store.list_instances, prefix):
            for look in self._instances.matching(page, wanted):
                key = look.known.name, look.status
                counts[key] = counts.get(key, 0) + 1
        return counts

    async def count_statuses(self) -> dict[RuntimeStatus, int]:
        """How many instances there are in each status. Nothing else of them is decoded, so it takes a fraction of what
        `count_instances` does."""
        counts: dict[RuntimeStatus, int] = {}
        async for page in self._list_pages(self._store.list_instances, ""):
            for status in self._instances.statuses(page):
                counts[status] = counts.get(status, 0) + 1
        return counts

    async def times_of_instances(
        self,
        has: Callable[[OrchestrationStatus[Any]], bool] | None = None,
        *,
        statuses: Iterable[RuntimeStatus | str] | None = None,
        name: Any = None,
        prefix: str = "",
        created_from: datetime | None = None,
        created_to: datetime | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> AsyncIterator[tuple[int, list[tuple[int, RuntimeStatus]]]]:
        """When the instances were created that `list_instances` gives, and for which `has` is true, in ms; with their statuses. Piece
        by piece, each with how many were looked at for it.
        """
        wanted = Filter.of(statuses, name, created_from, created_to, tags)
        async for page in self._list_pages(self._store.list_instances, prefix):
            looks = self._instances.matching(page, wanted)
            if has is not None:
                looks = [look for look in looks if has(self._instances.status(look, show_input=False))]
            yield len(page), [(look.known.created_ms, look.status) for look in looks]

    async def _look(self, instance_id: str, events: int = 0) -> Look:
        """The instance; `UnknownInstance` if there is none."""
        check_instance_id(instance_id)
        look = await self._read(lambda: self._instances.look(instance_id, events))
        if look is None:
            raise UnknownInstance(instance_id)
        return look
