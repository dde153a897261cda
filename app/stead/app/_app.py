"""`App`: a task hub's name, its settings, and the kinds that this program defines."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeVar, overload

from stead.entities import ClassEntityType, Entity, EntityContext, FunctionEntityType, Registry
from stead.transport import InvalidInput, Settings

from ._client import Connecting
from ._run import WorkerRun
from ._sync import SyncClient

E = TypeVar("E", bound=Entity)
F = TypeVar("F", bound=Callable[[EntityContext], object])

_HUB_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{2,44}")


class App:
    """A task hub as a program sees it.

    Two apps with the same name and the same server are the same hub, in one process or in many. Making an app opens
    nothing: `connect`, `connect_sync` and `worker` do.

        app = App("weather")
    """

    def __init__(self, name: str, *, settings: Settings | None = None) -> None:
        """`name`: a letter, then letters, digits and "-"; 3 to 45 characters. Without `settings` the environment's."""
        if not _HUB_NAME.fullmatch(str(name)):
            raise InvalidInput(
                f"app name {name!r}", 'a task hub\'s name is a letter, then letters, digits and "-"; 3 to 45 characters'
            )
        self.name = name
        self.settings = Settings() if settings is None else settings
        self.registry = Registry()

    def __repr__(self) -> str:
        return f"App({self.name!r})"

    @overload
    def entity(self, cls: type[E], /) -> type[E]: ...

    @overload
    def entity(self, *, name: str | None = None) -> Callable[[type[E]], type[E]]: ...

    def entity(self, cls: Any = None, *, name: str | None = None) -> Any:
        """Define a class entity: its fields are the state, its public methods the operations.

        Its name is the class's, or `name`. Everything that cannot work (see the reference) is refused here, at the
        definition.
        """

        def define(entity_class: type[E]) -> type[E]:
            self.registry.add(ClassEntityType(entity_class, name))
            return entity_class

        return define if cls is None else define(cls)

    def entity_function(self, name: str) -> Callable[[F], F]:
        """Define an entity whose operations are all carried out by one function of an `EntityContext`."""

        def define(function: F) -> F:
            self.registry.add(FunctionEntityType(name, function))
            return function

        return define

    def connect(self, url: str | None = None) -> Connecting:
        """A client: `async with app.connect() as client:`. Without `url`: $STEAD_URL, else `embedded://./.stead`."""
        return Connecting(self, url)

    def connect_sync(self, url: str | None = None) -> SyncClient:
        """The same client without `await`, for Django, Flask and scripts; may be used from many threads."""
        return SyncClient(self, url)

    def worker(self, url: str | None = None, *, name: str | None = None) -> WorkerRun:
        """A worker for this app's kinds.

        `async with app.worker() as worker:` runs it beside the block; `await app.worker().run()` runs it until it is
        stopped or the process gets SIGTERM or SIGINT. `name` is what `stead info` shows; it must be unique in the hub.
        """
        return WorkerRun(self, url, name)
