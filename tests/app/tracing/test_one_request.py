"""The trace of one request through signal, call, operation, orchestration, activity, sub-orchestration, timer and event, span by
span; what comes of it when nobody wants to know; and that nothing of it changes what a replay does.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, Decision, ParentBased, SamplingResult, StaticSampler

from stead.app import App, Client
from stead.app._console.logs import whose_trace
from stead.app.testing import TestHub
from stead.entities import Entity, OperationFailed, batched
from stead.entities._message import envelope
from stead.orchestrations import OrchestrationContext, ReplayFilter, RuntimeStatus
from support.spans import Spans, Told, spans_told, tree
from support.traced_app import BEHIND_THE_REQUEST, Order, app, ship

PLACED, DELIVERED = BEHIND_THE_REQUEST
REFUSED: Any = ("entity:order:refuse CLIENT", [("entity:order:refuse SERVER", [])])
WHOLE: list[Any] = [("request INTERNAL", [PLACED, REFUSED, DELIVERED])]


@pytest.fixture
def spans() -> Iterator[Spans]:
    with spans_told() as told:
        yield told


async def request(client: Client) -> None:
    """One request, which goes through everything."""
    await client.signal_entity(Order.place, "one", 7)
    with pytest.raises(OperationFailed):
        await client.call_entity(Order.refuse, "one")
    await client.raise_event("ship-one", "delivered")
    status = await client.wait_for_completion("ship-one")
    assert (status.runtime_status, status.output) == (RuntimeStatus.COMPLETED, 7)


def instance_of(span: Told) -> Any:
    return span.attributes["durabletask.task.instance_id"]


@pytest.mark.parametrize("replay_every_turn", [False, True])
async def test_a_request_is_one_trace(spans: Spans, replay_every_turn: bool) -> None:
    async with TestHub(app, replay_every_turn) as hub:
        with trace.get_tracer("test").start_as_current_span("request"):
            await request(hub.client)
    told = spans.all
    assert tree(told) == WHOLE
    assert len({span.trace_id for span in told}) == 1
    assert not any("is_replaying" in span.attributes for span in told)

    shipped = spans.one("orchestration:ship")
    assert shipped.attributes["durabletask.task.status"] == "Completed"
    assert instance_of(shipped) == "ship-one"
    (event,) = [span for span in spans.named("orchestration_event:delivered") if span.kind == "CONSUMER"]
    assert event.links == (shipped.span_id,)
    timer = spans.one("orchestration:send:timer")
    assert timer.ended_ns - timer.began_ns == 200_000_000
    refused = [span for span in told if span.name == "entity:order:refuse"]
    assert [span.ok for span in refused] == [False, False]
    assert all(span.events == ("exception",) for span in refused)


async def test_a_worker_that_ends_again_and_again_tells_each_thing_once(spans: Spans) -> None:
    """But for activities, which run at least once."""
    for seed in range(3):
        spans.clear()
        async with TestHub(app, kill_seed=seed) as hub:
            with trace.get_tracer("test").start_as_current_span("request"):
                await request(hub.client)
        activities = [span for span in spans.all if span.name.startswith("activity:")]
        rest = [span for span in spans.all if not span.name.startswith("activity:")]
        (shipped, sent) = (spans.one("orchestration:ship"), spans.one("orchestration:send"))
        assert {(span.name, span.parent_id) for span in activities} == {
            ("activity:fetch", shipped.span_id),
            ("activity:wrap", sent.span_id),
        }
        every = tree([*rest, *{span.name: span for span in activities}.values()])
        assert every == WHOLE


async def test_without_an_sdk_nothing_is_carried(monkeypatch: pytest.MonkeyPatch) -> None:
    packed: list[tuple[Any, ...]] = []
    inner: Any = envelope
    pack = inner.pack_envelope

    def noted(parts: tuple[Any, ...]) -> bytes:
        packed.append(parts)
        packed_parts: bytes = pack(parts)
        return packed_parts

    monkeypatch.setattr(envelope, "pack_envelope", noted)
    async with TestHub(app) as hub:
        await request(hub.client)
        async with hub.client.producer() as producer:
            await producer.signal(Order.note, "all", 1)
        status = await hub.client.get_status("ship-one", show_history=True)
    messages = [parts for parts in packed if len(parts) >= 5]
    assert len(messages) > 10
    assert [parts for parts in messages if len(parts) > 5 and "c" in parts[5]] == []
    assert any(len(parts) == 5 and parts[2] == "note" for parts in messages)
    assert status is not None and status.history is not None
    assert "trace" not in status.history[0].fields


async def test_the_history_is_the_same_but_for_the_trace() -> None:
    async def history() -> list[Any]:
        async with TestHub(app) as hub:
            await request(hub.client)
            status = await hub.client.get_status("ship-one", show_history=True)
            assert status is not None and status.history is not None
            told: list[Any] = [[event.event_type, event.task_id, dict(event.fields)] for event in status.history]
            for _, _, fields in told:
                for name in [name for name, value in fields.items() if value is None or name.endswith("_id")]:
                    del fields[name]
            return told

    with spans_told():
        traced = await history()
    assert traced[0][2].pop("trace").startswith("00-")
    plain = await history()
    assert traced == plain


async def test_a_start_without_a_trace_begins_one(spans: Spans) -> None:
    """As a client without an SDK sends it, or an old one."""
    async with TestHub(app) as hub:
        await hub.client.start_new(ship, 3, instance_id="alone")
        await hub.client.raise_event("alone", "delivered")
        await hub.client.wait_for_completion("alone")
    spans.clear()
    own = App("alone")

    @own.activity
    async def work() -> int:
        return 1

    @own.orchestration
    async def root(context: OrchestrationContext) -> int:
        return await context.call_activity(work)

    async with TestHub(own) as hub:
        client: Any = hub.client
        encode = client._outgoing.encode

        def without(target: str, name: str, args: Any, extras: dict[str, Any] | None, *more: Any) -> Any:
            (extras or {}).pop("c", None)
            return encode(target, name, args, extras, *more)

        client._outgoing.encode = without
        await client.start_new(root, instance_id="one")
        await client.wait_for_completion("one")
    whole, activity = spans.one("orchestration:root"), spans.one("activity:work")
    assert whole.parent_id is None
    assert (activity.parent_id, activity.trace_id) == (whole.span_id, whole.trace_id)


async def test_what_is_not_sampled_is_not_told() -> None:
    with spans_told(ParentBased(ALWAYS_OFF)) as spans:
        async with TestHub(app) as hub:
            with trace.get_tracer("test").start_as_current_span("request"):
                await request(hub.client)
            await hub.client.start_new(ship, 1, instance_id="again")
        assert spans.all == []


class Raises(SpanProcessor):
    """A processor of the program's that has a fault; there is one like it in a sampler."""

    def __init__(self, where: str) -> None:
        self._where = where
        self.raised = 0

    def fail(self, where: str) -> None:
        if where == self._where:
            self.raised += 1
            raise KeyError(where)

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        self.fail("begins")

    def on_end(self, span: ReadableSpan) -> None:
        self.fail("ends")


