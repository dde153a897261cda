"""Local activities in a trace: their spans are those of ordinary ones, with the same parent, and a failure shows as one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry import trace

from stead.app import App
from stead.app.testing import TestHub
from stead.orchestrations import ActivityFailed, OrchestrationContext
from support.spans import Spans, spans_told, tree

app = App("traced-local")


@pytest.fixture
def spans() -> Iterator[Spans]:
    with spans_told() as told:
        yield told


@app.activity
async def look(what: str) -> str:
    trace.get_current_span().set_attribute("seen", what)
    if what == "broken":
        raise ValueError(what)
    return what


@app.orchestration
async def looking(context: OrchestrationContext, local: bool) -> list[str]:
    form = look.with_options(local=local)
    seen = [await context.call_activity(form, "whole")]
    try:
        await context.call_activity(form, "broken")
    except ActivityFailed as error:
        seen.append(error.error_type)
    return seen


async def test_the_spans_are_those_of_ordinary_ones(spans: Spans) -> None:
    trees: list[Any] = []
    for local in (True, False):
        async with TestHub(app) as hub:
            await hub.client.wait_for_completion(await hub.client.start_new(looking, local))  # some tasks stand by now
            spans.clear()
            with trace.get_tracer("test").start_as_current_span("request"):
                instance_id = await hub.client.start_new(looking, local)
            assert (await hub.client.wait_for_completion(instance_id)).result() == ["whole", "ValueError"]
        activities = [span for span in spans.all if span.name == "activity:look"]
        parent = spans.one("orchestration:looking")
        assert [(span.parent_id, span.ok, span.attributes["seen"]) for span in activities] == [
            (parent.span_id, True, "whole"),
            (parent.span_id, False, "broken"),
        ]
        trees.append(tree(spans.all))
    assert trees[0] == trees[1]
