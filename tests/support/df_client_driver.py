"""Drives the Python client of Durable Functions: run by that client's own interpreter, see `df_clients`.

The first line of its input is the client binding, each other one a call; for each it writes a line, with a value or an error.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import sys
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

df: Any = importlib.import_module("azure.durable_functions")
NOTHING = object()


def status_of(status: Any) -> Any:
    """What the client made of an instance's status."""
    if not status.instance_id:
        return None
    found = status.to_json()
    found["created"] = isinstance(status.created_time, datetime)
    events: list[dict[str, Any]] = status.history or []
    found["events"] = [event["EventType"] for event in events]
    return found


def instant(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def statuses(names: list[str] | None) -> Any:
    return None if names is None else [df.OrchestrationRuntimeStatus[name] for name in names]


class Driver:
    """One method for each verb."""

    def __init__(self, binding: str) -> None:
        self.client = df.DurableOrchestrationClient(binding)

    async def start(self, name: str, id: str | None = None, input: Any = None) -> Any:
        return await self.client.start_new(name, id, input)

    async def status(self, id: str, history: bool = False, input: bool = True) -> Any:
        return status_of(await self.client.get_status(id, history, history, input))

    async def list(self) -> Any:
        return [status_of(status) for status in await self.client.get_status_all()]

    async def list_by(self, since: str | None = None, until: str | None = None, statuses_: Any = None) -> Any:
        found = await self.client.get_status_by(instant(since), instant(until), statuses(statuses_))
        return [status_of(status) for status in found]

    async def event(self, id: str, name: str, data: Any = None) -> Any:
        await self.client.raise_event(id, name, data)

    async def terminate(self, id: str, reason: str) -> Any:
        await self.client.terminate(id, reason)

    async def suspend(self, id: str, reason: str) -> Any:
        await self.client.suspend(id, reason)

    async def resume(self, id: str, reason: str) -> Any:
        await self.client.resume(id, reason)

    async def rewind(self, id: str, reason: str) -> Any:
        await self.client.rewind(id, reason)

    async def purge(self, id: str) -> Any:
        return (await self.client.purge_instance_history(id)).instances_deleted

    async def purge_by(self, since: str, until: str | None = None, statuses_: Any = None) -> Any:
        found = await self.client.purge_instance_history_by(instant(since), instant(until), statuses(statuses_))
        return found.instances_deleted

    async def signal(self, entity: str, key: str, operation: str, input: Any = None) -> Any:
        await self.client.signal_entity(df.EntityId(entity, key), operation, input)

    async def read(self, entity: str, key: str) -> Any:
        found = await self.client.read_entity_state(df.EntityId(entity, key))
        return [found.entity_exists, found.entity_state]

    async def wait(self, id: str, timeout_ms: int = 20_000) -> Any:
        answer = await self.client.wait_for_completion_or_create_check_status_response(None, id, timeout_ms, 10)
        body = answer.get_body().decode()  # a text as it is, anything else as JSON
        try:
            return [answer.status_code, json.loads(body)]
        except ValueError:
            return [answer.status_code, body]

    async def links(self, id: str) -> Any:
        return self.client.create_http_management_payload(id)


async def main() -> None:
    lines = asyncio.get_running_loop()
    driver = Driver(sys.stdin.readline())
    while line := await lines.run_in_executor(None, sys.stdin.readline):
        arguments = json.loads(line)
        call: Callable[..., Awaitable[Any]] = getattr(driver, arguments.pop("verb"))
        try:
            answer = {"value": await call(**arguments)}
        except Exception as error:  # noqa: BLE001 - whatever it is, the test looks at it
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
