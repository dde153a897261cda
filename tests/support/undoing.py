"""A child that undoes something when it is ended, and what was undone."""

from __future__ import annotations

from stead.orchestrations._execution.context import OrchestrationContext

undone: list[str] = []


def undo(what: str) -> str:
    undone.append(what)
    return what


async def child(context: OrchestrationContext) -> object:
    try:
        return await context.wait_for_external_event("go")
    finally:
        await context.call_activity("undo", context.instance_id)
