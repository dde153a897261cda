"""`-> Never` and `-> NoReturn`: what only raises, or goes on as new for ever, may say so."""

from __future__ import annotations

from typing import Any, Never, NoReturn

import pytest

from stead.app import App
from stead.app.testing import TestHub
from stead.entities import Entity, EntityContext, OperationFailed
from stead.orchestrations import OrchestrationContext, RuntimeStatus


class Refuser(Entity):
    count: int = 0

    def refuse(self) -> NoReturn:
        raise ValueError("no")

    def lie(self) -> Never:
        return 5  # type: ignore[misc]  # pyright: ignore[reportReturnType]


async def test_what_never_returns() -> None:
    app = App("never")
    app.entity(Refuser)

    @app.entity_function("Function")
    def function(context: EntityContext) -> NoReturn:
        raise KeyError(context.operation_name)

    @app.activity
    async def fails(number: int) -> Never:
        raise ValueError(number)

    @app.orchestration
    async def forever(context: OrchestrationContext, number: int) -> Never:
        if number == 3:
            await context.call_activity(fails, number)
        context.continue_as_new(number + 1)
        return None  # type: ignore[misc]  # pyright: ignore[reportReturnType]

    async with TestHub(app) as hub:
        client: Any = hub.client
        for operation in (Refuser.refuse, Refuser.lie):
            with pytest.raises(OperationFailed):
                await client.call_entity(operation, "k")
        status = await client.wait_for_completion(await client.start_new(forever, 0))
        assert status.runtime_status is RuntimeStatus.FAILED
        assert "ValueError: 3" in str(status.failure)
