"""`SyncClient.changes(…)`: what changes, without `await`."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Callable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from stead.entities import Change, EntityId

from .portal import ClientClosed, Portal

if TYPE_CHECKING:
    from stead.app._hub.client import Client

T_co = TypeVar("T_co", covariant=True)


class SyncChange(Generic[T_co]):
    """An entity's state differs from the one before. What its members are is said at `Change`."""

    __slots__ = ("_change", "_portal")

    def __init__(self, portal: Portal, change: Change[T_co]) -> None:
        self._portal = portal
        self._change = change

    def __repr__(self) -> str:
        return f"SyncChange(entity_id={self.entity_id!r}, state={self.state!r}, time={self.time!r})"

    @property
    def entity_id(self) -> EntityId:
        """Whose state it is."""
        return self._change.entity_id

    @property
    def state(self) -> T_co | None:
        """The new state; None if the entity was deleted."""
        return self._change.state

    @property
    def time(self) -> datetime:
        """The time of the commit."""
        return self._change.time

    @property
    def cursor(self) -> str:
        """The place behind this change."""
        return self._change.cursor

    @property
    def receipt(self) -> str:
        """A text by which the change of a group is marked from elsewhere."""
        return self._change.receipt

    def done(self) -> bool:
        """Say that the group has dealt with this change and with all before it of the same partition."""
        return self._portal.run(lambda _: self._change.done())


def follow(portal: Portal, begin: Callable[[Client], Any], seconds: float | None) -> Iterator[SyncChange[Any]]:
    """What a reading in the client's thread gives, one after the other. It ends there when this is closed, or dropped."""

    async def begun(client: Client) -> AsyncGenerator[Change[Any]]:
        return cast("AsyncGenerator[Change[Any]]", begin(client))

    changes = portal.run(begun, seconds)
    try:
        while True:
            yield SyncChange(portal, portal.run(lambda _: anext(changes)))
    finally:
        with contextlib.suppress(ClientClosed):  # which has ended the reading, too
            portal.run(lambda _: changes.aclose())