class RaisingSampler(StaticSampler):
    def __init__(self, raises: Raises) -> None:
        super().__init__(Decision.RECORD_AND_SAMPLE)
        self._raises = raises

    def should_sample(self, *args: Any, **kwargs: Any) -> SamplingResult:
        self._raises.fail("sampled")
        return super().should_sample(*args, **kwargs)


@pytest.mark.invariant(12)
@pytest.mark.parametrize("where", ["begins", "ends", "sampled"])
async def test_what_listens_may_fail_and_the_work_goes_on(
    where: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stead.entities._tracing.switch._said", set[str]())
    raises = Raises(where)
    with spans_told(RaisingSampler(raises)) as spans:
        spans.provider.add_span_processor(raises)
        async with TestHub(app) as hub:
            await request(hub.client)
            async with hub.client.producer() as producer:
                await producer.signal(Order.place, "two", 7)
            await hub.client.raise_event("ship-two", "delivered")
            assert (await hub.client.wait_for_completion("ship-two")).output == 14
    assert raises.raised > 5
    said = [record for record in caplog.records if record.name == "stead.tracing"]
    assert len(said) == 1, "once, however often it happens"
    assert f"KeyError: '{where}'" in said[0].getMessage()


class Batch(Entity):
    """Takes many at once."""

    total: int = 0

    @batched
    def add(self, amounts: list[int]) -> None:
        self.total += sum(amounts)

    async def later(self) -> str:
        await asyncio.sleep(0)
        return f"{trace.get_current_span().get_span_context().span_id:x}"

    def remind(self) -> None:
        self.context.reminder("again", after=timedelta(seconds=5)).signal(Batch.noted)

    def noted(self) -> None:
        self.total += 1


async def test_a_batch_is_linked_to_those_who_sent_its_messages(spans: Spans) -> None:
    own = App("batches")
    own.entity(Batch)
    tracer = trace.get_tracer("test")
    async with TestHub(own) as hub:
        async with hub.client.producer() as producer:
            for number in range(40):
                with tracer.start_as_current_span(f"request {number % 4}"):
                    await producer.signal(Batch.add, "one", number)
        await hub.run_until_idle()
    senders = {span.span_id for span in spans.all if span.name.startswith("request")}
    flushed = spans.one("entity:signal_batch")
    assert flushed.attributes["messaging.batch.message_count"] == 40
    assert set(flushed.links) == senders
    run = spans.named("entity:batch:add")
    assert {link for span in run for link in (*span.links, span.parent_id)} - {None} == senders
    assert any(len(span.links) > 1 and span.parent_id is None for span in run)


async def test_what_a_producer_is_given_is_told_by_sort(spans: Spans) -> None:
    own = App("produced")
    own.entity(Batch)

    @own.orchestration
    async def adds(context: OrchestrationContext) -> int:
        return sum([await context.wait_for_external_event("add", int) for _ in range(40)])

    tracer = trace.get_tracer("test")
    async with TestHub(own) as hub:
        instance_id = await hub.client.start_new(adds)
        async with hub.client.producer() as producer:
            for number in range(40):
                with tracer.start_as_current_span(f"request {number % 4}"):
                    await producer.raise_event(instance_id, "add", number)
            await producer.signal(Batch.add, "one", 1)
        assert (await hub.client.wait_for_completion(instance_id)).output == sum(range(40))
    senders = {span.span_id for span in spans.all if span.name.startswith("request")}
    flushed = spans.one("orchestration_event_batch")
    assert flushed.attributes["messaging.batch.message_count"] == 40
    assert flushed.attributes["messaging.operation.name"] == "raise_event"
    assert set(flushed.links) == senders
    assert spans.one("entity:signal_batch").attributes["messaging.batch.message_count"] == 1
    came = spans.named("orchestration_event:add")
    assert {span.parent_id for span in came} == senders
    assert {span.links for span in came} == {(spans.one("orchestration:adds").span_id,)}


async def test_code_runs_within_its_span(spans: Spans) -> None:
    own = App("within")
    own.entity(Batch)
    async with TestHub(own) as hub:
        said = await hub.client.call_entity(Batch.later, "one")
    (server,) = [span for span in spans.named("entity:batch:later") if span.kind == "SERVER"]
    assert said == f"{server.span_id:x}"


async def test_a_reminder_is_linked_to_what_has_set_it(spans: Spans) -> None:
    own = App("reminded")
    own.entity(Batch)
    async with TestHub(own) as hub:
        await hub.client.call_entity(Batch.remind, "one")
        await hub.advance(timedelta(seconds=6))
    (asked,) = [span for span in spans.named("entity:batch:remind") if span.kind == "SERVER"]
    rung = spans.one("entity:batch:noted")
    assert (rung.parent_id, rung.links) == (None, (asked.span_id,))
    assert rung.trace_id != asked.trace_id


async def test_a_failed_execution_says_why_and_goes_on_as_another_when_it_is_rewound(spans: Spans) -> None:
    own = App("failing")
    broken = [True]

    @own.activity
    async def work() -> int:
        if broken:
            raise ValueError("broken")
        return 1

    @own.orchestration
    async def flow(context: OrchestrationContext) -> int:
        return await context.call_activity(work)

    async with TestHub(own) as hub:
        await hub.client.start_new(flow, instance_id="one")
        assert (await hub.client.wait_for_completion("one")).runtime_status is RuntimeStatus.FAILED
        broken.clear()
        await hub.client.rewind("one")
        assert (await hub.client.wait_for_completion("one")).runtime_status is RuntimeStatus.COMPLETED
    first, second = spans.named("orchestration:flow")
    assert (first.ok, second.ok) == (False, True)
    assert first.span_id != second.span_id and first.trace_id == second.trace_id
    assert [span.ok for span in spans.named("activity:work")] == [False, True]


async def test_each_execution_of_one_that_goes_on_as_new_is_told(spans: Spans) -> None:
    own = App("going-on")

    @own.orchestration
    async def count(context: OrchestrationContext, left: int) -> int:
        if left:
            context.continue_as_new(left - 1)
        return left

    async with TestHub(own) as hub:
        await hub.client.start_new(count, 2, instance_id="one")
        await hub.client.wait_for_completion("one")
    executions = spans.named("orchestration:count")
    assert [span.attributes["durabletask.task.status"] for span in executions] == ["ContinuedAsNew"] * 2 + ["Completed"]
    assert len({span.span_id for span in executions}) == 3 and len({span.parent_id for span in executions}) == 1


async def test_what_an_orchestrator_tells_itself_is_told_once_and_so_are_its_lines(
    spans: Spans, caplog: pytest.LogCaptureFixture
) -> None:
    """Its own spans and lines belong to its span; those of a replay are silent, and can be filtered."""
    own = App("telling")
    log = logging.getLogger("told")
    lines: list[tuple[str, dict[str, str]]] = []

    class Lines(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append((record.getMessage(), whose_trace()))

    handler = Lines()
    handler.addFilter(ReplayFilter())
    log.addHandler(handler)

    @own.activity
    async def work() -> int:
        return 1

    @own.orchestration
    async def flow(context: OrchestrationContext) -> int:
        with trace.get_tracer("user").start_as_current_span("thinking"):
            log.warning("thinking")
        return await context.call_activity(work) + await context.call_activity(work)

    try:
        async with TestHub(own, replay_every_turn=True) as hub:
            await hub.client.start_new(flow, instance_id="one")
            await hub.client.wait_for_completion("one")
    finally:
        log.removeHandler(handler)
    whole, thinking = spans.one("orchestration:flow"), spans.one("thinking")
    assert thinking.parent_id == whole.span_id
    assert lines == [("thinking", {"trace_id": f"{whole.trace_id:032x}", "span_id": f"{thinking.span_id:016x}"})]
